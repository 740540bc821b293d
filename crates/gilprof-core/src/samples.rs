//! What sampling a process says of itself.

use serde::{Deserialize, Serialize};

/// How many samples a profile is made of, and how far off its times may be.
///
/// The errors are standard errors against the exact times of the same recording, from
/// how much neighbouring samples differ. They are rather too large than too small: where
/// the state changes seldom, up to two and a half times. The true time is within two of
/// them nineteen times in twenty. They do not cover what sampling cannot see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Samples {
    /// How often the process was looked at.
    pub count: u64,
    /// Looks that were given up, as the GIL changed hands while it was read.
    pub torn: u64,
    /// Looks that came half a millisecond late or more, for want of a CPU: the program was
    /// then looked at when some thread blocked or was preempted, not at random.
    pub late: u64,
    /// Times that somebody waited and it was not seen who.
    pub unplaced: u64,
    /// Standard error in ns of the time that GILs were held, summed over the GILs.
    pub holding_error_ns: f64,
    /// Standard error in ns of the time that threads waited, summed over the threads.
    pub waiting_error_ns: f64,
}

impl Samples {
    /// Adds those of another process.
    pub(crate) fn add(&mut self, other: &Self) {
        let sum = |own: u64, other: u64| own.saturating_add(other);
        self.count = sum(self.count, other.count);
        self.torn = sum(self.torn, other.torn);
        self.late = sum(self.late, other.late);
        self.unplaced = sum(self.unplaced, other.unplaced);
        self.holding_error_ns = self.holding_error_ns.hypot(other.holding_error_ns);
        self.waiting_error_ns = self.waiting_error_ns.hypot(other.waiting_error_ns);
    }

    /// Takes away those of an earlier profile of the same recording.
    pub(crate) fn subtract(&mut self, earlier: &Self) {
        let less = |own: u64, old: u64| own.saturating_sub(old);
        let rest = |own: f64, old: f64| (own * own - old * old).max(0.0).sqrt();
        self.count = less(self.count, earlier.count);
        self.torn = less(self.torn, earlier.torn);
        self.late = less(self.late, earlier.late);
        self.unplaced = less(self.unplaced, earlier.unplaced);
        self.holding_error_ns = rest(self.holding_error_ns, earlier.holding_error_ns);
        self.waiting_error_ns = rest(self.waiting_error_ns, earlier.waiting_error_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_two_processes_add_up_as_those_of_independent_numbers() {
        let one = Samples {
            count: 10,
            holding_error_ns: 3.0,
            ..Samples::default()
        };
        let other = Samples {
            count: 5,
            holding_error_ns: 4.0,
            ..Samples::default()
        };
        let mut both = one;
        both.add(&other);
        assert_eq!((both.count, both.holding_error_ns), (15, 5.0));
        both.subtract(&other);
        assert_eq!(both, one);
    }
}
