//! Whether somebody still reads a region that another process writes.

use crate::region::Region;
use crate::sync::Ordering::{Relaxed, SeqCst};

/// A reader that has not shown itself for so long is gone.
const PATIENCE_NS: u64 = 10_000_000_000;

const TAKEN_UP: u32 = 1;
const CALLED_OFF: u32 = 2;

impl Region {
    /// The reader shows that it is there, at this time of the recording. Who has done so
    /// once has to go on, at least every few seconds.
    pub fn show_up(&self, now_ns: u64) {
        self.header().reader_ns.store(now_ns.max(1), Relaxed);
    }

    /// Whether a reader has shown itself once and has not for ten seconds now.
    // Must not allocate.
    #[inline]
    pub fn is_abandoned(&self, now_ns: u64) -> bool {
        let shown = self.header().reader_ns.load(Relaxed);
        shown != 0 && now_ns.saturating_sub(shown) > PATIENCE_NS
    }

    /// A hook takes up the recording that was ordered; false if it was called off.
    // Must not allocate.
    pub fn take_up(&self) -> bool {
        self.decide(TAKEN_UP)
    }

    /// Calls off the recording that was ordered; false if a hook has taken it up.
    pub fn call_off(&self) -> bool {
        self.decide(CALLED_OFF)
    }

    fn decide(&self, decision: u32) -> bool {
        let word = &self.header().taken_up;
        word.compare_exchange(0, decision, SeqCst, SeqCst).is_ok()
    }

    /// True for the first who asks: the code objects that stacks have kept alive are given up
    /// once, and not again by the next one who attaches.
    // Must not allocate.
    pub fn lets_go_of_codes(&self) -> bool {
        let word = &self.header().codes_let_go;
        word.compare_exchange(0, 1, SeqCst, SeqCst).is_ok()
    }

    /// Whether a hook is booking an event of some GIL at this moment.
    pub fn is_entered(&self) -> bool {
        let cells = (0..self.gils()).filter_map(|gil| self.gil(gil));
        cells.into_iter().any(crate::gil::GilCell::is_entered)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::region::Sizes;

    #[test]
    fn code_objects_are_given_up_once() {
        let region = Region::private(Sizes::default()).unwrap();
        assert!(region.lets_go_of_codes());
        assert!(!region.lets_go_of_codes());
    }

    #[test]
    fn only_a_reader_that_was_there_can_be_gone() {
        let region = Region::private(Sizes::default()).unwrap();
        assert!(!region.is_abandoned(u64::MAX));
        region.show_up(1_000);
        assert!(!region.is_abandoned(1_000 + PATIENCE_NS));
        assert!(region.is_abandoned(1_001 + PATIENCE_NS));
    }

    #[test]
    fn a_recording_is_either_taken_up_or_called_off() {
        let region = || Region::private(Sizes::default()).unwrap();
        let taken = region();
        assert!(taken.take_up() && !taken.call_off());
        let off = region();
        assert!(off.call_off() && !off.take_up());
    }
}
