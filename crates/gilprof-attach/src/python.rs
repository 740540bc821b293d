//! The Python in a process.

use std::collections::BTreeSet;

use gilprof_code::{Memory, ProcessMemory};

use crate::modules::{Module, Modules};
use crate::version::Version;

/// A function that every CPython exports, in the module that has the GIL's code.
pub(crate) const SIGN: &str = "PyEval_SaveThread";

/// The functions through which the GIL speaks to libc, as far as a recording cannot do
/// without them.
const SLOTS: [&str; 2] = ["pthread_cond_signal", "pthread_cond_timedwait"];

/// More interpreters than a process has; chains of freed memory end there.
const MOST_INTERPRETERS: usize = 4096;

/// The Python in a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    module: String,
    version: Option<Version>,
    gil: Option<Gil>,
    gils: Option<usize>,
    is_free_threaded: bool,
    has_slots: bool,
}

/// Whether threads of a Python need the GIL to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gil {
    /// They do.
    On,
    /// They do not: it is a free-threaded build.
    Off,
}

impl Python {
    /// The Python among these modules of the process: of several, the one that has started.
    pub fn of(pid: u32, modules: &Modules) -> Option<Self> {
        let exports = |module: &&Module| module.symbol(SIGN).is_some();
        let all: Vec<&Module> = modules.all().iter().filter(exports).collect();
        let first = *all.first()?;
        let started = |module: &&&Module| Version::is_written(pid, module);
        let module = match all.len() {
            1 => first,
            _ => all.iter().find(started).copied().unwrap_or(first),
        };
        Some(Self::in_module(pid, module))
    }

    fn in_module(pid: u32, module: &Module) -> Self {
        let version = Version::of(pid, module);
        let offsets = DebugOffsets::read(module);
        let is_free_threaded = offsets.as_ref().is_some_and(DebugOffsets::is_free_threaded);
        let (gil, gils) = match (&version, offsets) {
            (Some(version), _) if (version.major(), version.minor()) < (3, 12) => {
                (Some(Gil::On), Some(1))
            }
            (Some(version), _) if (version.major(), version.minor()) == (3, 12) => {
                (Some(Gil::On), None)
            }
            (_, Some(offsets)) => offsets.gils(&ProcessMemory::of(pid)),
            _ => (None, None),
        };
        Python {
            module: module.path().into(),
            version,
            gil,
            gils,
            is_free_threaded,
            has_slots: SLOTS.iter().all(|name| !module.slots(name).is_empty()),
        }
    }

    /// The file that has CPython's code: a program or a shared library.
    pub fn module(&self) -> &str {
        &self.module
    }

    /// Its version; `None` where it cannot be told, as before it has started.
    pub fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// Whether it runs with its GIL; `None` where it cannot be told.
    pub fn gil(&self) -> Option<Gil> {
        self.gil
    }

    /// How many GILs its interpreters have: more than one where some have their own. `None`
    /// where it cannot be told, as in 3.12.
    pub fn gils(&self) -> Option<usize> {
        self.gils
    }

    /// Whether it is a build that can run without a GIL, with objects of another layout.
    pub fn is_free_threaded(&self) -> bool {
        self.is_free_threaded
    }

    /// Whether its calls of libc go through slots: not so where libc is linked statically.
    pub fn has_slots(&self) -> bool {
        self.has_slots
    }
}

/// What CPython tells debuggers of itself (`_Py_DebugOffsets`,
/// `Include/internal/pycore_debug_offsets.h`, 3.13 to 3.15), at the beginning of `_PyRuntime`.
#[derive(Debug)]
struct DebugOffsets {
    at: u64,
    words: [u64; WORDS],
    /// Where in them the description of an interpreter ends that begins alike in all
    /// versions: 3.14 has one more field (`threads_main`).
    shift: usize,
}

/// As many as are read of them.
const WORDS: usize = 20;

impl DebugOffsets {
    const COOKIE: u64 = u64::from_ne_bytes(*b"xdebugpy");

    fn read(module: &Module) -> Option<Self> {
        let at = module.symbol("_PyRuntime")?.address;
        let mut bytes = [0; WORDS * 8];
        module.constant(at, &mut bytes).then_some(())?;
        let (words, _) = bytes.as_chunks();
        let mut all = [0; WORDS];
        for (word, bytes) in all.iter_mut().zip(words) {
            *word = u64::from_ne_bytes(*bytes);
        }
        // Later versions may have other fields.
        let shift = match all[1] >> 16 {
            0x030d => 0,
            0x030e | 0x030f => 1,
            _ => return None,
        };
        let is_it = all[0] == Self::COOKIE;
        is_it.then_some(DebugOffsets {
            at,
            words: all,
            shift,
        })
    }

    fn is_free_threaded(&self) -> bool {
        self.words[2] != 0
    }

    /// The GIL's state, and how many there are, from the memory of the process.
    fn gils(&self, memory: &ProcessMemory) -> (Option<Gil>, Option<usize>) {
        let gils = self.walk(memory);
        let state = match (self.is_free_threaded(), &gils) {
            (false, _) => Some(Gil::On),
            (true, Some(gils)) => gils.first().and_then(|gil| self.state(memory, *gil)),
            (true, None) => None,
        };
        (state, gils.map(|gils| gils.len()))
    }

    /// The addresses of all GILs. `None` before the interpreter has started, or where memory
    /// cannot be read.
    fn walk(&self, memory: &ProcessMemory) -> Option<BTreeSet<u64>> {
        let [head, next, gil] = [5, 8, 14 + self.shift].map(|word| self.words[word]);
        let follow = |from: u64, offset: u64| memory.word(from.checked_add(offset)?);
        let mut gils = BTreeSet::new();
        let mut interpreter = follow(self.at, head)?;
        for _ in 0..MOST_INTERPRETERS {
            if interpreter == 0 {
                break;
            }
            // One that is being made has none yet.
            gils.extend(Some(follow(interpreter, gil)?).filter(|&gil| gil != 0));
            interpreter = follow(interpreter, next)?;
        }
        (!gils.is_empty()).then_some(gils)
    }

    /// In a free-threaded build, a number in the GIL says whether it is on.
    fn state(&self, memory: &ProcessMemory, gil: u64) -> Option<Gil> {
        let enabled = self.words[16 + self.shift];
        let word = memory.word(gil.checked_add(enabled)?)?;
        Some(match word as u32 {
            0 => Gil::Off,
            _ => Gil::On,
        })
    }
}

#[cfg(test)]
impl Python {
    pub(crate) fn sample(version: Version) -> Self {
        Python {
            module: "/usr/bin/python3".into(),
            version: Some(version),
            gil: Some(Gil::On),
            gils: Some(1),
            is_free_threaded: false,
            has_slots: true,
        }
    }

    pub(crate) fn without_gil(self) -> Self {
        Python {
            gil: Some(Gil::Off),
            ..self
        }
    }

    pub(crate) fn free_threaded(self) -> Self {
        Python {
            is_free_threaded: true,
            ..self
        }
    }

    pub(crate) fn without_slots(self) -> Self {
        Python {
            has_slots: false,
            ..self
        }
    }
}
