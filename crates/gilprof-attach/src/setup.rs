//! What a recording of another process begins with.

use gilprof_region::{Clock, Sizes, StackPlan};

/// What is known of the interpreter, and what is wanted of the recording.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// How the region is divided.
    pub sizes: Sizes,
    /// The interpreter's version: major, minor, patch; zeros where not known.
    pub python: [u8; 3],
    /// The address of the main GIL's `cond`; `None`: the hooks learn it at its next use.
    pub gil: Option<u64>,
    /// How far into a thread state the address of its interpreter is, in bytes; `None` where
    /// that is not known.
    pub interpreter: Option<u64>,
    /// The switch interval in nanoseconds; 0 where not known.
    pub switch_interval_ns: u64,
    /// How stacks are taken; `None` where they are not.
    pub stacks: Option<StackPlan>,
    /// Why they are not.
    pub stacks_missing: Option<String>,
    /// The clock; `None`: the best there is.
    pub clock: Option<Clock>,
    /// What booking an event and reading a thread's CPU clock cost, in thousandths of a
    /// nanosecond; zeros where not known.
    pub costs_ps: [u64; 2],
}
