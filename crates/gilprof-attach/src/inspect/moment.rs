//! What the threads of a program do at one moment, seen from outside.

use std::collections::HashMap;
use std::ops::Range;

use gilprof_code::{FrameAt, FrameLayout, Memory, ProcessMemory};

use super::gil::GilAt;
use super::states::StateAt;

/// Before `cond` in a GIL.
const LAST_HOLDER: u64 = 24;
const LOCKED: u64 = 16;
/// A condition variable has so many bytes: a thread that waits for it sleeps inside.
const COND_BYTES: u64 = size_of::<libc::pthread_cond_t>() as u64;

/// No stack is read further.
const DEPTH: usize = 2_000;

/// What a thread does with the GIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doing {
    /// It has the GIL.
    Holding,
    /// It sleeps until it gets the GIL.
    Waiting,
    /// It does neither: it is blocked on something else, or runs native code.
    Detached,
}

/// One thread at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadMoment {
    /// Its thread state.
    pub state: StateAt,
    /// The number that the kernel gives it, as the process itself sees it; `None` where
    /// that is not known.
    pub native_id: Option<u32>,
    /// What it did; `None` where the kernel does not say what it sleeps on.
    pub doing: Option<Doing>,
    /// Its Python frames, the innermost first; `None` where they did not stand still.
    pub frames: Option<Vec<FrameAt>>,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look<'l> {
    pub(crate) pid: u32,
    pub(crate) memory: ProcessMemory,
    pub(crate) gils: &'l [GilAt],
    pub(crate) layout: Option<&'l FrameLayout>,
    /// The numbers of the process's threads: those that it sees to those that we see.
    pub(crate) tasks: &'l HashMap<u32, u32>,
}

impl Look<'_> {
    /// What one thread does. Its frames are read twice, and what it does with the GIL must
    /// be the same before and after.
    pub(crate) fn at(self, state: StateAt, native_id: Option<u32>) -> ThreadMoment {
        let before = self.doing(state, native_id);
        let frames = self.frames(state);
        let after = self.doing(state, native_id);
        ThreadMoment {
            state,
            native_id,
            doing: before,
            frames: frames.filter(|_| before == after),
        }
    }

    fn frames(self, state: StateAt) -> Option<Vec<FrameAt>> {
        let layout = self.layout?;
        let read = || layout.frames(&self.memory, state.address, DEPTH, |_| false);
        let first = read()?;
        (read()? == first).then_some(first)
    }

    fn doing(self, state: StateAt, native_id: Option<u32>) -> Option<Doing> {
        if self.gils.iter().any(|gil| self.holds(gil.cond, state)) {
            return Some(Doing::Holding);
        }
        let task = self.tasks.get(&native_id?)?;
        let path = format!("/proc/{}/task/{task}/syscall", self.pid);
        let call = std::fs::read_to_string(path).ok()?;
        let is_waiting = waits_at(&call).is_some_and(|address| {
            let mut conds = self.gils.iter().map(|gil| cond(gil.cond));
            conds.any(|cond| cond.contains(&address))
        });
        Some(match is_waiting {
            true => Doing::Waiting,
            false => Doing::Detached,
        })
    }

    fn holds(self, cond: u64, state: StateAt) -> bool {
        let locked = self.memory.word(cond - LOCKED);
        let holder = self.memory.word(cond - LAST_HOLDER);
        locked.is_some_and(|word| word as u32 == 1) && holder == Some(state.address)
    }
}

fn cond(address: u64) -> Range<u64> {
    address..address + COND_BYTES
}

/// The address that a thread sleeps at, if it is in the system call futex; from what
/// `/proc/PID/task/TID/syscall` says.
fn waits_at(call: &str) -> Option<u64> {
    let mut words = call.split_whitespace();
    let number: i64 = words.next()?.parse().ok()?;
    let address = words.next()?.strip_prefix("0x")?;
    (number == libc::SYS_futex)
        .then(|| u64::from_str_radix(address, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_futex_is_waited_at() {
        let futex = format!(
            "{} 0x7f31c80 0x189 0x0 0x0 0x0 0xffffffff 0x7ffc 0x7f31",
            libc::SYS_futex
        );
        assert_eq!(waits_at(&futex), Some(0x7f31c80));
        assert_eq!(
            waits_at("0 0x3 0x7f31c80 0x400 0x0 0x0 0x0 0x7ffc 0x7f31"),
            None
        );
        assert_eq!(waits_at("running"), None);
        assert_eq!(waits_at("-1 0x7ffc 0x7f31"), None);
        assert_eq!(waits_at(""), None);
    }
}
