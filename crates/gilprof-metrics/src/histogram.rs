//! Durations counted by their size, between edges that do not change.

use gilprof_core::Distribution;

/// Upper edges of the buckets, in ns; one is the default switch interval of 5 ms. What is
/// above the last is in one more bucket.
pub const EDGES_NS: [u64; 14] = [
    10_000,
    50_000,
    100_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
];

/// A bucket counts no further than this, so that all of them together do not overflow.
const MOST: u64 = u64::MAX / (EDGES_NS.len() as u64 + 1);

/// Durations counted by their size. A duration within 1.6 % below an edge may be counted
/// above it; the count and the sum are exact.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    counts: [u64; EDGES_NS.len() + 1],
    sum_ns: u64,
}

impl Histogram {
    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum, in seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_ns as f64 / 1e9
    }

    /// The upper edge of each bucket in seconds, the last one infinite, and how many
    /// durations are in this bucket.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let edges = EDGES_NS.iter().map(|&ns| ns as f64 / 1e9);
        edges.chain([f64::INFINITY]).zip(self.counts)
    }

    /// Each edge in seconds, the last one infinite, and how many durations do not exceed it.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.buckets().scan(0, |so_far, (edge, count)| {
            *so_far += count;
            Some((edge, *so_far))
        })
    }

    pub(crate) fn add(&mut self, more: &Self) {
        for (own, more) in self.counts.iter_mut().zip(more.counts) {
            count_up(own, more);
        }
        self.sum_ns = self.sum_ns.saturating_add(more.sum_ns);
    }
}

impl From<&Distribution> for Histogram {
    /// A bucket of the distribution that an edge divides is counted above the edge.
    fn from(durations: &Distribution) -> Self {
        let mut counts = [0; EDGES_NS.len() + 1];
        for (_least_ns, greatest_ns, count) in durations.buckets() {
            let at = EDGES_NS.partition_point(|&edge_ns| edge_ns < greatest_ns);
            count_up(&mut counts[at], count);
        }
        Histogram {
            counts,
            sum_ns: durations.total_ns(),
        }
    }
}

fn count_up(own: &mut u64, more: u64) {
    *own = own.saturating_add(more).min(MOST);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(durations_ns: &[u64]) -> Histogram {
        let mut all = Distribution::empty();
        durations_ns.iter().for_each(|&ns| all.record(ns));
        Histogram::from(&all)
    }

    #[test]
    fn each_duration_is_in_the_bucket_below_its_edge() {
        let found = of(&[9_000, 40_000, 3_000_000, 4_000_000_000]);
        let full: Vec<(f64, u64)> = found.buckets().filter(|one| one.1 > 0).collect();
        assert_eq!(full, [(1e-5, 1), (5e-5, 1), (5e-3, 1), (f64::INFINITY, 1)]);
    }

    #[test]
    fn cumulative_counts_never_fall_and_end_with_all() {
        let found = of(&[1, 20_000, 20_000, 7_000_000, 2_000_000_000]);
        let counts: Vec<u64> = found.cumulative().map(|one| one.1).collect();
        assert!(counts.is_sorted());
        assert_eq!(counts.last(), Some(&found.count()));
        assert_eq!(found.count(), 5);
    }

    #[test]
    fn the_sum_is_that_of_the_durations() {
        assert_eq!(of(&[250_000_000, 500_000_000]).sum_seconds(), 0.75);
    }

    #[test]
    fn counts_that_no_recording_can_have_do_not_overflow() {
        let many = Distribution::from_parts(0, 0, 0, [(3, u64::MAX), (800, u64::MAX)]);
        let mut found = Histogram::from(&many);
        found.add(&found.clone());
        assert_eq!(found.count(), 2 * MOST);
    }

    #[test]
    fn what_an_edge_divides_is_above_it() {
        // Buckets of a distribution are 1.6 % wide: this one ends just above 5 ms.
        let (low_ns, high_ns) = gilprof_core::bucket_bounds(gilprof_core::bucket_of(5_000_000));
        assert!(low_ns <= 5_000_000 && 5_000_000 < high_ns);
        let full: Vec<(f64, u64)> = of(&[low_ns]).buckets().filter(|one| one.1 > 0).collect();
        assert_eq!(full, [(1e-2, 1)]);
    }
}
