//! The reading end of a recording while the program runs.

use std::time::{Duration, Instant};

use gilprof::{Ended, Follower, Listener, Options, Profile, VARIABLE};

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
    host: Result<Host, gilprof::Error>,
    named_at: Instant,
}

/// Who is recorded.
#[derive(Debug)]
enum Host {
    /// The first Python that comes.
    First(Box<Listener>),
    /// With `--follow`: each.
    All(Follower),
}

impl Host {
    fn new(options: Options, follow: bool) -> Result<Self, gilprof::Error> {
        Ok(match follow {
            true => Host::All(Follower::new(options)?),
            false => Host::First(Box::new(Listener::new(options)?)),
        })
    }

    fn variable(&self) -> String {
        match self {
            Host::First(listener) => listener.variable(),
            Host::All(follower) => follower.variable(),
        }
    }

    fn poll(&mut self) -> Duration {
        match self {
            Host::First(listener) => listener.poll(),
            Host::All(follower) => follower.poll(),
        }
    }

    fn look_at_threads(&mut self) {
        match self {
            Host::First(listener) => listener.look_at_threads(),
            Host::All(follower) => follower.look_at_threads(),
        }
    }

    /// `pid`: the program that has ended.
    fn finish(self, pid: u32, ended: Ended) -> Result<Option<Profile>, gilprof::Error> {
        match self {
            Host::First(mut listener) => listener.profile(Some(ended)),
            Host::All(follower) => follower.finish(Some((pid, ended))),
        }
    }
}

impl Recorder {
    /// Makes ready for a program that is about to start.
    ///
    /// # Errors
    /// An option that is not allowed; with `require` also a system on which
    /// nothing can be recorded. Without, the program runs unprofiled.
    pub(crate) fn new(options: Options, require: bool, follow: bool) -> Result<Self, Error> {
        match Host::new(options, follow) {
            Err(error) if require || error.is_option() => Err(error.into()),
            host => Ok(Recorder {
                host,
                named_at: Instant::now(),
            }),
        }
    }

    /// What the program must find in its environment.
    pub(crate) fn environment(&self, require: bool) -> Vec<(&'static str, String)> {
        let hosts = self.host.iter();
        let mut variables: Vec<_> = hosts.map(|host| (VARIABLE, host.variable())).collect();
        if require {
            variables.push((REQUIRE, String::from("1")));
        }
        variables
    }

    /// Reads what is new; says how long to wait before the next time.
    pub(crate) fn turn(&mut self) -> Duration {
        let Ok(host) = &mut self.host else {
            return NAMES;
        };
        let pause = host.poll();
        if self.named_at.elapsed() >= NAMES {
            host.look_at_threads();
            self.named_at = Instant::now();
        }
        pause.min(NAMES)
    }

    /// What was recorded of a program that has ended.
    pub(crate) fn finish(self, pid: u32, ending: Ending) -> Outcome {
        let ended = match ending {
            Ending::Exit(_) => Ended::Exited,
            Ending::Signal(_) => Ended::Killed,
        };
        match self.host.and_then(|host| host.finish(pid, ended)) {
            Ok(Some(profile)) => Outcome::Profiled(Box::new(profile)),
            Ok(None) => Outcome::NoPython,
            Err(error) => Outcome::Refused(error),
        }
    }
}
