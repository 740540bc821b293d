//! Measuring a stretch of code from inside of it.

use gilprof_probe::{Readings, readings};
use gilprof_region::Reading;

/// The begin of a stretch of code.
#[derive(Clone, Copy, Debug)]
pub struct Measure {
    start: Option<Readings>,
}

/// What happened in a stretch of code.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// In the calling thread; `None` where it has no slot.
    pub thread: Option<Reading>,
    /// In all threads together, over the same time.
    pub process: Reading,
}

impl Measure {
    /// Begins to measure, in some tens of nanoseconds.
    #[inline]
    pub fn begin() -> Self {
        Measure { start: readings() }
    }

    /// What happened since, with `at_ns` as the time it took. `None` where
    /// nothing was recorded, or not all of the time.
    #[inline]
    pub fn end(&self) -> Option<Measured> {
        let (start, end) = (self.start?, readings()?);
        if start.generation != end.generation {
            return None;
        }
        // A thread that had no slot at the begin got one at its first event:
        // all that it has done since lies in between.
        let before = start.thread.unwrap_or_default();
        Some(Measured {
            thread: start.thread.and(end.thread).map(|now| now.since(&before)),
            process: end.process.since(&start.process),
        })
    }
}
