//! What happened when: sums over slices of time.

use serde::{Deserialize, Serialize};

/// Width in ns of the slices of a young recording.
pub const FIRST_SLICE_NS: u64 = 10_000_000;

/// The most slices there are. When they are full, neighbours are merged and the width
/// doubles.
pub const SLICES_MAX: usize = 256;

/// Sums over slices of time. Durations are split exactly at the edges of the slices.
///
/// Every edge is a multiple of `width_ns`, and `width_ns` is [`FIRST_SLICE_NS`] times
/// a power of two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Begin of the first slice, in ns on the recording's clock.
    pub start_ns: u64,
    /// Width of each slice, in ns.
    pub width_ns: u64,
    /// The slices, one after the other, without gaps.
    pub slices: Vec<Slice>,
}

/// What happened in one slice of time. Rows of zeros are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// What each thread did, by ascending id.
    pub threads: Vec<SliceThread>,
    /// Who waited for whom, by ascending waiter, holder and GIL.
    pub blame: Vec<SliceBlame>,
}

/// What one thread did in one slice of time; all in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u64, u64, u64)", into = "(u64, u64, u64, u64, u64)")]
pub struct SliceThread {
    /// Id of the thread.
    pub thread: u64,
    /// Time it had the GIL.
    pub holding_ns: u64,
    /// Time it wanted the GIL and had not got it.
    pub waiting_ns: u64,
    /// Time it did not want the GIL.
    pub detached_ns: u64,
    /// The part of `waiting_ns` in which nobody held the GIL.
    pub handoff_ns: u64,
}

/// Who waited for whom in one slice of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u64, u32, u64)", into = "(u64, u64, u32, u64)")]
pub struct SliceBlame {
    /// Id of the thread that waited.
    pub waiter: u64,
    /// Id of the thread that held the GIL meanwhile.
    pub holder: u64,
    /// Index of the GIL.
    pub gil: u32,
    /// Time in ns the one waited while the other held.
    pub waiting_ns: u64,
}

impl From<(u64, u64, u64, u64, u64)> for SliceThread {
    fn from(row: (u64, u64, u64, u64, u64)) -> Self {
        Self {
            thread: row.0,
            holding_ns: row.1,
            waiting_ns: row.2,
            detached_ns: row.3,
            handoff_ns: row.4,
        }
    }
}

impl From<SliceThread> for (u64, u64, u64, u64, u64) {
    fn from(row: SliceThread) -> Self {
        let SliceThread {
            thread,
            holding_ns,
            waiting_ns,
            detached_ns,
            handoff_ns,
        } = row;
        (thread, holding_ns, waiting_ns, detached_ns, handoff_ns)
    }
}

impl From<(u64, u64, u32, u64)> for SliceBlame {
    fn from((waiter, holder, gil, waiting_ns): (u64, u64, u32, u64)) -> Self {
        Self {
            waiter,
            holder,
            gil,
            waiting_ns,
        }
    }
}

impl From<SliceBlame> for (u64, u64, u32, u64) {
    fn from(row: SliceBlame) -> Self {
        (row.waiter, row.holder, row.gil, row.waiting_ns)
    }
}
