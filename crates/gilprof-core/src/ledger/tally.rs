//! Durations being counted.

use crate::bucket::{BUCKETS, bucket_of};
use crate::distribution::Distribution;

const CHUNK: usize = 64;
const CHUNKS: usize = BUCKETS / CHUNK;

/// Durations being counted: a [`Distribution`] that is fast to add to.
///
/// Counts live in chunks that come into being when first needed, since a thread's
/// durations lie in few of them.
#[derive(Debug)]
pub(crate) struct Tally {
    total_ns: u64,
    min_ns: u64,
    max_ns: u64,
    chunks: [Option<Box<[u64; CHUNK]>>; CHUNKS],
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            total_ns: 0,
            min_ns: u64::MAX,
            max_ns: 0,
            chunks: [const { None }; CHUNKS],
        }
    }

    #[inline]
    pub(crate) fn record(&mut self, value_ns: u64) {
        self.total_ns = self.total_ns.saturating_add(value_ns);
        self.min_ns = self.min_ns.min(value_ns);
        self.max_ns = self.max_ns.max(value_ns);
        let index = bucket_of(value_ns);
        self.chunk(index / CHUNK)[index % CHUNK] += 1;
    }

    #[inline]
    fn chunk(&mut self, at: usize) -> &mut [u64; CHUNK] {
        self.chunks[at].get_or_insert_with(|| Box::new([0; CHUNK]))
    }

    /// Adds what `other` counted.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        for (at, chunk) in other.chunks.iter().enumerate() {
            let Some(chunk) = chunk else { continue };
            let own = self.chunk(at);
            own.iter_mut().zip(chunk.iter()).for_each(|(a, b)| *a += b);
        }
    }

    pub(crate) fn distribution(&self) -> Distribution {
        Distribution::from_parts(self.total_ns, self.min_ns, self.max_ns, self.counts())
    }

    fn counts(&self) -> impl Iterator<Item = (u16, u64)> + '_ {
        let chunks = self.chunks.iter().enumerate();
        let known = chunks.filter_map(|(at, chunk)| Some((at, chunk.as_ref()?)));
        known.flat_map(|(at, chunk)| {
            let counts = chunk.iter().enumerate().filter(|(_, count)| **count > 0);
            counts.map(move |(sub, &count)| ((at * CHUNK + sub) as u16, count))
        })
    }
}

/// The tallies of one thread.
#[derive(Debug)]
pub(crate) struct Tallies {
    pub(crate) hold: Tally,
    pub(crate) wait: Tally,
    pub(crate) handoff: Tally,
}

impl Tallies {
    pub(crate) fn new() -> Self {
        Self {
            hold: Tally::new(),
            wait: Tally::new(),
            handoff: Tally::new(),
        }
    }

    /// Adds what `other` counted.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.hold.absorb(&other.hold);
        self.wait.absorb(&other.wait);
        self.handoff.absorb(&other.handoff);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_counts_as_a_distribution_does() {
        let (mut tally, mut naive) = (Tally::new(), Distribution::empty());
        for shift in 0..64 {
            for value in [0, 1u64 << shift, (1u64 << shift).wrapping_sub(3)] {
                tally.record(value);
                naive.record(value);
            }
        }
        assert_eq!(tally.distribution(), naive);
        let mut twice = Tally::new();
        twice.absorb(&tally);
        twice.absorb(&tally);
        naive.merge(&naive.clone());
        assert_eq!(twice.distribution(), naive);
    }
}
