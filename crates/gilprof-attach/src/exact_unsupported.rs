//! Where recording a running process is not supported.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use gilprof_region::{Progress, Region};

use crate::error::Error;
use crate::setup::Setup;

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
