//! What happened when: sums over slices of time.

use serde::{Deserialize, Serialize};

/// Width in ns of the slices of a young recording.
pub const FIRST_SLICE_NS: u64 = 10_000_000;

/// The most slices there are. When they are full, neighbours are merged and the width
/// doubles; with very many threads that happens earlier.
pub const SLICES_MAX: usize = 256;

/// Sums over slices of time. Durations are split exactly at the edges of the slices.
///
/// Every edge is a multiple of `width_ns`, and `width_ns` is [`FIRST_SLICE_NS`] times
/// a power of two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Begin of the first slice, in ns on the recording's clock.
    pub start_ns: u64,
    /// Width of each slice, in ns.
    pub width_ns: u64,
    /// The slices, one after the other, without gaps.
    pub slices: Vec<Slice>,
}

/// What happened in one slice of time. Rows of zeros are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// What each thread did, by ascending id.
    pub threads: Vec<SliceThread>,
    /// Who waited for whom, by ascending waiter, holder and GIL.
    pub blame: Vec<SliceBlame>,
}

/// What one thread did in one slice of time; all in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64, u64, u64)", into = "(u64, u64, u64, u64, u64)")]
pub struct SliceThread {
    /// Id of the thread.
    pub thread: u64,
    /// Time it had the GIL.
    pub holding_ns: u64,
    /// Time it wanted the GIL and had not got it.
    pub waiting_ns: u64,
    /// Time it did not want the GIL.
    pub detached_ns: u64,
    /// The part of `waiting_ns` in which nobody held the GIL.
    pub handoff_ns: u64,
}

/// Who waited for whom in one slice of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u32, u64)", into = "(u64, u64, u32, u64)")]
pub struct SliceBlame {
    /// Id of the thread that waited.
    pub waiter: u64,
    /// Id of the thread that held the GIL meanwhile.
    pub holder: u64,
    /// Index of the GIL.
    pub gil: u32,
    /// Time in ns the one waited while the other held.
    pub waiting_ns: u64,
}

impl From<(u64, u64, u64, u64, u64)> for SliceThread {
    fn from(row: (u64, u64, u64, u64, u64)) -> Self {
        Self {
            thread: row.0,
            holding_ns: row.1,
            waiting_ns: row.2,
            detached_ns: row.3,
            handoff_ns: row.4,
        }
    }
}

impl From<SliceThread> for (u64, u64, u64, u64, u64) {
    fn from(row: SliceThread) -> Self {
        let SliceThread {
            thread,
            holding_ns,
            waiting_ns,
            detached_ns,
            handoff_ns,
        } = row;
        (thread, holding_ns, waiting_ns, detached_ns, handoff_ns)
    }
}

impl From<(u64, u64, u32, u64)> for SliceBlame {
    fn from((waiter, holder, gil, waiting_ns): (u64, u64, u32, u64)) -> Self {
        Self {
            waiter,
            holder,
            gil,
            waiting_ns,
        }
    }
}

impl From<SliceBlame> for (u64, u64, u32, u64) {
    fn from(row: SliceBlame) -> Self {
        (row.waiter, row.holder, row.gil, row.waiting_ns)
    }
}

impl History {
    /// End of the last slice, in ns on the recording's clock.
    pub fn end_ns(&self) -> u64 {
        let length = self.width_ns.saturating_mul(self.slices.len() as u64);
        self.start_ns.saturating_add(length)
    }

    /// Adds the history of another GIL of the same recording. Both get the width of
    /// the coarser.
    pub fn merge(&mut self, mut other: Self) {
        if other.slices.is_empty() {
            return;
        }
        if self.slices.is_empty() {
            *self = other;
            return;
        }
        while self.width_ns < other.width_ns {
            self.coarsen();
        }
        while other.width_ns < self.width_ns {
            other.coarsen();
        }
        while self.span_with(&other) > SLICES_MAX as u64 {
            self.coarsen();
            other.coarsen();
        }
        self.reach(other.start_ns);
        other.reach(self.start_ns);
        let count = self.slices.len().max(other.slices.len());
        self.slices.resize_with(count, Slice::default);
        self.slices
            .iter_mut()
            .zip(other.slices)
            .for_each(|(own, new)| own.merge(new));
    }

    fn span_with(&self, other: &Self) -> u64 {
        let start = self.start_ns.min(other.start_ns);
        (self.end_ns().max(other.end_ns()) - start).div_ceil(self.width_ns)
    }

    /// What is in this history and not in an earlier one of the same recording, in which
    /// threads are renamed by `id`. Slices that end by `from_ns` are left out.
    pub(crate) fn since(
        mut self,
        mut earlier: Self,
        from_ns: u64,
        id: impl Fn(u64) -> u64,
    ) -> Self {
        // The earlier has no slice where a recording had just begun.
        while !earlier.slices.is_empty() && earlier.width_ns < self.width_ns {
            earlier.coarsen();
        }
        // What is left out does not have to be subtracted.
        self.forget_until(from_ns);
        earlier.forget_until(from_ns);
        if earlier.width_ns == self.width_ns {
            earlier.rename(id);
            earlier.reach(self.start_ns);
            self.reach(earlier.start_ns);
            self.slices
                .iter_mut()
                .zip(&earlier.slices)
                .for_each(|(own, old)| own.subtract(old));
        }
        self
    }

    /// Leaves out the slices that end by `from_ns`.
    fn forget_until(&mut self, from_ns: u64) {
        let past = from_ns
            .saturating_sub(self.start_ns)
            .checked_div(self.width_ns);
        let past = (past.unwrap_or(0) as usize).min(self.slices.len());
        self.slices.drain(..past);
        self.start_ns += self.width_ns * past as u64;
    }

