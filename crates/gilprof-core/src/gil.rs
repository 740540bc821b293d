//! What one GIL went through.

use serde::{Deserialize, Serialize};

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
    /// The most threads that waited for it at one time.
    pub waiters_max: u32,
    /// Durations of the holds that have ended.
    pub hold: Distribution,
    /// Durations of the waits that have ended.
    pub wait: Distribution,
    /// For each of those waits, the part in which nobody held the GIL, where there
    /// was one.
    pub handoff: Distribution,
}
