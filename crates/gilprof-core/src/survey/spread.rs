//! How far off the time is that a sampled number is added up over.

/// How far off a number's time may be that was looked at now and then.
///
/// Each gap between two samples is taken to have the mean of both. How far that is off is
/// told by how much neighbours differ, half the square on average (J. von Neumann, "Distribution
/// of the ratio of the mean square successive difference to the variance", 1941): right
/// where the number changes often between two samples, and too much where it changes
/// seldom, as a single change within a gap costs a sixth of that.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread {
    /// Sum of squares, in ns².
    variance: f64,
}

impl Spread {
    /// Adds a gap of so many ns between two samples.
    pub(crate) fn add(&mut self, before: u64, after: u64, gap_ns: u64) {
        let off = after.abs_diff(before) as f64 * gap_ns as f64;
        self.variance += off * off / 2.0;
    }

    /// The standard error of the time, in ns.
    pub(crate) fn error_ns(&self) -> f64 {
        self.variance.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers as good as random, the same in each run (xorshift64, G. Marsaglia, 2003).
    struct Random(u64);

    impl Random {
        /// From 0 to 1.
        fn next(&mut self) -> f64 {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// How often the true time was within two errors, and the mean of the error over the
    /// true distance, where the state lasts for `lasts` on average and is looked at each
    /// 1 ± 0.8.
    fn trial(lasts: f64) -> (f64, f64) {
        let mut random = Random(0x1234_5678_9abc_def1);
        let (mut within, mut told, mut true_square) = (0, 0.0, 0.0);
        let runs = 400;
        for _ in 0..runs {
            let mut spread = Spread::default();
            let (mut on, mut left, mut truth, mut seen) = (0, 0.0, 0.0, 0.0);
            let mut before = 0;
            for _ in 0..1_000 {
                let gap = 0.2 + 1.6 * random.next();
                let mut rest = gap;
                while rest > left {
                    truth += f64::from(on) * left;
                    rest -= left;
                    on = 1 - on;
                    left = -lasts * (1.0 - random.next()).ln();
                }
                truth += f64::from(on) * rest;
                left -= rest;
                seen += gap * f64::from(before + on) / 2.0;
                spread.add(before as u64, on as u64, (gap * 1e6) as u64);
                before = on;
            }
            let (off, error) = ((seen - truth).abs(), spread.error_ns() / 1e6);
            within += i32::from(off <= 2.0 * error);
            told += error * error;
            true_square += off * off;
        }
        (
            f64::from(within) / f64::from(runs),
            (told / true_square).sqrt(),
        )
    }

    #[test]
    fn the_true_time_is_within_two_errors_however_long_the_states_last() {
        for lasts in [0.02, 0.1, 0.5, 1.0, 5.0, 50.0] {
            let (within, ratio) = trial(lasts);
            assert!(within >= 0.93, "{lasts}: {within}");
            assert!((0.9..4.0).contains(&ratio), "{lasts}: {ratio}");
        }
    }
}
