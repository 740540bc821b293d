//! What one GIL went through.

use serde::{Deserialize, Serialize};

use crate::demand::Demand;
use crate::distribution::Distribution;

/// What one GIL went through. All times are wall time in ns and exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gil {
    /// Its index, by which threads, blame and holds name it.
    pub index: u32,
    /// Its process.
    pub pid: u32,
    /// The interpreter it belongs to; `None` where not known.
    pub interpreter_id: Option<i64>,
    /// Time a thread held it.
    pub holding_ns: u64,
    /// Time nobody held it.
    pub free_ns: u64,
    /// Time threads waited for it, summed over the threads.
    pub waiting_ns: u64,
    /// The part of `waiting_ns` in which another thread held it.
    pub caused_ns: u64,
    /// The part of `waiting_ns` in which nobody held it.
    pub handoff_ns: u64,
    /// How often a thread got it.
    pub acquisitions: u64,
    /// How often a thread got it that was not the last to hold it.
    pub switches: u64,
    /// How often a waiter timed out and asked for it.
    pub drop_requests: u64,
    /// The most threads that waited for it at one time; in a difference of profiles,
    /// that of the whole recording.
    pub waiters_max: u32,
    /// For how long how many threads wanted it.
    #[serde(default)]
    pub demand: Demand,
    /// Durations of the holds that have ended.
    pub hold: Distribution,
    /// Durations of the waits that have ended.
    pub wait: Distribution,
    /// For each of those waits, the part in which nobody held the GIL, where there
    /// was one.
    pub handoff: Distribution,
    /// Whether a Python that can do without it has it on; `None` for one that always has,
    /// and where that is not known.
    #[serde(default)]
    pub enabled: Option<bool>,
    /// The imported modules that do not say that they can do without it, in such a Python.
    #[serde(default)]
    pub needed_by: Vec<String>,
}

impl Gil {
    /// Takes away what an earlier row has, as far as there is.
    pub(crate) fn subtract(&mut self, earlier: &Self) {
        let less = |own: &mut u64, old: u64| *own = own.saturating_sub(old);
        less(&mut self.holding_ns, earlier.holding_ns);
        less(&mut self.free_ns, earlier.free_ns);
        less(&mut self.waiting_ns, earlier.waiting_ns);
        less(&mut self.caused_ns, earlier.caused_ns);
        less(&mut self.handoff_ns, earlier.handoff_ns);
        less(&mut self.acquisitions, earlier.acquisitions);
        less(&mut self.switches, earlier.switches);
        less(&mut self.drop_requests, earlier.drop_requests);
        self.demand.subtract(&earlier.demand);
        self.hold = Distribution::excess(&self.hold, &earlier.hold);
        self.wait = Distribution::excess(&self.wait, &earlier.wait);
        self.handoff = Distribution::excess(&self.handoff, &earlier.handoff);
    }
}
