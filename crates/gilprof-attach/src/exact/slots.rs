//! The interpreter's slots that calls of libc go through: what to write into them, and
//! what was in them.

use gilprof_code::Memory;

use crate::error::Error;
use crate::exact::area::{Area, Note, PAGE, RESULTS};
use crate::exact::errand::{Errand, Value};
use crate::exact::functions::Functions;
use crate::exact::remote::Remote;
use crate::modules::Module;

/// The functions that have hooks, in the order of [`gilprof_region::Exports::hooks`].
const HOOKED: [&str; 4] = [
    "pthread_cond_signal",
    "pthread_cond_timedwait",
    "pthread_cond_wait",
    "pthread_cond_init",
];

/// A slot, and which hook is for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    address: u64,
    original: u64,
    hook: usize,
    protected: bool,
}

/// A slot that is patched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patched {
    /// Where it is.
    pub(crate) address: u64,
    /// What was in it.
    pub(crate) original: u64,
    /// What is in it now.
    pub(crate) hook: u64,
    /// Whether the process may not write its page.
    protected: bool,
}

/// The words of a [`Patched`] among the notes.
const WORDS: usize = 4;
/// How many slots there are at most: two for each function.
const MOST: usize = 2 * HOOKED.len();

/// The slots of the module that the interpreter is in, none of them patched by anybody.
///
/// # Errors
/// [`Error::Refused`] where it has none, or somebody else has patched one.
pub(crate) fn plan(
    remote: &Remote,
    python: &Module,
    functions: &Functions<'_>,
) -> Result<Vec<Planned>, Error> {
    let mut all = Vec::new();
    for (hook, name) in HOOKED.iter().enumerate() {
        let slots = python.slots(name);
        if slots.is_empty() {
            return Err(Error::refused(format!(
                "{} does not call {name} through a relocation slot (it is linked statically, \
                 or holds no interpreter)",
                python.path()
            )));
        }
        let real = functions.address(name)?;
        for slot in slots {
            let original = read(remote, slot.address)?;
            if original != real && !python.range().contains(&original) {
                return Err(taken(remote.pid(), python, name));
            }
            all.push(Planned {
                address: slot.address,
                original,
                hook,
                protected: !slot.writable,
            });
        }
    }
    Ok(all)
}

fn taken(pid: u32, python: &Module, name: &str) -> Error {
    Error::refused(format!(
        "something in process {pid} has redirected {name} of {} already: the process profiles \
         itself, or another build of gilprof is attached; stop that first",
        python.path()
    ))
}

