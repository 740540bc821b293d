//! One hold of the GIL.

use serde::{Deserialize, Serialize};

/// One hold of the GIL by one thread, kept because it cost the others much.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Id of the thread that held.
    pub thread: u64,
    /// Index of the GIL.
    pub gil: u32,
    /// When it began, in ns on the recording's clock.
    pub start_ns: u64,
    /// How long it lasted, in ns; exact. For a hold that goes on, until the profile
    /// was taken.
    pub duration_ns: u64,
    /// How many threads waited at its start.
    pub waiters_start: u32,
    /// The most threads that waited at one time during it.
    pub waiters_max: u32,
    /// What it cost the others: their waiting during it in ns, summed; exact.
    pub waiter_time_ns: u64,
    /// For how long anybody waited during it; exact.
    #[serde(default)]
    pub contended_ns: u64,
    /// Whether a waiter had asked for the GIL before the release.
    pub requested: bool,
}
