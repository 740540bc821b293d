//! What a process that runs already is recorded by.

use std::fmt::Debug;

use gilprof_core::Profile;

use crate::attachment::Attachment;
use crate::error::Error;
use crate::sampling::Sampling;
use crate::tree::ProcessTree;

/// A recording of a process that runs already: exact, by hooks in it ([`Attachment`]), or by
/// looks at it from outside ([`Sampling`]). What shows or saves profiles needs not know which.
pub trait Source: Debug + Send {
    /// Whether the process has ended.
    fn has_ended(&self) -> bool;

    /// The profile from the start to now; the process is not stopped.
    fn snapshot(&self) -> Profile;

    /// Ends the recording and gives the profile of all of it; up to the end of the process,
    /// where that has ended.
    ///
    /// # Errors
    /// [`Error::is_refused`] where hooks could not be taken out.
    fn stop(self: Box<Self>) -> Result<Profile, Error>;
}

impl Source for Attachment {
    fn has_ended(&self) -> bool {
        Attachment::has_ended(self)
    }

    fn snapshot(&self) -> Profile {
        Attachment::snapshot(self)
    }

    fn stop(self: Box<Self>) -> Result<Profile, Error> {
        Attachment::stop(*self)
    }
}

impl Source for Sampling {
    fn has_ended(&self) -> bool {
        Sampling::has_ended(self)
    }

    fn snapshot(&self) -> Profile {
        Sampling::snapshot(self)
    }

    fn stop(self: Box<Self>) -> Result<Profile, Error> {
        Ok(Sampling::stop(*self))
    }
}

impl Source for ProcessTree {
    fn has_ended(&self) -> bool {
        ProcessTree::has_ended(self)
    }

    fn snapshot(&self) -> Profile {
        ProcessTree::snapshot(self)
    }

    fn stop(self: Box<Self>) -> Result<Profile, Error> {
        ProcessTree::stop(*self)
    }
}
