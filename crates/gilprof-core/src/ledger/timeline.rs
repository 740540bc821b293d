//! A history being written.

use rustc_hash::FxHashMap;

use crate::history::{FIRST_SLICE_NS, History, SLICES_MAX, Slice, SliceThread};

/// Renamings that wait until they are worth a pass over all slices.
const PENDING: usize = 1_024;

/// With more rows than this, slices are merged although there are not too many, so
/// that a snapshot of many threads stays small, but not below [`SLICES_MIN`].
const ROWS_MAX: usize = 16_384;
const SLICES_MIN: usize = 16;

/// A history being written: closed slices, and the bounds of the one in progress.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    history: History,
    /// How many rows the closed slices have, or had before their last merges.
    rows: usize,
    /// Begin of the slice in progress, or of what is in progress of it.
    pub(crate) begin: u64,
    /// End of the slice in progress.
    pub(crate) edge: u64,
    /// Threads that were folded since the slices were last rewritten.
    folded: FxHashMap<u64, u64>,
}

impl Timeline {
    /// A timeline whose first slice takes in `first_ns`.
    pub(crate) fn new(first_ns: u64) -> Self {
        let begin = first_ns - first_ns % FIRST_SLICE_NS;
        Self {
            history: History {
                start_ns: begin,
                width_ns: FIRST_SLICE_NS,
                slices: Vec::new(),
            },
            rows: 0,
            begin,
            edge: begin.saturating_add(FIRST_SLICE_NS),
            folded: FxHashMap::default(),
        }
    }

    /// What is left of it from the slice on that this instant lies in.
    pub(crate) fn since(&self, from_ns: u64) -> Self {
        let width_ns = self.history.width_ns;
        let past = from_ns.saturating_sub(self.history.start_ns) / width_ns;
        let past = (past as usize).min(self.history.slices.len());
        Self {
            history: History {
                start_ns: self.history.start_ns + width_ns * past as u64,
                width_ns,
                slices: self.history.slices[past..].to_vec(),
            },
            folded: self.folded.clone(),
            ..*self
        }
    }

    /// Ends the slice in progress with these rows, at its edge.
    pub(crate) fn close(&mut self, slice: Slice) {
        self.write(slice);
        self.begin = self.edge;
        while self.is_full() {
            self.coarsen();
        }
        self.set_edge();
    }

    fn write(&mut self, slice: Slice) {
        self.rows += slice.rows();
        let at = (self.begin - self.history.start_ns) / self.history.width_ns;
        match self.history.slices.get_mut(at as usize) {
            Some(begun) => begun.merge(slice),
            None => self.history.slices.push(slice),
        }
    }

    fn is_full(&self) -> bool {
        let slices = &self.history.slices;
        slices.len() >= SLICES_MAX || slices.len() > SLICES_MIN && self.rows > ROWS_MAX
    }

    fn coarsen(&mut self) {
        self.rewrite();
        self.history.coarsen();
        self.rows = self.history.slices.iter().map(Slice::rows).sum();
    }

    fn set_edge(&mut self) {
        let width = self.history.width_ns;
        self.edge = (self.begin - self.begin % width).saturating_add(width);
    }

    /// Makes room for time before the first slice.
    fn reach(&mut self, from: u64) {
        while self.slices_from(from) > SLICES_MAX as u64 {
            self.coarsen();
            self.set_edge();
        }
        self.history.reach(from);
    }

    fn slices_from(&self, from: u64) -> u64 {
        let start = from.min(self.history.start_ns);
        self.begin.saturating_sub(start) / self.history.width_ns + 2
    }

    /// Changes the rows of a thread in the closed slices that overlap this span; the
    /// closure is given the ns of the overlap.
    pub(crate) fn amend(
        &mut self,
        thread: u64,
        from: u64,
        to: u64,
        mut change: impl FnMut(&mut SliceThread, u64),
    ) {
        let to = to.min(self.begin);
        if from >= to {
            return;
        }
        self.reach(from);
        let mut at = from;
        while at < to {
            let end = (at - at % self.history.width_ns + self.history.width_ns).min(to);
            let index = (at - self.history.start_ns) / self.history.width_ns;
            if let Some(slice) = self.history.slices.get_mut(index as usize) {
                change(slice.thread_mut(thread), end - at);
                slice.threads.retain(|row| !row.is_zero());
            }
            at = end;
        }
    }

    /// From now on, a thread's rows are those of its group.
    pub(crate) fn fold(&mut self, thread: u64, group: u64) {
        self.folded.insert(thread, group);
        if self.folded.len() >= PENDING {
            self.rewrite();
        }
    }

    fn rewrite(&mut self) {
        let folded = std::mem::take(&mut self.folded);
        if !folded.is_empty() {
            self.history
                .rename(|id| folded.get(&id).copied().unwrap_or(id));
        }
    }

    /// The history up to now, with these rows for the slice in progress.
    pub(crate) fn finish(mut self, slice: Slice) -> History {
        self.rewrite();
        if !slice.is_empty() {
            self.write(slice);
        }
        self.history
    }
}
