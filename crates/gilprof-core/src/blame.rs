//! Who waited for whom.

use serde::{Deserialize, Serialize};

/// How long one thread waited while another held the GIL.
///
/// A wait is split over the holds that overlap it, so the rows of a waiter and its
/// hand-off add up to its waiting. Where events were lost, a part is in no row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blame {
    /// Id of the thread that waited.
    pub waiter: u64,
    /// Id of the thread that held the GIL meanwhile.
    pub holder: u64,
    /// Index of the GIL.
    pub gil: u32,
    /// Time in ns the one waited while the other held; exact.
    pub waiting_ns: u64,
    /// How many waits of the one overlapped holds of the other. In the row of a
    /// group, a wait may count once for each member it overlapped.
    pub waits: u64,
    /// The most ns of a single wait that the other's holds took; exact, but in a
    /// difference of profiles that of the whole recording.
    pub longest_ns: u64,
}
