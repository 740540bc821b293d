//! The reading end of a recording while the program runs.

use std::time::{Duration, Instant};

use gilprof::{Ended, Listener, Options, Profile, VARIABLE};

use crate::ending::Ending;
use crate::error::Error;

/// How often threads are asked for their names: those that live shorter and
/// do not name themselves stay nameless.
const NAMES: Duration = Duration::from_millis(50);

/// Tells a Python not to run the program where it cannot be profiled.
const REQUIRE: &str = "GILPROF_REQUIRE";

/// What came of a recording.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It was made.
    Profiled(Box<Profile>),
    /// No Python with gilprof came.
    NoPython,
    /// It could not be made.
    Refused(gilprof::Error),
}

/// Reads along while a program runs.
#[derive(Debug)]
pub(crate) struct Recorder {
    listener: Result<Listener, gilprof::Error>,
    named_at: Instant,
}

impl Recorder {
    /// Makes ready for a program that is about to start.
    ///
    /// # Errors
    /// An option that is not allowed; with `require` also a system on which
    /// nothing can be recorded. Without, the program runs unprofiled.
    pub(crate) fn new(options: Options, require: bool) -> Result<Self, Error> {
        let listener = Listener::new(options);
        match listener {
            Err(error) if require || error.is_option() => Err(error.into()),
            listener => Ok(Recorder {
                listener,
                named_at: Instant::now(),
            }),
        }
    }

    /// What the program must find in its environment.
    pub(crate) fn environment(&self, require: bool) -> Vec<(&'static str, String)> {
        let listening = self.listener.iter();
        let mut variables: Vec<_> = listening.map(|one| (VARIABLE, one.variable())).collect();
        if require {
            variables.push((REQUIRE, String::from("1")));
        }
        variables
    }

    /// Reads what is new; says how long to wait before the next time.
    pub(crate) fn turn(&mut self) -> Duration {
        let Ok(listener) = &mut self.listener else {
            return NAMES;
        };
        let pause = listener.poll();
        if self.named_at.elapsed() >= NAMES {
            listener.look_at_threads();
            self.named_at = Instant::now();
        }
        pause.min(NAMES)
    }

    /// What was recorded of a program that has ended.
    pub(crate) fn finish(self, ending: Ending) -> Outcome {
        let ended = match ending {
            Ending::Exit(_) => Ended::Exited,
            Ending::Signal(_) => Ended::Killed,
        };
        let profile = self.listener.and_then(|mut one| one.profile(Some(ended)));
        match profile {
            Ok(Some(profile)) => Outcome::Profiled(Box::new(profile)),
            Ok(None) => Outcome::NoPython,
            Err(error) => Outcome::Refused(error),
        }
    }
}