    /// Merges neighbours and doubles the width.
    pub(crate) fn coarsen(&mut self) {
        let width = self.width_ns;
        self.width_ns = width.saturating_mul(2);
        let lone = !self.start_ns.is_multiple_of(self.width_ns);
        if lone {
            self.start_ns = self.start_ns.saturating_sub(width);
        }
        let mut merged: Vec<Slice> = Vec::with_capacity(self.slices.len() / 2 + 1);
        for (at, slice) in std::mem::take(&mut self.slices).into_iter().enumerate() {
            match merged.last_mut() {
                Some(last) if (at + usize::from(lone)) % 2 == 1 => last.merge(slice),
                _ => merged.push(slice),
            }
        }
        self.slices = merged;
    }

    /// Begins the history no later than at `from_ns`.
    pub(crate) fn reach(&mut self, from_ns: u64) {
        if from_ns >= self.start_ns {
            return;
        }
        let start = from_ns - from_ns % self.width_ns;
        let missing = (self.start_ns - start) / self.width_ns;
        let empty = std::iter::repeat_n(Slice::default(), missing as usize);
        self.slices.splice(0..0, empty);
        self.start_ns = start;
    }

    /// Gives threads other ids; rows that get the same are merged.
    pub(crate) fn rename(&mut self, id: impl Fn(u64) -> u64) {
        self.slices.iter_mut().for_each(|slice| slice.rename(&id));
    }
}

impl Slice {
    /// Whether nothing happened in it.
    pub fn is_empty(&self) -> bool {
        self.threads.is_empty() && self.blame.is_empty()
    }

    pub(crate) fn rows(&self) -> usize {
        self.threads.len() + self.blame.len()
    }

    /// Adds the rows of `other`.
    pub(crate) fn merge(&mut self, other: Self) {
        self.threads.extend(other.threads);
        self.blame.extend(other.blame);
        self.normalize();
    }

    fn subtract(&mut self, earlier: &Self) {
        for old in &earlier.threads {
            let found = self
                .threads
                .binary_search_by_key(&old.thread, |row| row.thread);
            if let Ok(at) = found {
                self.threads[at].subtract(old);
            }
        }
        for old in &earlier.blame {
            let found = self.blame.binary_search_by_key(&old.key(), SliceBlame::key);
            if let Ok(at) = found {
                let row = &mut self.blame[at];
                row.waiting_ns = row.waiting_ns.saturating_sub(old.waiting_ns);
            }
        }
        self.normalize();
    }

    /// Whether its rows are in order, one a thread or pair.
    pub(crate) fn is_normal(&self) -> bool {
        let threads = self.threads.is_sorted_by(|a, b| a.thread < b.thread);
        threads && self.blame.is_sorted_by(|a, b| a.key() < b.key())
    }

    /// Brings the rows into order: ascending, one a thread or pair, none of zeros.
    pub(crate) fn normalize(&mut self) {
        self.threads.sort_unstable_by_key(|row| row.thread);
        self.threads.dedup_by(|next, kept| {
            let same = next.thread == kept.thread;
            if same {
                kept.add(next);
            }
            same
        });
        self.threads.retain(|row| !row.is_zero());
        self.blame.sort_unstable_by_key(SliceBlame::key);
        self.blame.dedup_by(|next, kept| {
            let same = next.key() == kept.key();
            if same {
                kept.waiting_ns = kept.waiting_ns.saturating_add(next.waiting_ns);
            }
            same
        });
        self.blame.retain(|row| row.waiting_ns > 0);
    }

    fn rename(&mut self, id: impl Fn(u64) -> u64) {
        let threads = self.threads.iter_mut();
        threads.for_each(|row| row.thread = id(row.thread));
        for row in &mut self.blame {
            (row.waiter, row.holder) = (id(row.waiter), id(row.holder));
        }
        self.normalize();
    }

    /// The row of a thread, which is put in where there is none.
    pub(crate) fn thread_mut(&mut self, thread: u64) -> &mut SliceThread {
        let found = self.threads.binary_search_by_key(&thread, |row| row.thread);
        let at = found.unwrap_or_else(|at| {
            let row = SliceThread {
                thread,
                ..SliceThread::default()
            };
            self.threads.insert(at, row);
            at
        });
        &mut self.threads[at]
    }
}

impl SliceThread {
    fn add(&mut self, other: &Self) {
        self.holding_ns = self.holding_ns.saturating_add(other.holding_ns);
        self.waiting_ns = self.waiting_ns.saturating_add(other.waiting_ns);
        self.detached_ns = self.detached_ns.saturating_add(other.detached_ns);
        self.handoff_ns = self.handoff_ns.saturating_add(other.handoff_ns);
    }

    fn subtract(&mut self, other: &Self) {
        self.holding_ns = self.holding_ns.saturating_sub(other.holding_ns);
        self.waiting_ns = self.waiting_ns.saturating_sub(other.waiting_ns);
        self.detached_ns = self.detached_ns.saturating_sub(other.detached_ns);
        self.handoff_ns = self.handoff_ns.saturating_sub(other.handoff_ns);
    }

    /// Whether it has no time at all.
    pub(crate) fn is_zero(&self) -> bool {
        self.holding_ns == 0 && self.waiting_ns == 0 && self.detached_ns == 0
    }
}

impl SliceBlame {
    fn key(&self) -> (u64, u64, u32) {
        (self.waiter, self.holder, self.gil)
    }
}
