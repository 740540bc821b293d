//! A process that one may want to attach to.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};

use gilprof_code::Mapping;

use crate::modules::Modules;
use crate::presence::Presence;
use crate::process::Process;
use crate::python::{Gil, Python, SIGN};
use crate::refusal::{Refusal, SUPPORTED};

/// How often a process is looked at that becomes another one meanwhile.
const LOOKS: usize = 5;

/// A process that one may want to attach to: what it is, and whether one may.
///
/// ```
/// use gilprof_attach::Target;
///
/// for target in Target::all()?.iter().filter(|target| target.is_python()) {
///     match target.refusal() {
///         None => println!("{} can be attached to", target.process().pid()),
///         Some(refusal) => println!("process {} {refusal}", target.process().pid()),
///     }
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    process: Process,
    /// `None` where it may not be looked at.
    python: Option<Option<Python>>,
    presence: Option<Presence>,
    refusal: Option<Refusal>,
}

impl Target {
    /// The process of this id. Nothing is written to it and it is not stopped.
    ///
    /// # Errors
    /// [`Refusal::Absent`], [`Refusal::Hidden`] and [`Refusal::Changed`]: nothing is known
    /// of it.
    pub fn of(pid: u32) -> Result<Self, Refusal> {
        Search::default().look(pid)
    }

    /// All processes that can be seen, by their ids, but for this one.
    ///
    /// # Errors
    /// What the system says, where `/proc` cannot be listed.
    pub fn all() -> io::Result<Vec<Self>> {
        let mut search = Search::default();
        let all = Process::all()?.into_iter();
        let others = all.filter(|&pid| pid != std::process::id());
        // Those that are gone meanwhile are not there.
        Ok(others.filter_map(|pid| search.look(pid).ok()).collect())
    }

    /// What Linux tells of it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// The Python in it; `None` where there is none, and where that cannot be seen.
    pub fn python(&self) -> Option<&Python> {
        self.python.as_ref()?.as_ref()
    }

    /// Whether there is a Python in it. Where it may not be looked at, that is told from its
    /// name.
    pub fn is_python(&self) -> bool {
        match &self.python {
            Some(python) => python.is_some(),
            None => looks_like_python(&self.process),
        }
    }

    /// Whether a gilprof probe is in it; `None` where that cannot be seen.
    pub fn presence(&self) -> Option<&Presence> {
        self.presence.as_ref()
    }

    /// Why it cannot be attached to; `None` where it can.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }
}

/// A look at processes, which have many files in common.
#[derive(Default)]
struct Search {
    /// Whether a file has CPython in it, by its device and inode.
    files: HashMap<(u32, u32, u64), bool>,
}

impl Search {
    fn look(&mut self, pid: u32) -> Result<Target, Refusal> {
        for _ in 0..LOOKS {
            let Ok(process) = Process::of(pid) else {
                return Err(Refusal::of_absence(pid));
            };
            let target = self.target(process);
            if target.process.is_the_same() {
                return Ok(target);
            }
        }
        Err(Refusal::Changed)
    }

    fn target(&mut self, process: Process) -> Target {
        let access = Refusal::of_access(&process);
        let pid = process.pid();
        let mappings = Mapping::all(pid).ok();
        let mut target = Target {
            process,
            python: None,
            presence: None,
            refusal: access,
        };
        let Some(mappings) = mappings.filter(|mappings| !mappings.is_empty()) else {
            return target;
        };
        let modules = Modules::from_mappings(pid, &mappings);
        let has_python = self.has_python(&modules);
        let python = has_python.then(|| Python::of(pid, &modules)).flatten();
        let may = target.refusal.is_none();
        target.presence = may.then(|| Presence::of(pid, &mappings, &modules));
        target.refusal = target
            .refusal
            .take()
            .or_else(|| refusal(&target.process, python.as_ref()));
        target.python = Some(python);
        target
    }

    fn has_python(&mut self, modules: &Modules) -> bool {
        modules.all().iter().any(|module| {
            if let Some(&known) = self.files.get(&module.file()) {
                return known;
            }
            let found = module.symbol(SIGN).is_some();
            // What cannot be read here may be readable in another process.
            if module.is_readable() {
                self.files.insert(module.file(), found);
            }
            found
        })
    }
}

/// What there is against attaching to a process that may be looked at.
fn refusal(process: &Process, python: Option<&Python>) -> Option<Refusal> {
    if is_narrow(process.pid()) {
        return Some(Refusal::Narrow);
    }
    let Some(python) = python else {
        return Some(Refusal::NotPython);
    };
    let version = python.version();
    let (first, last) = SUPPORTED;
    let is_supported = |minor| (first..=last).contains(&minor);
    match version {
        Some(known) if known.major() != 3 || !is_supported(known.minor()) => {
            return Some(Refusal::Version(known.to_string()));
        }
        _ if python.gil() == Some(Gil::Off) => return Some(Refusal::NoGil),
        _ if python.is_free_threaded() => return Some(Refusal::FreeThreaded),
        _ if !python.has_slots() => return Some(Refusal::NoSlots),
        _ => (),
    }
    Refusal::of_tracer(process)
}

/// The fifth byte of an ELF file says how wide its addresses are.
fn is_narrow(pid: u32) -> bool {
    let mut start = [0; 5];
    let program = File::open(format!("/proc/{pid}/exe"));
    let read = program.and_then(|mut program| program.read_exact(&mut start));
    read.is_ok() && start == [0x7f, b'E', b'L', b'F', 1]
}

/// Programs and scripts that were started as a Python have its name.
fn looks_like_python(process: &Process) -> bool {
    let command = process.command();
    let program = command.first().map_or("", String::as_str);
    let program = program.rsplit('/').next().unwrap_or_default();
    [program, process.name()]
        .iter()
        .any(|name| name.starts_with("python"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    fn refused(python: &Python) -> Option<Refusal> {
        let own = Process::of(std::process::id()).unwrap();
        refusal(&own, Some(python))
    }

    fn python(version: &str) -> Python {
        Python::sample(Version::from_numbers(version, version).unwrap())
    }

    #[test]
    fn versions_on_both_sides_of_the_supported_ones_are_refused() {
        for version in ["2.7.18", "3.8.18", "3.16.0a2", "4.9.0"] {
            assert_eq!(
                refused(&python(version)),
                Some(Refusal::Version(version.into()))
            );
        }
        for version in ["3.9", "3.10.13", "3.13.0", "3.15.2"] {
            assert_eq!(refused(&python(version)), None, "{version}");
        }
    }

    #[test]
    fn a_python_without_a_gil_or_slots_is_refused() {
        let base = python("3.13.0");
        let free_threaded = base.clone().free_threaded();
        assert_eq!(refused(&free_threaded), Some(Refusal::FreeThreaded));
        assert_eq!(refused(&free_threaded.without_gil()), Some(Refusal::NoGil));
        assert_eq!(refused(&base.without_slots()), Some(Refusal::NoSlots));
    }
}
