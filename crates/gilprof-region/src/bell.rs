//! A bell: a hook can wake the reader when there is something to look at.

use std::time::Duration;

use crate::region::Region;
use crate::sync::{AtomicU32, Ordering::SeqCst};

impl Region {
    /// Wakes the reader, if it sleeps.
    // Must not allocate.
    pub fn ring_bell(&self) {
        let header = self.header();
        if header.bell_wanted.load(SeqCst) == 0 || header.bell_wanted.swap(0, SeqCst) == 0 {
            return;
        }
        header.bell.fetch_add(1, SeqCst);
        futex(&header.bell, libc::FUTEX_WAKE, 1, None);
    }

    /// Sleeps until the bell rings, or for so long.
    pub fn await_bell(&self, timeout: Duration) {
        let header = self.header();
        let before = header.bell.load(SeqCst);
        header.bell_wanted.store(1, SeqCst);
        let time = libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        futex(&header.bell, libc::FUTEX_WAIT, before, Some(&time));
        header.bell_wanted.store(0, SeqCst);
    }

    /// Wakes whoever waits for the bell or is about to, once.
    pub fn ring_bell_for_certain(&self) {
        let bell = &self.header().bell;
        bell.fetch_add(1, SeqCst);
        futex(bell, libc::FUTEX_WAKE, 1, None);
    }
}

/// Futexes of this kind work between processes, too.
fn futex(word: &AtomicU32, operation: i32, value: u32, time: Option<&libc::timespec>) {
    let time = time.map_or(std::ptr::null(), std::ptr::from_ref);
    let word = std::ptr::from_ref(word);
    // SAFETY: the word and the time are alive during the call, which reads
    // them and nothing else of ours.
    unsafe { libc::syscall(libc::SYS_futex, word, operation, value, time) };
}
