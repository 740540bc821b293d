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
    /// A bit for each bucket that is not zero: there are many buckets, and most of them are
    /// never used.
    used: [AtomicU64; BUCKETS.div_ceil(64)],
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
        let index = bucket_of(value_ns);
        if let Some(bucket) = self.buckets.get(index) {
            let count = bucket.load(Relaxed);
            if count == 0 {
                self.use_bucket(index);
            }
            bucket.store(count.wrapping_add(1), Relaxed);
        }
    }

    #[inline(always)]
    fn use_bucket(&self, index: usize) {
        if let Some(word) = self.used.get(index / 64) {
            word.store(word.load(Relaxed) | 1 << (index % 64), Relaxed);
        }
    }

    /// Adds this histogram to `into` and empties it.
    // Must not allocate.
    pub(crate) fn drain_into(&self, into: &HistCell) {
        if self.min_plus_1.load(Relaxed) == 0 {
            return;
        }
        into.widen(self.min_plus_1.load(Relaxed), self.max_ns.load(Relaxed));
        add(&into.total_ns, self.total_ns.load(Relaxed));
        for word in 0..self.used.len() {
            self.drain_word(into, word);
        }
        self.total_ns.store(0, Relaxed);
        self.min_plus_1.store(0, Relaxed);
        self.max_ns.store(0, Relaxed);
    }

    #[inline]
    fn drain_word(&self, into: &HistCell, word: usize) {
        let mut left = self.used[word].load(Relaxed);
        if left == 0 {
            return;
        }
        let known = &into.used[word];
        known.store(known.load(Relaxed) | left, Relaxed);
        self.used[word].store(0, Relaxed);
        while left != 0 {
            let index = word * 64 + left.trailing_zeros() as usize;
            left &= left - 1;
            if let (Some(from), Some(to)) = (self.buckets.get(index), into.buckets.get(index)) {
                add(to, from.load(Relaxed));
                from.store(0, Relaxed);
            }
        }
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

    /// The buckets that can be other than zero, ascending.
    fn touched(&self) -> impl Iterator<Item = usize> + '_ {
        (0..).zip(&self.used).flat_map(|(word, used)| {
            let mut left = used.load(Relaxed);
            core::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(word * 64 + bit)
            })
        })
    }

    /// What was recorded so far. While a writer is at work its newest values
    /// may be missing from some of the parts.
    pub fn read(&self) -> Distribution {
        self.read_with(self.total_ns.load(Relaxed))
    }

    /// [`HistCell::read`] where the total is kept elsewhere.
    pub(crate) fn read_with(&self, total_ns: u64) -> Distribution {
        let min_plus_1 = self.min_plus_1.load(Relaxed);
        if min_plus_1 == 0 {
            return Distribution::empty();
        }
        let used = self.used.iter();
        let used: u32 = used.map(|word| word.load(Relaxed).count_ones()).sum();
        let mut buckets = Vec::with_capacity(used as usize);
        for index in self.touched() {
            let count = self.buckets.get(index).map_or(0, |it| it.load(Relaxed));
            if count != 0 {
                buckets.push((index as u16, count));
            }
        }
        Distribution::from_parts(total_ns, min_plus_1 - 1, self.max_ns.load(Relaxed), buckets)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn empty() -> HistCell {
        // SAFETY: atomics only, for which all zero is a value.
        unsafe { std::mem::zeroed() }
    }

    #[test]
    fn what_is_drained_is_in_the_other_and_the_cell_is_as_new() {
        let values = [0, 1, 127, 5_000, 5_001, 77_000_000, u64::MAX];
        let (cell, into, witness) = (empty(), empty(), empty());
        for round in 0..3 {
            for &value in &values {
                cell.record(value / (round + 1));
                witness.record(value / (round + 1));
            }
            assert_eq!(cell.read().count(), values.len() as u64);
            cell.drain_into(&into);
            assert_eq!(cell.read(), Distribution::empty());
        }
        assert_eq!(into.read(), witness.read());
    }
}
