//! Who holds the GIL at this moment, for those who look from outside.

use crate::gil::GilCell;
use crate::region::Region;
use crate::sync::{Ordering, Ordering::Relaxed, fence};
use crate::thread::Slot;

/// A hold in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The own number of the thread that holds.
    pub thread: u32,
    /// When the hold began.
    pub began_ns: u64,
    /// How many threads wait.
    pub waiters: u64,
}

/// Who holds a GIL at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A thread does.
    Held(Held),
    /// Nobody does, or a thread that has no slot.
    Nobody,
    /// An event is being booked. That takes some nanoseconds, and for as long as its thread
    /// has no CPU meanwhile.
    Unclear,
}

impl Region {
    /// Who holds a GIL right now; `None` where nobody does, or where that
    /// changes in this instant.
    pub fn held(&self, gil: u32) -> Option<Held> {
        match self.holder(gil) {
            Holder::Held(held) => Some(held),
            Holder::Nobody | Holder::Unclear => None,
        }
    }

    /// Who holds a GIL right now.
    pub fn holder(&self, gil: u32) -> Holder {
        let Some(cell) = self.gil(gil) else {
            return Holder::Nobody;
        };
        // Pairs with the release store in `leave`.
        let before = cell.sequence.load(Ordering::Acquire);
        let held = self.read_held(cell);
        // Pairs with the release fence in `enter`.
        fence(Ordering::Acquire);
        let after = cell.sequence.load(Relaxed);
        match held {
            _ if before != after || !before.is_multiple_of(2) => Holder::Unclear,
            Some(held) => Holder::Held(held),
            None => Holder::Nobody,
        }
    }

    fn read_held(&self, cell: &GilCell) -> Option<Held> {
        let slot = cell.holder.load(Relaxed).checked_sub(1)?;
        Some(Held {
            thread: self.thread(Slot(slot))?.id(),
            began_ns: cell.turned_ns.load(Relaxed),
            waiters: cell.waiters.load(Relaxed),
        })
    }
}
