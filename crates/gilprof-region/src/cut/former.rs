//! What a cut can take over from the one before it.

use std::collections::BTreeMap;

use gilprof_core::Distribution;

use super::sums::Sums;
use crate::thread::ThreadCell;

/// The distributions of a thread.
#[derive(Clone, Debug)]
pub(super) struct Durations {
    pub(super) hold: Distribution,
    pub(super) wait: Distribution,
    pub(super) handoff: Distribution,
}

impl Durations {
    fn read(cell: &ThreadCell, sums: &Sums) -> Self {
        Durations {
            hold: cell.hold.read_with(sums.thread.holding_ns),
            wait: cell.wait.read(),
            handoff: cell.handoff.read(),
        }
    }
}

/// What the last cut of a recording has read of its threads: most of what a cut costs is to
/// read their distributions, and of most threads they are as they were.
#[derive(Debug, Default)]
pub struct Former(BTreeMap<u32, (Sums, Durations)>);

impl Former {
    /// The distributions of the thread in this slot. They are as they were if its sums are:
    /// whatever it does changes one, or the time since when it does that.
    pub(super) fn durations(&mut self, slot: u32, sums: &Sums, cell: &ThreadCell) -> Durations {
        match self.0.get(&slot) {
            Some((then, durations)) if then.is_same(sums) => durations.clone(),
            _ => {
                let durations = Durations::read(cell, sums);
                self.0.insert(slot, (*sums, durations.clone()));
                durations
            }
        }
    }

    pub(super) fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        self.0.retain(|&slot, _| is_there(slot));
    }
}
