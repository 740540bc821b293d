//! Where recording a running process is not supported.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use gilprof_region::{Clock, Progress, Region, Sizes, StackPlan};

use crate::error::Error;

/// What is known of the interpreter, and what is wanted of the recording.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// How the region is divided.
    pub sizes: Sizes,
    /// The interpreter's version: major, minor, patch; zeros where not known.
    pub python: [u8; 3],
    /// The address of the main GIL's `cond`; `None`: the hooks learn it at its next use.
    pub gil: Option<u64>,
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

/// A process that is being recorded: there is none here.
#[derive(Debug)]
pub struct Attached(Infallible);

impl Attached {
    /// Refuses.
    ///
    /// # Errors
    /// [`Error::Refused`], always.
    pub fn to(pid: u32, _: &Setup) -> Result<Self, Error> {
        Err(Error::refused(format!(
            "process {pid} cannot be attached to from here: that is supported on x86-64 Linux with \
             glibc; start it with `gilprof run` instead"
        )))
    }

    /// What is recorded.
    pub fn region(&self) -> &Arc<Region> {
        match self.0 {}
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        match self.0 {}
    }

    /// Whether the process lives still.
    pub fn is_alive(&self) -> bool {
        match self.0 {}
    }

    /// How far the hooks have come; `None` where the process has ended.
    pub fn progress(&self) -> Option<Progress> {
        match self.0 {}
    }

    /// Shows the hooks that somebody still reads.
    pub fn show_up(&self) {
        match self.0 {}
    }

    /// The longest time that one of the process's threads stood still so far.
    pub fn longest_pause(&self) -> Duration {
        match self.0 {}
    }

    /// Puts hooks back that the process's dynamic linker has overwritten.
    ///
    /// # Errors
    /// None here.
    pub fn verify(&mut self) -> Result<(), Error> {
        match self.0 {}
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// None here.
    pub fn detach(self) -> Result<Arc<Region>, Error> {
        match self.0 {}
    }
}
