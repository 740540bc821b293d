//! A bell: a hook can wake the reader when there is something to look at, or when a
//! ring fills up.

use std::time::Duration;

use crate::region::Region;
use crate::sync::{
    AtomicU32,
    Ordering::{Relaxed, SeqCst},
};

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

    /// Wakes the reader where it has enough to read of this GIL, or of stacks.
    // Must not allocate.
    pub fn ring_if_filling(&self, gil: u32) {
        if self.is_filling_of(gil) || self.stacks().is_filling() {
            self.ring_bell();
        }
    }

    fn is_filling_of(&self, gil: u32) -> bool {
        let cell = self.gil(gil);
        cell.is_some_and(|cell| cell.head.load(Relaxed) >= cell.ring_at.load(Relaxed))
    }

    /// The reader has read a GIL's events up to this number. It is rung for when as many
    /// again have come as it may let come together without a hurry.
    pub fn has_read(&self, gil: u32, position: u64) {
        if let Some(cell) = self.gil(gil) {
            let ring_at = position + self.sizes().relaxed_batch();
            cell.ring_at.store(ring_at, Relaxed);
        }
    }

    /// Whether there is so much to read that the reader should not sleep on.
    pub fn is_filling(&self) -> bool {
        self.stacks().is_filling() || (0..self.gils()).any(|gil| self.is_filling_of(gil))
    }

    /// How often the bell has rung.
    pub fn rung(&self) -> u32 {
        self.header().bell.load(SeqCst)
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

#[cfg(all(test, not(loom)))]
mod tests {
    use crate::region::{Region, Sizes};
    use crate::stacks::StackCursor;
    use crate::sync::Ordering::SeqCst;
    use crate::writer::Writer;

    #[test]
    fn a_reader_that_sleeps_is_rung_for_once_before_its_ring_is_full() {
        let region = Region::private(Sizes::new(4, 1024).unwrap()).unwrap();
        region.new_gil();
        let writer = Writer::new(&region, 0).unwrap();
        writer.cell().enter();
        let slot = writer.admit(1, 0).unwrap();
        region.has_read(0, writer.ring.posted());
        assert!(
            StackCursor::default()
                .next(region.stacks(), u64::MAX)
                .is_none()
        );
        region.header().bell_wanted.store(1, SeqCst);
        let mut posted = 0;
        while region.rung() == 0 {
            writer.acquire(slot, posted);
            writer.release(posted);
            posted += 2;
            region.ring_if_filling(0);
        }
        assert_eq!(posted, region.sizes().relaxed_batch());
        region.ring_if_filling(0);
        assert_eq!(region.rung(), 1);
        assert!(region.is_filling());
        region.has_read(0, writer.ring.posted());
        assert!(!region.is_filling());
        writer.cell().leave();
    }
}
