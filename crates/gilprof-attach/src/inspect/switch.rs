//! Whether a free-threaded build runs with its GIL, and for which module.
//!
//! An import switches the GIL on, for good, where the module does not say that it can do
//! without (`Py_mod_gil`, `PyUnstable_Module_SetGIL`). What it said is kept in the module
//! (`PyModuleObject`, `pycore_moduleobject.h`, 3.13 and 3.14).

use gilprof_code::{Memory, ProcessMemory};

use super::anchors::Anchors;
use super::gil::{COND, ENABLED, GilAt};
use super::imported::Imported;
use super::names::Reader;
use super::pages::Pages;

/// In a module, after what every object begins with: its definition, which Python code has
/// none of, and what it said; behind that is nothing.
const DEFINITION: u64 = 8;
const GIL_USE: u64 = 40;
const OWN_SIZE: u64 = 48;

/// The switch of a free-threaded build's GIL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GilSwitch {
    /// Whether the GIL is on: for good, or for the time of an import.
    pub is_on: bool,
    /// The imported modules that do not say that they can do without it, the first
    /// imported first; or why they are not known.
    pub needed_by: Result<Vec<String>, String>,
}

/// Whether this GIL is on; `None` where it cannot be read.
pub(crate) fn is_on(memory: ProcessMemory, gil: &GilAt) -> Option<bool> {
    let word = memory.word(gil.cond.checked_sub(COND + ENABLED)?)?;
    // An `int` that counts who needs it for the time being.
    Some(word as u32 != 0)
}

/// The modules that do not say that they can do without it.
///
/// # Errors
/// A reason where modules do not keep what they said, or not at this place.
pub(crate) fn needed_by(
    pages: &Pages,
    anchors: &Anchors,
    reader: Reader<'_>,
    modules: &[Imported],
) -> Result<Vec<String>, String> {
    if anchors.module.basic_size != anchors.head() + OWN_SIZE {
        return Err("modules of this version do not keep it where it is looked for".into());
    }
    let said = |module: &Imported| {
        let own = module.module.wrapping_add(anchors.head());
        let word = |offset| pages.word(own.wrapping_add(offset));
        (word(DEFINITION), word(GIL_USE))
    };
    let (mut able, mut found) = (0, Vec::new());
    for module in modules {
        match said(module) {
            // Of Python code nobody asks.
            (Some(0), Some(_)) => (),
            (Some(_), Some(1)) => able += 1,
            (Some(_), Some(0)) => found.extend(reader.text(module.name)),
            _ => return Err("what modules said of the GIL was not read".into()),
        }
    }
    // Those that CPython comes with can do without.
    match able {
        0 => Err("no module says that it can do without the GIL".into()),
        _ => Ok(found),
    }
}
