//! What a process that runs already is recorded by.

use gilprof::{Attachment, Profile, Sampling};

use crate::args::AttachArgs;
use crate::error::Error;

/// What a process is recorded by: hooks in it, or looks at it from outside.
#[derive(Debug)]
pub(crate) enum Source {
    /// Exactly.
    Hooks(Attachment),
    /// With `--sample`.
    Looks(Sampling),
}

impl Source {
    /// Begins to record.
    ///
    /// # Errors
    /// Where an option is wrong or the process cannot be attached to.
    pub(crate) fn of(args: &AttachArgs) -> Result<Self, Error> {
        Ok(match args.sample {
            true => Source::Looks(Sampling::of(args.pid, args.interval)?),
            false => Source::Hooks(Attachment::to(args.pid, args.recording.options()?)?),
        })
    }

    pub(crate) fn has_ended(&self) -> bool {
        match self {
            Source::Hooks(hooks) => hooks.has_ended(),
            Source::Looks(looks) => looks.has_ended(),
        }
    }

    pub(crate) fn snapshot(&self) -> Profile {
        match self {
            Source::Hooks(hooks) => hooks.snapshot(),
            Source::Looks(looks) => looks.snapshot(),
        }
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// Where the hooks could not be taken out.
    pub(crate) fn stop(self) -> Result<Profile, Error> {
        match self {
            Source::Hooks(hooks) => Ok(hooks.stop()?),
            Source::Looks(looks) => Ok(looks.stop()),
        }
    }
}
