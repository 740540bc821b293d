//! Where profiles of a running process come from.

use gilprof::{Attachment, Profile};

use crate::error::Error;

/// A recording of a running process.
pub(crate) trait Source {
    /// The profile from the start of the recording to now.
    fn snapshot(&mut self) -> Profile;

    /// Whether the process has ended.
    fn has_ended(&mut self) -> bool;

    /// Ends the recording; gives the profile of all of it.
    ///
    /// # Errors
    /// Where the recording could not be ended as it should.
    fn stop(self) -> Result<Profile, Error>;
}

impl Source for Attachment {
    fn snapshot(&mut self) -> Profile {
        Attachment::snapshot(self)
    }

    fn has_ended(&mut self) -> bool {
        Attachment::has_ended(self)
    }

    fn stop(self) -> Result<Profile, Error> {
        Ok(Attachment::stop(self)?)
    }
}
