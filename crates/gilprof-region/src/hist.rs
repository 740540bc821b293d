//! A histogram in place: counts of durations by logarithmic bucket.

use gilprof_core::{BUCKETS, Distribution, bucket_of};

use crate::sync::{AtomicU64, Ordering::Relaxed};

/// Durations as they were recorded. One writer at a time; all zero is empty.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct HistCell {
    total_ns: AtomicU64,
    /// The smallest duration + 1, so that zero means "none yet".
    min_plus_1: AtomicU64,
    max_ns: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

/// Adds to a cell that has one writer at a time: no read-modify-write needed.
#[inline]
pub(crate) fn add(cell: &AtomicU64, n: u64) {
    cell.store(cell.load(Relaxed).wrapping_add(n), Relaxed);
}

impl HistCell {
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn record(&self, value_ns: u64) {
        add(&self.total_ns, value_ns);
        self.count(value_ns);
    }

    /// Records a value whose total is kept elsewhere.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn count(&self, value_ns: u64) {
        let min = self.min_plus_1.load(Relaxed);
        if value_ns < min.wrapping_sub(1) {
            self.min_plus_1.store(value_ns + 1, Relaxed);
        }
        if value_ns > self.max_ns.load(Relaxed) {
            self.max_ns.store(value_ns, Relaxed);
        }
        if let Some(count) = self.buckets.get(bucket_of(value_ns)) {
            add(count, 1);
        }
    }

    /// The buckets that can be other than zero.
    fn touched(&self) -> core::ops::RangeInclusive<usize> {
        let min = self.min_plus_1.load(Relaxed);
        if min == 0 {
            #[allow(clippy::reversed_empty_ranges)]
            return 1..=0;
        }
        bucket_of(min - 1)..=bucket_of(self.max_ns.load(Relaxed))
    }

    /// Adds this histogram to `into` and empties it.
    // Must not allocate.
    pub(crate) fn drain_into(&self, into: &HistCell) {
        let touched = self.touched();
        if touched.is_empty() {
            return;
        }
        into.widen(self.min_plus_1.load(Relaxed), self.max_ns.load(Relaxed));
        add(&into.total_ns, self.total_ns.load(Relaxed));
        for index in touched {
            let count = self.buckets[index].load(Relaxed);
            if count != 0 {
                add(&into.buckets[index], count);
                self.buckets[index].store(0, Relaxed);
            }
        }
        self.total_ns.store(0, Relaxed);
        self.min_plus_1.store(0, Relaxed);
        self.max_ns.store(0, Relaxed);
    }

    fn widen(&self, min_plus_1: u64, max_ns: u64) {
        let own = self.min_plus_1.load(Relaxed);
        if min_plus_1.wrapping_sub(1) < own.wrapping_sub(1) {
            self.min_plus_1.store(min_plus_1, Relaxed);
        }
        if max_ns > self.max_ns.load(Relaxed) {
            self.max_ns.store(max_ns, Relaxed);
        }
    }

    /// What was recorded so far. While a writer is at work its newest values
    /// may be missing from some of the parts.
    pub fn read(&self) -> Distribution {
        self.read_with(self.total_ns.load(Relaxed))
    }

    /// [`HistCell::read`] where the total is kept elsewhere.
    pub(crate) fn read_with(&self, total_ns: u64) -> Distribution {
        let touched = self.touched();
        if touched.is_empty() {
            return Distribution::empty();
        }
        let buckets: Vec<(u16, u64)> = touched
            .map(|index| (index as u16, self.buckets[index].load(Relaxed)))
            .filter(|&(_, count)| count != 0)
            .collect();
        let min_ns = self.min_plus_1.load(Relaxed).saturating_sub(1);
        Distribution::from_parts(total_ns, min_ns, self.max_ns.load(Relaxed), buckets)
    }
}
