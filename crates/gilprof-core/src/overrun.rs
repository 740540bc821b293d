//! Holds that went on after they were asked to end.

use serde::{Deserialize, Serialize};

/// What a thread did with holds that overran: they went on, after a waiter had asked for
/// the GIL, for at least as long again as that waiter had waited before it asked.
///
/// A waiter asks when it has waited for a switch interval, and Python code on a CPU lets
/// go within microseconds. So a hold overruns where native code keeps the GIL, where the
/// holder is blocked or has no CPU, or where its interpreter is not the one that was
/// asked. Exact, as blame is, and as that without what was lost with dropped events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrun {
    /// How many holds overran.
    pub holds: u64,
    /// For how long in ns they went on after they were asked to end.
    pub after_ns: u64,
    /// Waiting in ns of others during these holds, from their beginning.
    pub caused_ns: u64,
}

impl Overrun {
    /// Adds that of others.
    pub fn add(&mut self, other: Self) {
        self.holds = self.holds.saturating_add(other.holds);
        self.after_ns = self.after_ns.saturating_add(other.after_ns);
        self.caused_ns = self.caused_ns.saturating_add(other.caused_ns);
    }

    /// Takes away what an earlier state of it has, as far as there is.
    pub(crate) fn subtract(&mut self, earlier: Self) {
        self.holds = self.holds.saturating_sub(earlier.holds);
        self.after_ns = self.after_ns.saturating_sub(earlier.after_ns);
        self.caused_ns = self.caused_ns.saturating_sub(earlier.caused_ns);
    }
}

/// That the holder was asked to end its present hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// When.
    at_ns: u64,
    /// For how long the one who asked had waited for this hold by then.
    after_ns: u64,
}

impl Asked {
    /// A waiter asks at `now`; it waits since `waits_since` for a hold that goes on
    /// since `held_since`.
    pub(crate) fn new(now: u64, waits_since: u64, held_since: u64) -> Self {
        Self {
            at_ns: now,
            after_ns: now.saturating_sub(waits_since.max(held_since)),
        }
    }

    /// What it comes to if the hold ends at `now`, by when it has cost the others
    /// `caused_ns`.
    pub(crate) fn overrun(self, now: u64, caused_ns: u64) -> Overrun {
        let after_ns = now.saturating_sub(self.at_ns);
        match after_ns >= self.after_ns {
            true => Overrun {
                holds: 1,
                after_ns,
                caused_ns,
            },
            false => Overrun::default(),
        }
    }
}
