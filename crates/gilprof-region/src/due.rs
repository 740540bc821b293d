//! When the next stack is due: overflow sampling of a growing sum.

use crate::sync::{AtomicU64, Ordering::Relaxed};

/// The threshold of one sum, and where it stood when the last stack was taken.
///
/// The first threshold lies at random within one step, and each stack stands for
/// all since the last one. So what a stack stands for is right on average also
/// for threads that end before their first step is full.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Due {
    at: AtomicU64,
    /// May lie below zero, then as a wrapped number.
    taken: AtomicU64,
}

impl Due {
    /// Starts at a sum of zero; `every` 0 is never.
    // Must not allocate.
    pub(crate) fn begin(&self, every: u64, seed: u64) {
        let first = match every {
            0 => u64::MAX,
            _ => 1 + scatter(seed) % every,
        };
        self.at.store(first, Relaxed);
        self.taken.store(first.wrapping_sub(every), Relaxed);
    }

    /// Whether a sum of this size has passed the threshold.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn is_passed(&self, sum: u64) -> bool {
        sum >= self.at.load(Relaxed)
    }

    /// What a stack stands for that is taken now, or zero where none is due.
    // Must not allocate.
    #[inline]
    pub(crate) fn pass(&self, sum: u64, every: u64, seed: u64) -> u64 {
        match self.is_passed(sum) && every != 0 {
            true => self.take(sum, every, seed),
            false => 0,
        }
    }

    #[cold]
    fn take(&self, sum: u64, every: u64, seed: u64) -> u64 {
        let weight = sum.wrapping_sub(self.taken.load(Relaxed));
        self.taken.store(sum, Relaxed);
        // Not in step with what recurs in the program.
        let step = every / 2 + scatter(seed) % every;
        self.at.store(sum.saturating_add(step.max(1)), Relaxed);
        weight
    }
}

/// SplitMix64's mixing function (G. L. Steele et al., OOPSLA 2014).
fn scatter(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn due(every: u64, seed: u64) -> Due {
        let due = Due {
            at: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        };
        due.begin(every, seed);
        due
    }

    #[test]
    fn what_is_taken_is_within_two_steps_of_the_sum() {
        let due = due(1_000, 42);
        let (mut sum, mut taken) = (0_u64, 0_u64);
        for n in 0..10_000 {
            sum += scatter(n) % 700;
            taken = taken.wrapping_add(due.pass(sum, 1_000, n));
        }
        assert!(taken.abs_diff(sum) <= 2_000, "{taken} of {sum}");
    }

    #[test]
    fn cheap_and_dear_kinds_keep_their_proportion() {
        let due = due(1_000_000, 7);
        let mut sum = 0;
        let (mut cheap, mut dear) = (0, 0);
        // Many of 50 µs and few of 50 ms: half of the sum each.
        for n in 0..200_000_u64 {
            let is_dear = scatter(n).is_multiple_of(1_001);
            sum += if is_dear { 50_000_000 } else { 50_000 };
            let weight = due.pass(sum, 1_000_000, n);
            *if is_dear { &mut dear } else { &mut cheap } += weight;
        }
        let dear_truth = (0..200_000)
            .filter(|&n| scatter(n).is_multiple_of(1_001))
            .count() as u64;
        let dear_truth = dear_truth * 50_000_000;
        let error = dear.abs_diff(dear_truth) as f64 / dear_truth as f64;
        assert!(
            error < 0.03,
            "{dear} instead of {dear_truth}, {cheap} cheap"
        );
    }

    #[test]
    fn threads_too_short_for_a_step_are_taken_in_proportion() {
        let taken = (0..20_000).map(|n| due(1_000_000, n).pass(50_000, 1_000_000, n));
        let taken: u64 = taken.fold(0, u64::wrapping_add);
        let truth = 20_000.0 * 50_000.0;
        assert!((taken as f64 / truth - 1.0).abs() < 0.1, "{taken}");
    }

    #[test]
    fn no_step_is_never() {
        assert_eq!(due(0, 1).pass(u64::MAX - 1, 0, 1), 0);
    }
}
