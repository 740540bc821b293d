//! One wait for the GIL.

use serde::{Deserialize, Serialize};

/// One wait of one thread for the GIL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Id of the thread that waited.
    pub thread: u64,
    /// Index of the GIL.
    pub gil: u32,
    /// When it began, in ns on the recording's clock.
    pub start_ns: u64,
    /// How long it lasted, in ns; exact.
    pub duration_ns: u64,
    /// The part of it in ns in which nobody held the GIL; exact.
    pub handoff_ns: u64,
}
