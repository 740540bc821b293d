//! Whether a gilprof probe is in a process.

use gilprof_code::{Mapping, Memory, ProcessMemory};

use crate::modules::{Module, Modules};
use crate::python::SIGN;

/// Whether a probe is in a process, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// There is none.
    Absent,
    /// There is one that does not record.
    Loaded,
    /// There is one that records.
    Recording,
    /// The GIL's calls of libc go to this file, which may or may not have a probe in it: a
    /// program with gilprof built in, or another tool.
    Elsewhere(String),
}

/// A function that the hooks take the place of.
const HOOKED: &str = "pthread_cond_timedwait";

impl Presence {
    /// What the mappings of the process and the slots of its Python say.
    pub(crate) fn of(pid: u32, mappings: &[Mapping], modules: &Modules) -> Self {
        match goal(pid, modules) {
            Some(Goal::Module(path)) if is_ours(&path) => Presence::Recording,
            Some(Goal::Module(path)) => Presence::Elsewhere(path),
            Some(Goal::Unknown) if has_probe(mappings) => Presence::Recording,
            Some(Goal::Unknown) => Presence::Elsewhere("code that is in no file".into()),
            Some(Goal::Libc) | None if has_probe(mappings) => Presence::Loaded,
            Some(Goal::Libc) | None => Presence::Absent,
        }
    }
}

/// Where a call that goes through a slot gets to.
enum Goal {
    /// To the function itself, or to it by way of the loader.
    Libc,
    /// Into another module.
    Module(String),
    /// Into no module.
    Unknown,
}

fn goal(pid: u32, modules: &Modules) -> Option<Goal> {
    let mut pythons = modules
        .all()
        .iter()
        .filter(|module| module.symbol(SIGN).is_some());
    pythons.find_map(|python| goal_from(pid, python, modules))
}

fn goal_from(pid: u32, python: &Module, modules: &Modules) -> Option<Goal> {
    let slot = python.slots(HOOKED).first()?.address;
    let value = ProcessMemory::of(pid).word(slot)?;
    // Before the first call, it leads where the linker has pointed it: to the loader.
    if [0, python.bias()?]
        .map(|bias| value.wrapping_sub(bias))
        .contains(&linked(python, slot)?)
    {
        return Some(Goal::Libc);
    }
    let Some(module) = modules.around(value) else {
        return Some(Goal::Unknown);
    };
    match module.symbol(HOOKED) {
        Some(_) => Some(Goal::Libc),
        None => Some(Goal::Module(module.path().into())),
    }
}

/// What is in a slot before the loader has filled it.
fn linked(python: &Module, slot: u64) -> Option<u64> {
    let mut bytes = [0; 8];
    let read = python.constant(slot, &mut bytes);
    read.then(|| u64::from_ne_bytes(bytes))
}

fn has_probe(mappings: &[Mapping]) -> bool {
    mappings.iter().any(|mapping| is_ours(&mapping.path))
}

/// The Python package's extension, or memory that gilprof has named.
fn is_ours(path: &str) -> bool {
    path.starts_with("/memfd:gilprof") || path.contains("/gilprof/_native.")
}
