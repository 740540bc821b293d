//! What the words of a GIL say at an instant.

use std::mem::size_of;

use gilprof_code::{Memory, ProcessMemory};

/// From the begin of the words to their places: the last holder, whether it is held, how
/// often it changed hands, its condition variable and mutex, and those that a release waits
/// with until another thread has taken it (`struct _gil_runtime_state`, pycore_gil.h, 3.9 to
/// 3.13).
const LAST_HOLDER: usize = 0;
const LOCKED: usize = 8;
const SWITCHES: usize = 16;
const COND: usize = 24;
const MUTEX: usize = COND + COND_BYTES;
const SWITCH_COND: usize = MUTEX + MUTEX_BYTES;
const SWITCH_MUTEX: usize = SWITCH_COND + COND_BYTES;
const BYTES: usize = SWITCH_MUTEX + MUTEX_BYTES;
const COND_BYTES: usize = size_of::<libc::pthread_cond_t>();
const MUTEX_BYTES: usize = size_of::<libc::pthread_mutex_t>();

/// In a mutex of glibc: who owns it, and how many own it or wait for a condition with it
/// (`struct __pthread_mutex_s`, struct_mutex.h).
const OWNER: usize = 8;
const USERS: usize = 12;

/// How often it is read where it changes meanwhile.
const TRIES: usize = 4;

/// A GIL at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GilNow {
    /// Whether somebody holds it.
    pub is_held: bool,
    /// The thread state of who holds it or held it last.
    pub last_holder: u64,
    /// How often it was taken by another than who held it last.
    pub switches: u64,
    /// How many threads wait for it; `None` where that is not known.
    pub waiting: Option<u32>,
    /// The thread, by the number that the process sees it by, that has the GIL's mutex: it is
    /// on its way to take the GIL, to wait for it or to let go of it. `None` where nobody has or
    /// that is not known.
    pub owner: Option<u32>,
    /// How many wait after their release until another has taken it; the same.
    pub switching: Option<u32>,
}

impl GilNow {
    /// Whether nobody has taken it or let go of it since.
    pub fn is_of_the_same_hold(&self, earlier: &Self) -> bool {
        let hold = |now: &Self| (now.is_held, now.last_holder, now.switches);
        hold(self) == hold(earlier)
    }
}

/// The words of a GIL in another process.
#[derive(Clone, Copy, Debug)]
pub struct GilWords {
    memory: ProcessMemory,
    begin: u64,
    counts: bool,
}

impl GilWords {
    /// Those of the GIL with this `gil.cond` in the process `pid`. `counts` is whether its
    /// libc is glibc, whose mutexes count who waits.
    pub fn of(pid: u32, cond: u64, counts: bool) -> Self {
        GilWords {
            memory: ProcessMemory::of(pid),
            begin: cond.wrapping_sub(COND as u64),
            counts,
        }
    }

    /// What they say now. It is read twice: the outer `None` where it cannot be read any
    /// more, the inner where it changed hands each time meanwhile.
    pub fn read(&self) -> Option<Option<GilNow>> {
        let mut before = self.say(&self.once()?);
        for _ in 0..TRIES {
            let after = self.say(&self.once()?);
            if after.is_of_the_same_hold(&before) {
                return Some(Some(after));
            }
            before = after;
        }
        Some(None)
    }

    /// Whether this is the address of a futex that a thread blocks on which waits for the
    /// GIL.
    pub fn is_waited_for(&self, futex: u64) -> bool {
        self.is_inside(futex, COND)
    }

    /// Whether it is one that a thread blocks on for the GIL's mutex.
    pub fn is_locked_at(&self, futex: u64) -> bool {
        let offset = futex.wrapping_sub(self.begin.wrapping_add(MUTEX as u64));
        offset < MUTEX_BYTES as u64
    }

