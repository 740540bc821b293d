//! Finding where the parts of a code object are, and proving it.
//!
//! No table of versions says so. A small source text with known names and
//! lines is compiled, and what CPython's functions say of its code objects is
//! searched for in their memory: the one offset that fits all of them is the
//! one. Then the layout is put to the test: for the sample and for functions of
//! the standard library, every name and the line of every instruction must be
//! what CPython itself says (`PyCode_Addr2Line`). What does not check out is
//! refused, with the reason.
//!
//! No Python code runs here, except for audit hooks (PEP 578): they see that
//! texts are compiled and functions are asked for their `__code__`.

mod facts;
mod proof;
mod sample;
mod strings;

use gilprof_code::{CodeLayout, LineTable, only, says_half, says_word};

use crate::error::Error;
use crate::object::{CodeObject, Objects};
use crate::python::Attached;
use facts::Facts;

/// Why something does not check out.
type Doubt = String;

/// Where the parts of a code object are, in this process. Some milliseconds.
///
/// # Errors
/// [`Error::Unsupported`] where it cannot be found, or not be proved.
pub fn code_layout(python: &Attached<'_>) -> Result<CodeLayout, Error> {
    let objects = Objects::find(python)?;
    find(&objects).map_err(|why| {
        Error::unsupported(format!(
            "this interpreter's code objects do not check out: {why}; please report it with \
             the output of `python -VV`"
        ))
    })
}

fn find(objects: &Objects<'_>) -> Result<CodeLayout, Doubt> {
    let sample = sample::compiled(objects)?;
    let sample = facts_of(&sample)?;
    let proved = proof::line_table(&searched(objects, &sample)?, &sample)?;
    let loaded = sample::loaded(objects);
    proof::holds(&proved, &facts_of(&loaded)?)?;
    Ok(proved)
}

fn facts_of<'o>(codes: &'o [CodeObject<'o>]) -> Result<Vec<Facts<'o>>, Doubt> {
    codes.iter().map(Facts::of).collect()
}

/// What fits the memory of all code objects of the sample. The line table's
/// format is still to be found.
fn searched(objects: &Objects<'_>, facts: &[Facts<'_>]) -> Result<CodeLayout, Doubt> {
    let types = facts::Types::of(facts)?;
    let word = |what, value: fn(&Facts<'_>) -> u64| {
        only(what, 8, facts[0].image.len(), |offset| {
            let mut all = facts.iter();
            all.all(|one| says_word(&one.image, offset, value(one)))
        })
    };
    let type_word = word("ob_type", |one| one.code_type)?;
    let qualified_name = match facts[0].qualified_name {
        Some(_) => word("co_qualname", |one| {
            one.qualified_name.as_ref().map_or(0, |name| name.address())
        })?,
        None => 0,
    };
    Ok(CodeLayout {
        code_type: facts[0].code_type,
        type_word,
        file_name: word("co_filename", |one| one.file_name.address())?,
        name: word("co_name", |one| one.name.address())?,
        qualified_name,
        first_line: first_line(facts)?,
        line_table: word("co_linetable", |one| one.line_table.address())?,
        instructions: instructions(facts, types.code_items)?,
        lines: LineTable::Lnotab,
        bytes: strings::bytes_layout(facts, types.bytes)?,
        text: strings::text_layout(objects, types.text)?,
    })
}

fn first_line(facts: &[Facts<'_>]) -> Result<u32, Doubt> {
    only("co_firstlineno", 4, facts[0].image.len(), |offset| {
        let mut all = facts.iter();
        all.all(|one| says_half(&one.image, offset, one.first_line))
    })
}

/// From 3.11 on a code object ends with its bytecode; before, all are of one
/// size.
fn instructions(facts: &[Facts<'_>], item_bytes: u64) -> Result<u32, Doubt> {
    if item_bytes == 0 {
        return Ok(0);
    }
    let wholes: Vec<Vec<u8>> = facts.iter().map(Facts::whole).collect::<Result<_, _>>()?;
    let limit = wholes.iter().map(Vec::len).min().unwrap_or(0);
    only("the bytecode", 2, limit, |offset| {
        let mut all = facts.iter().zip(&wholes);
        all.all(|(one, whole)| {
            let rest = whole.get(offset..);
            rest.is_some_and(|rest| rest.starts_with(&one.bytecode))
        })
    })
}
