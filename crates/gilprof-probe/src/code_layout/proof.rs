//! A layout put to the test: what is read by it must be what CPython says.

use gilprof_code::{Code, CodeLayout, LineTable, ProcessMemory};

use super::Doubt;
use super::facts::Facts;
use crate::object::Object;

/// The layout with the only format of the line table that proves right.
pub(super) fn line_table(unproved: &CodeLayout, facts: &[Facts<'_>]) -> Result<CodeLayout, Doubt> {
    let with = |lines| CodeLayout { lines, ..*unproved };
    let tried = LineTable::ALL.map(|lines| holds(&with(lines), facts).map(|()| with(lines)));
    let [lnotab, lines310, locations311] = tried;
    match (lnotab, lines310, locations311) {
        (Ok(one), Err(_), Err(_)) | (Err(_), Ok(one), Err(_)) | (Err(_), Err(_), Ok(one)) => {
            Ok(one)
        }
        (Err(one), Err(other), Err(third)) => Err(format!("{one}, or {other}, or {third}")),
        _ => Err("line tables of several formats fit".into()),
    }
}

/// Whether all that is read of these code objects is what CPython says.
pub(super) fn holds(layout: &CodeLayout, facts: &[Facts<'_>]) -> Result<(), Doubt> {
    facts.iter().try_for_each(|one| holds_for(layout, one))
}

fn holds_for(layout: &CodeLayout, facts: &Facts<'_>) -> Result<(), Doubt> {
    let code = Code::read(&ProcessMemory::own(), layout, facts.code.address())
        .map_err(|why| why.to_string())?;
    let function = &code.function;
    same_text(function, "name", function, facts.function())?;
    same_text(function, "file", &code.file, &facts.file_name)?;
    same(function, "first line", &code.first_line, &facts.first_line)?;
    for offset in (0..facts.bytecode.len() as u32).step_by(2) {
        let (read, said) = (code.line_at(offset), facts.code.line_of(offset));
        same(function, "line", &read, &said)
            .map_err(|why| format!("{why} (offset {offset}, {:?})", layout.lines))?;
    }
    Ok(())
}

/// What has halves of surrogate pairs, such as file names that are not in the
/// system's encoding, is not compared.
fn same_text(function: &str, what: &str, read: &str, object: &Object<'_>) -> Result<(), Doubt> {
    let said = object.text();
    said.map_or(Ok(()), |said| same(function, what, &read, &&*said))
}

fn same<T: PartialEq + std::fmt::Debug>(
    function: &str,
    what: &str,
    read: &T,
    said: &T,
) -> Result<(), Doubt> {
    match read == said {
        true => Ok(()),
        false => Err(format!(
            "the {what} of {function} reads {read:?}, CPython says {said:?}"
        )),
    }
}
