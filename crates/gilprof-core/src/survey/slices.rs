//! What was seen when.

use crate::history::{FIRST_SLICE_NS, History, SLICES_MAX, Slice, SliceBlame};
use crate::state::State;

use super::sight::Sight;

/// All slices have so many rows at most before they are merged; how often that is looked at,
/// in slices.
const ROWS_MAX: usize = 64 * 1024;
const LOOKED_AT: usize = 16;

/// A history in the making.
#[derive(Debug, Default)]
pub(super) struct Slices(History);

impl Slices {
    /// Writes a stretch of time into it in which all was as in a sight.
    pub(super) fn note(&mut self, sight: &Sight, from_ns: u64, until_ns: u64) {
        let mut from_ns = from_ns;
        while from_ns < until_ns {
            self.make_room(from_ns);
            let history = &mut self.0;
            let at = (from_ns - history.start_ns) / history.width_ns;
            let end_ns = history.start_ns + (at + 1) * history.width_ns;
            let ns = end_ns.min(until_ns) - from_ns;
            if let Some(slice) = history.slices.get_mut(at as usize) {
                note(slice, sight, ns);
            }
            from_ns += ns;
        }
    }

    fn make_room(&mut self, at_ns: u64) {
        let history = &mut self.0;
        if history.width_ns == 0 {
            history.width_ns = FIRST_SLICE_NS;
            history.start_ns = at_ns - at_ns % FIRST_SLICE_NS;
        }
        while at_ns >= history.end_ns() {
            history.slices.push(Slice::default());
            let rows: usize = match history.slices.len().is_multiple_of(LOOKED_AT) {
                true => history.slices.iter().map(Slice::rows).sum(),
                false => 0,
            };
            if history.slices.len() > SLICES_MAX || rows > ROWS_MAX {
                history.coarsen();
            }
        }
    }

    /// Gives threads other ids.
    pub(super) fn rename(&mut self, id: impl Fn(u64) -> u64) {
        self.0.rename(id);
    }

    /// The history so far.
    pub(super) fn history(&self) -> History {
        let mut history = self.0.clone();
        history.slices.iter_mut().for_each(Slice::normalize);
        history
    }
}

fn note(slice: &mut Slice, sight: &Sight, ns: u64) {
    for thread in &sight.threads {
        let row = slice.thread_mut(thread.id);
        match thread.state {
            State::Holding => row.holding_ns += ns,
            State::Waiting => row.waiting_ns += ns,
            _ => row.detached_ns += ns,
        }
        if sight.is_handoff(thread) {
            row.handoff_ns += ns;
        }
        let Some(holder) = sight.blamed(thread) else {
            continue;
        };
        let key = (thread.id, holder, thread.gil);
        let mut rows = slice.blame.iter_mut();
        match rows.find(|row| (row.waiter, row.holder, row.gil) == key) {
            Some(row) => row.waiting_ns += ns,
            None => slice.blame.push(SliceBlame {
                waiter: thread.id,
                holder,
                gil: thread.gil,
                waiting_ns: ns,
            }),
        }
    }
}
