//! On and off CPU: what a thread's own CPU clock says of its states.

use serde::{Deserialize, Serialize};

/// What the system says of a thread at an instant, counted from its birth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuReading {
    /// Time it was on a CPU.
    pub cpu_ns: u64,
    /// How often it gave its CPU up, to wait for something.
    pub voluntary: u64,
    /// How often its CPU was taken away.
    pub involuntary: u64,
}

impl CpuReading {
    /// What was counted since an earlier reading of the same thread.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu_ns: self.cpu_ns.saturating_sub(earlier.cpu_ns),
            voluntary: self.voluntary.saturating_sub(earlier.voluntary),
            involuntary: self.involuntary.saturating_sub(earlier.involuntary),
        }
    }
}

/// What a thread did between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Time in it that it had the GIL.
    pub holding_ns: u64,
    /// Time in it that it did not want the GIL.
    pub detached_ns: u64,
    /// What the system counted in it.
    pub counted: CpuReading,
}

/// A stretch's CPU time over the states, and what kept the thread off the CPU
/// while it held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnCpu {
    /// The part of the holding that was on a CPU.
    pub holding_cpu_ns: u64,
    /// The part of the holding that was off it, ready to run.
    pub holding_preempted_ns: u64,
    /// The part of the holding that was off it, to wait for something.
    pub holding_blocked_ns: u64,
    /// The part of the detached time that was on a CPU.
    pub detached_cpu_ns: u64,
}

impl Stretch {
    /// Splits the CPU time over the states, and the holding over its parts.
    ///
    /// One state gets it all. Of several, holding gets the CPU time first, up to its
    /// length, then detached; waiting gets none, and what is left is dropped. The
    /// holding that is off the CPU is preempted where the thread never gave its CPU up
    /// in the whole stretch, or lost it far more often and had its share of one; else blocked.
    ///
    /// Holding is always split completely; detached time off the CPU is blocked.
    // Must not allocate.
    #[inline]
    #[must_use]
    pub fn split(self) -> OnCpu {
        let holding_cpu_ns = self.counted.cpu_ns.min(self.holding_ns);
        let off_ns = self.holding_ns - holding_cpu_ns;
        let (holding_preempted_ns, holding_blocked_ns) = match self.is_preempted(off_ns) {
            true => (off_ns, 0),
            false => (0, off_ns),
        };
        OnCpu {
            holding_cpu_ns,
            holding_preempted_ns,
            holding_blocked_ns,
            detached_cpu_ns: (self.counted.cpu_ns - holding_cpu_ns).min(self.detached_ns),
        }
    }

    /// Whether it lost its CPU for this time, rather than gave it up. That it gave it up
    /// once may be of a moment before the hold.
    fn is_preempted(&self, off_ns: u64) -> bool {
        let CpuReading {
            cpu_ns,
            voluntary,
            involuntary,
        } = self.counted;
        let mostly = involuntary >= voluntary.saturating_mul(MOSTLY);
        let most_ns = involuntary
            .saturating_mul(PREEMPTION_NS)
            .min(cpu_ns.saturating_mul(COMPETITORS));
        voluntary == 0 || mostly && off_ns <= most_ns
    }
}

/// How many times as often a thread lost its CPU as it gave it up, where the time off the
/// CPU counts as lost.
const MOSTLY: u64 = 4;

/// And how long it then was without one each time, at most: some time slices of others.
const PREEMPTION_NS: u64 = 20_000_000;

/// And it had its share of a CPU, of so many others and itself. A thread that slept in its hold
/// had not, even where those that it woke before had taken its CPU away many times.
const COMPETITORS: u64 = 16;

/// Where the CPU time of a thread comes from while it does not touch the GIL. That of
/// a thread that does comes from its own CPU clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CpuSource {
    /// Counters that the kernel keeps for threads that are rarely switched
    /// (perf_event_open, task-clock), and /proc for the others.
    Perf,
    /// What the kernel tells in /proc, as old as a running thread's last timer tick.
    Schedstat,
    /// Neither, with the reason.
    None(String),
}

impl Default for CpuSource {
    fn default() -> Self {
        Self::None("the profile does not say".into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(holding_ns: u64, detached_ns: u64, cpu_ns: u64, voluntary: u64) -> OnCpu {
        let counted = CpuReading {
            cpu_ns,
            voluntary,
            involuntary: 0,
        };
        Stretch {
            holding_ns,
            detached_ns,
            counted,
        }
        .split()
    }

    #[test]
    fn a_single_state_gets_all_the_cpu_time() {
        assert_eq!(split(100, 0, 90, 0).holding_cpu_ns, 90);
        assert_eq!(split(0, 100, 90, 0).detached_cpu_ns, 90);
    }

    #[test]
    fn of_two_states_holding_gets_the_cpu_time_first() {
        let mixed = split(100, 100, 150, 0);
        assert_eq!((mixed.holding_cpu_ns, mixed.detached_cpu_ns), (100, 50));
    }

    #[test]
    fn waiting_gets_none() {
        // A stretch of 300 ns, of which the thread waited 280.
        let waited = split(10, 10, 100, 1);
        assert_eq!((waited.holding_cpu_ns, waited.detached_cpu_ns), (10, 10));
    }

    #[test]
    fn off_cpu_without_giving_it_up_is_preempted() {
        let taken = split(100, 0, 30, 0);
        assert_eq!(
            (taken.holding_preempted_ns, taken.holding_blocked_ns),
            (70, 0)
        );
        let given = split(100, 0, 30, 1);
        assert_eq!(
            (given.holding_preempted_ns, given.holding_blocked_ns),
            (0, 70)
        );
    }

    #[test]
    fn off_cpu_is_preempted_where_it_was_taken_far_more_often_than_given() {
        let of = |voluntary, involuntary, holding_ns, cpu_ns| {
            let counted = CpuReading {
                cpu_ns,
                voluntary,
                involuntary,
            };
            let stretch = Stretch {
                holding_ns,
                detached_ns: 0,
                counted,
            };
            stretch.split().holding_preempted_ns != 0
        };
        assert!(of(1, 70, 900_000_000, 300_000_000));
        assert!(!of(20, 70, 900_000_000, 300_000_000));
        // Four preemptions do not take so long.
        assert!(!of(1, 4, 900_000_000, 300_000_000));
        // Who is only preempted gets its share of a CPU: this one slept in its hold, and those
        // that it woke had preempted it before.
        assert!(!of(1, 12, 200_000_000, 2_300_000));
    }

    proptest! {
        #[test]
        fn the_parts_never_exceed_the_state(
            holding_ns: u64, detached_ns: u64, cpu_ns: u64, voluntary in 0_u64..3,
        ) {
            let parts = split(holding_ns, detached_ns, cpu_ns, voluntary);
            let held = u128::from(parts.holding_cpu_ns)
                + u128::from(parts.holding_preempted_ns)
                + u128::from(parts.holding_blocked_ns);
            prop_assert_eq!(held, u128::from(holding_ns));
            prop_assert!(parts.detached_cpu_ns <= detached_ns);
            let on_cpu = u128::from(parts.holding_cpu_ns) + u128::from(parts.detached_cpu_ns);
            prop_assert!(on_cpu <= u128::from(cpu_ns));
        }
    }
}
