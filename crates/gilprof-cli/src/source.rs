//! What a process that runs already is recorded by.

use gilprof::{Attachment, ProcessTree, Sampling, Source};

use crate::args::{RecordingArgs, SamplingArgs};
use crate::error::Error;

/// Begins to record a process: by hooks in it, or by looks at it from outside; with `tree`,
/// also those that it has started and starts.
///
/// # Errors
/// Where an option is wrong or the process cannot be attached to.
pub(crate) fn begin(
    pid: u32,
    tree: bool,
    sampling: &SamplingArgs,
    recording: &RecordingArgs,
) -> Result<Box<dyn Source>, Error> {
    let (sample, interval) = (sampling.sample, sampling.interval()?);
    let options = recording.options()?;
    let one = move |pid| -> Result<Box<dyn Source>, gilprof::Error> {
        Ok(match sample {
            true => Box::new(Sampling::of(pid, interval)?),
            false => Box::new(Attachment::to(pid, options)?),
        })
    };
    Ok(match tree {
        true => Box::new(ProcessTree::of(pid, one)?),
        false => one(pid)?,
    })
}
