//! What a ledger says at an instant.

use serde::{Deserialize, Serialize};

use crate::blame::Blame;
use crate::gil::Gil;
use crate::history::History;
use crate::hold::Hold;
use crate::thread::Thread;

/// What a ledger says of one GIL at an instant, open intervals closed there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The instant, in ns on the recording's clock; not before the latest event.
    pub at_ns: u64,
    /// What each thread did, by ascending id. Names and kernel's numbers are not known
    /// here.
    pub threads: Vec<Thread>,
    /// What the GIL went through.
    pub gil: Gil,
    /// Who waited for whom, by ascending waiter and holder.
    pub blame: Vec<Blame>,
    /// The 32 holds that cost the others most, worst first.
    pub holds: Vec<Hold>,
    /// What happened when.
    pub history: History,
    /// The part of the waiting in ns of which it is not known who held the GIL:
    /// before its first event, and after events were lost.
    pub unattributed_ns: u64,
    /// How many events were applied.
    pub events: u64,
    /// How many events were lost.
    pub lost: u64,
    /// How many of the applied events contradicted what was known, and were ignored.
    pub ignored: u64,
}

/// Who waited for whom for one GIL, until an instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Charges {
    /// Who waited for whom, by ascending waiter and holder.
    pub blame: Vec<Blame>,
    /// The 32 holds that cost the others most, worst first.
    pub holds: Vec<Hold>,
    /// What happened when.
    pub history: History,
}
