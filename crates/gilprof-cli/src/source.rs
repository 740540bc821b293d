//! What a process that runs already is recorded by.

use gilprof::{Attachment, Sampling, Source};

use crate::args::{RecordingArgs, SamplingArgs};
use crate::error::Error;

/// Begins to record a process: by hooks in it, or by looks at it from outside.
///
/// # Errors
/// Where an option is wrong or the process cannot be attached to.
pub(crate) fn begin(
    pid: u32,
    sampling: &SamplingArgs,
    recording: &RecordingArgs,
) -> Result<Box<dyn Source>, Error> {
    if sampling.sample {
        return Ok(Box::new(Sampling::of(pid, sampling.interval()?)?));
    }
    Ok(Box::new(Attachment::to(pid, recording.options()?)?))
}