    /// Whether it is one that a thread blocks on until another has taken the GIL.
    pub fn is_switched_at(&self, futex: u64) -> bool {
        self.is_inside(futex, SWITCH_COND)
    }

    fn is_inside(&self, futex: u64, cond: usize) -> bool {
        let offset = futex.wrapping_sub(self.begin.wrapping_add(cond as u64));
        offset < COND_BYTES as u64
    }

    fn once(&self) -> Option<[u8; BYTES]> {
        let mut bytes = [0; BYTES];
        self.memory.read(self.begin, &mut bytes).then_some(bytes)
    }

    fn owner(&self, bytes: &[u8; BYTES]) -> Option<u32> {
        let owner = half(bytes, MUTEX + OWNER);
        (self.counts && owner != 0).then_some(owner)
    }

    fn say(&self, bytes: &[u8; BYTES]) -> GilNow {
        GilNow {
            is_held: half(bytes, LOCKED) == 1,
            last_holder: word(bytes, LAST_HOLDER),
            switches: word(bytes, SWITCHES),
            waiting: self.counts.then(|| waiting(bytes, MUTEX)),
            owner: self.owner(bytes),
            switching: self.counts.then(|| waiting(bytes, SWITCH_MUTEX)),
        }
    }
}

/// How many wait for a condition with this mutex: its users but for its owner. One that
/// owns it on its way into the wait is not counted yet, one on its way out still is.
fn waiting(bytes: &[u8; BYTES], mutex: usize) -> u32 {
    let owned = u32::from(half(bytes, mutex + OWNER) != 0);
    half(bytes, mutex + USERS).saturating_sub(owned)
}

fn word(bytes: &[u8; BYTES], offset: usize) -> u64 {
    let word = bytes[offset..].first_chunk();
    word.map_or(0, |word| u64::from_ne_bytes(*word))
}

fn half(bytes: &[u8; BYTES], offset: usize) -> u32 {
    word(bytes, offset) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = BYTES.div_ceil(8);

    fn words(set: &[(usize, u64)]) -> Vec<u64> {
        let mut words = vec![0; SIZE];
        for &(offset, value) in set {
            words[offset / 8] = value;
        }
        words
    }

    fn of(words: &[u64]) -> GilWords {
        GilWords::of(
            std::process::id(),
            words.as_ptr() as u64 + COND as u64,
            true,
        )
    }

    #[test]
    fn a_held_gil_says_by_whom_and_how_many_wait() {
        let users = MUTEX + USERS - 4;
        let words = words(&[
            (LAST_HOLDER, 0x7f00),
            (LOCKED, 1),
            (SWITCHES, 9),
            (users, 3 << 32),
        ]);
        let now = of(&words).read().unwrap().unwrap();
        assert_eq!(
            (now.is_held, now.last_holder, now.switches),
            (true, 0x7f00, 9)
        );
        assert_eq!((now.waiting, now.switching), (Some(3), Some(0)));
    }

    #[test]
    fn who_has_the_mutex_does_not_wait() {
        let words = words(&[(MUTEX + OWNER, 2 << 32 | 77)]);
        let now = of(&words).read().unwrap().unwrap();
        assert_eq!((now.waiting, now.owner), (Some(1), Some(77)));
    }

    #[test]
    fn what_cannot_be_read_is_said_to_be_gone() {
        let words = GilWords::of(u32::MAX, 4096, true);
        assert_eq!(words.read(), None);
    }

    #[test]
    fn a_futex_belongs_to_the_condition_it_lies_in() {
        let words = GilWords::of(1, 0x1000, true);
        assert!(words.is_waited_for(0x1000 + 44) && !words.is_waited_for(0x1000 - 4));
        let mutex = 0x1000 + (MUTEX - COND) as u64;
        assert!(!words.is_waited_for(mutex) && words.is_locked_at(mutex));
        assert!(words.is_switched_at(0x1000 + (SWITCH_COND - COND) as u64 + 40));
    }
}