fn read(remote: &Remote, address: u64) -> Result<u64, Error> {
    let mut bytes = [0; 8];
    remote.fill(address, &mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

impl Planned {
    /// The same, with the hook from the area.
    pub(crate) fn with(self, area: &Area) -> Patched {
        Patched {
            address: self.address,
            original: self.original,
            hook: area.hooks()[self.hook],
            protected: self.protected,
        }
    }
}

/// The pages that have to be made writable for a while.
fn pages(slots: &[Patched]) -> Vec<u64> {
    let protected = slots.iter().filter(|slot| slot.protected);
    let mut pages: Vec<_> = protected.map(|slot| slot.address / PAGE * PAGE).collect();
    pages.sort_unstable();
    pages.dedup();
    pages
}

fn protect(errand: Errand, page: u64, rights: i32) -> Errand {
    let arguments = [page, PAGE, rights as u64].map(Value::Is);
    errand.call(libc::SYS_mprotect, &arguments)
}

/// Makes the slots' pages writable; the results go into these notes.
fn open(errand: Errand, slots: &[Patched], mut results: impl Iterator<Item = u64>) -> Errand {
    pages(slots).into_iter().fold(errand, |errand, page| {
        let errand = protect(errand, page, libc::PROT_READ | libc::PROT_WRITE);
        match results.next() {
            Some(place) => errand.note(place),
            None => errand,
        }
    })
}

/// Protects them again.
pub(crate) fn close(errand: Errand, slots: &[Patched]) -> Errand {
    let pages = pages(slots).into_iter();
    pages.fold(errand, |errand, page| {
        protect(errand, page, libc::PROT_READ)
    })
}

/// Writes into the slots, whose pages are writable.
pub(crate) fn fill(errand: Errand, slots: &[Patched], value: impl Fn(&Patched) -> u64) -> Errand {
    let store = |errand: Errand, slot: &Patched| errand.store(slot.address, value(slot));
    slots.iter().fold(errand, store)
}

/// Writes into slots. The pages of all are made writable for as long as that takes.
///
/// # Errors
/// [`Error::Refused`] where no thread could be borrowed, or the process has ended.
pub(crate) fn write(
    remote: &Remote,
    area: &mut Area,
    all: &[Patched],
    slots: &[Patched],
    value: impl Fn(&Patched) -> u64,
) -> Result<(), Error> {
    if all.is_empty() {
        return Ok(());
    }
    unprotect(remote, area, Errand::new(), all, 0)?;
    let errand = fill(Errand::new(), slots, value);
    area.run(remote, close(errand, all))
}

/// Runs an errand that makes the pages of slots writable, too. The results are noted from
/// the one with the number `first` on.
///
/// # Errors
/// [`Error::Refused`] where a page stays as it is, or no thread could be borrowed.
pub(crate) fn unprotect(
    remote: &Remote,
    area: &mut Area,
    errand: Errand,
    slots: &[Patched],
    first: usize,
) -> Result<(), Error> {
    for index in first..RESULTS {
        area.leave(remote, Note::Results, index, 0)?;
    }
    let results: Vec<_> = (first..RESULTS)
        .map(|index| area.place(Note::Results, index))
        .collect();
    area.run(remote, open(errand, slots, results.into_iter()))?;
    for index in first..RESULTS {
        area.result(remote, index, "make a relocation slot writable")?;
    }
    Ok(())
}

/// Those that still hold a hook: what somebody has patched since is left alone.
pub(crate) fn hooked(remote: &Remote, slots: &[Patched]) -> Vec<Patched> {
    let holds = |slot: &&Patched| remote.word(slot.address) == Some(slot.hook);
    slots.iter().filter(holds).copied().collect()
}

/// Those that hold neither a hook nor what was in them: the dynamic linker has overwritten
/// a hook, since it was resolving a call at that moment.
pub(crate) fn overwritten(remote: &Remote, slots: &[Patched]) -> Vec<Patched> {
    let found = slots
        .iter()
        .filter_map(|slot| Some((slot, remote.word(slot.address)?)));
    let lost = found.filter(|(slot, found)| *found != slot.hook);
    lost.map(|(slot, original)| Patched { original, ..*slot })
        .collect()
}

/// Notes what was patched, for whoever comes after one who was killed.
///
/// # Errors
/// [`Error::Refused`] where the process has ended.
pub(crate) fn leave(remote: &Remote, area: &Area, slots: &[Patched]) -> Result<(), Error> {
    let words = slots.iter().flat_map(|slot| {
        [
            slot.address,
            slot.original,
            slot.hook,
            slot.protected.into(),
        ]
    });
    let words: Vec<u64> = words.chain([0; WORDS]).collect();
    for (index, word) in words.into_iter().enumerate() {
        area.leave(remote, Note::Slots, index, word)?;
    }
    Ok(())
}

/// What was noted.
///
/// # Errors
/// [`Error::Refused`] where the process has ended.
pub(crate) fn noted(remote: &Remote, area: &Area) -> Result<Vec<Patched>, Error> {
    let mut slots = Vec::new();
    for index in 0..MOST {
        let word = |offset| area.note(remote, Note::Slots, index * WORDS + offset);
        let address = word(0)?;
        if address == 0 {
            break;
        }
        slots.push(Patched {
            address,
            original: word(1)?,
            hook: word(2)?,
            protected: word(3)? != 0,
        });
    }
    Ok(slots)
}
