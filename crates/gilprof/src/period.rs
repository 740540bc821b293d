//! The time in which something weighed.

/// The time in which something weighed, on the recording's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    from_ns: u64,
    to_ns: u64,
}

impl Period {
    /// Where it is not known: it is no window's more than another's, and counts where it is
    /// found.
    pub(crate) const UNKNOWN: Period = Period::new(u64::MAX, u64::MAX);

    pub(crate) const fn new(from_ns: u64, to_ns: u64) -> Self {
        Period { from_ns, to_ns }
    }

    /// So long before that time.
    pub(crate) fn before(to_ns: u64, ns: u64) -> Self {
        Period::new(to_ns.saturating_sub(ns), to_ns)
    }

    /// From the first begin of both to the last end.
    pub(crate) fn and(self, other: Period) -> Self {
        Period {
            from_ns: self.from_ns.min(other.from_ns),
            to_ns: self.to_ns.max(other.to_ns),
        }
    }

    /// The part of a weight, spread evenly over this time, that lies behind `at_ns`.
    pub(crate) fn part_since(self, at_ns: u64, weight_ns: u64) -> u64 {
        if at_ns <= self.from_ns {
            return weight_ns;
        }
        let left_ns = self.to_ns.saturating_sub(at_ns);
        let whole_ns = self.to_ns.saturating_sub(self.from_ns);
        (u128::from(weight_ns) * u128::from(left_ns) / u128::from(whole_ns.max(1))) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_spread_evenly_over_its_time() {
        let period = Period::new(100, 200);
        let parts = [50, 100, 150, 175, 200, 250].map(|at_ns| period.part_since(at_ns, 40));
        assert_eq!(parts, [40, 40, 20, 10, 0, 0]);
        assert_eq!(Period::UNKNOWN.part_since(u64::MAX, 40), 40);
        assert_eq!(Period::before(200, 100), period);
        assert_eq!(Period::before(200, 300), Period::new(0, 200));
    }

    #[test]
    fn no_time_and_one_that_runs_backwards_are_no_danger() {
        assert_eq!(Period::new(100, 100).part_since(101, 40), 0);
        assert_eq!(Period::new(200, 100).part_since(50, 40), 40);
        assert_eq!(Period::new(200, 100).part_since(250, u64::MAX), 0);
    }

    #[test]
    fn several_are_as_long_as_from_the_first_to_the_last() {
        let both = Period::new(100, 200).and(Period::new(50, 120));
        assert_eq!(both, Period::new(50, 200));
    }
}
