//! A recording of one process that another one reads.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use gilprof_core::{Ended, Profile};
use gilprof_probe::KnownThread;
use gilprof_region::{Phase, Region};

use crate::collector::Collector;
use crate::engine::engine;
use crate::error::Error;
use crate::follow;
use crate::names;
use crate::options::Options;

/// How long to wait for a Python to come.
pub(crate) const NOTHING_YET: Duration = Duration::from_millis(25);

/// The environment variable that tells a Python to record itself.
pub const VARIABLE: &str = "GILPROF";

/// The reading end: made before the program starts, and still there after it
/// was killed.
#[derive(Debug)]
pub struct Listener {
    region: Region,
    file: OwnedFd,
    options: Options,
    collector: Collector,
}

impl Listener {
    /// Makes a region for a program that is about to start.
    ///
    /// # Errors
    /// [`Error::is_option`] where an option is not allowed, [`Error::Region`]
    /// where there is no memory.
    pub fn new(options: Options) -> Result<Self, Error> {
        let (region, file) = Region::shared(options.sizes()?)?;
        Ok(Listener {
            region,
            file,
            options,
            collector: Collector::of(&options),
        })
    }

    /// The value of [`VARIABLE`] for the program.
    pub fn variable(&self) -> String {
        let (pid, file) = (std::process::id(), self.file.as_raw_fd());
        format!("region=/proc/{pid}/fd/{file},{}", self.options)
    }

    /// The process that is about to record into the region: its program may become another
    /// one before anything is read.
    pub(crate) fn expect(&mut self, pid: u32) {
        self.collector.program.read(pid);
    }

    /// What the region is in.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Reads what is new; says how long the caller may wait before the next
    /// time without a loss of events.
    pub fn poll(&mut self) -> Duration {
        match self.region.phase() {
            Ok(Phase::Running | Phase::Stopped) => self.collector.turn(&self.region),
            _ => NOTHING_YET,
        }
    }

    /// The process that records, once there is one.
    pub fn pid(&self) -> Option<u32> {
        Some(self.region.recording().pid).filter(|&pid| pid != 0)
    }

    /// Asks the kernel what no hook sees: names of threads that have not named
    /// themselves, and the CPU time of those that do not touch the GIL. Only while
    /// they live.
    pub fn look_at_threads(&mut self) {
        if matches!(self.region.phase(), Ok(Phase::Running)) {
            names::from_kernel(&self.region);
            self.collector.on_cpu.follow(&self.region);
            self.collector.program.read(self.region.recording().pid);
        }
    }

    /// What was recorded so far, or `None` if no Python came. `ended` says how
    /// the program ended, if it did.
    ///
    /// # Errors
    /// The reason where the interpreter that came cannot be profiled.
    pub fn profile(&mut self, ended: Option<Ended>) -> Result<Option<Profile>, Error> {
        match self.region.phase()? {
            Phase::Empty | Phase::Claimed => return Ok(None),
            Phase::Refused => {
                let reason = self.region.refusal();
                return Err(gilprof_probe::Error::Unsupported(reason).into());
            }
            Phase::Running | Phase::Stopped => (),
        }
        let now_ns = || self.region.clock().now_ns();
        let end = match (self.region.stopped_ns(), ended) {
            (Some(stopped), _) => Some((stopped, ended.unwrap_or(Ended::Stopped))),
            (None, Some(ended)) => Some((now_ns(), ended)),
            (None, None) => None,
        };
        Ok(Some(self.collector.profile(&self.region, end)))
    }
}

/// The recording end, in the program's own process; it lasts until it is
/// dropped or the process ends.
#[derive(Debug)]
pub struct SharedSession(());

impl SharedSession {
    /// Records into the region that `variable` names, the value of
    /// [`VARIABLE`]. Must be called without the GIL.
    ///
    /// # Errors
    /// [`Error::Taken`] where another process was first, [`Error::is_option`]
    /// where the value is malformed, [`Error::is_unsupported`] where this
    /// interpreter cannot be profiled; that reason is left in the region too.
    pub fn start(variable: &str, threads: &[KnownThread]) -> Result<Self, Error> {
        let (region, options) = split(variable)?;
        let region = region.open()?;
        if !region.claim_for(std::process::id()) {
            return Err(taken(&region));
        }
        // Hooks may return into it for as long as the process lives.
        let region: &'static Region = Box::leak(Box::new(region));
        let started = engine().start_shared(region, options, threads);
        if let Err(error) = &started {
            region.refuse(&error.to_string());
        }
        started.map(|()| SharedSession(()))
    }
}

impl Drop for SharedSession {
    fn drop(&mut self) {
        // Nobody is there to be told.
        if let Err(_unheard) = engine().stop_shared() {}
    }
}

/// Another process records into the region; or this one did, before it became
/// another program (exec): then what was recorded ends here.
fn taken(region: &Region) -> Error {
    let pid = region.recording().pid;
    if pid == std::process::id() && matches!(region.phase(), Ok(Phase::Running)) {
        region.stop(region.clock().now_ns());
    }
    Error::Taken { pid }
}

/// In the child of a fork: records it too, where whoever reads the parent's region follows
/// its children. `variable` is what the parent was started with. Must be called without the
/// GIL.
///
/// # Errors
/// As [`SharedSession::start`].
pub fn in_followed_child(variable: &str, threads: &[KnownThread]) -> Result<(), Error> {
    if let (Place::Asked(_), _) = split(variable)? {
        // Who stops the parent's recording stops the child's.
        std::mem::forget(SharedSession::start(variable, threads)?);
    }
    Ok(())
}

/// Where the region is.
enum Place<'v> {
    /// In this file.
    File(&'v str),
    /// Given by who listens at a socket of this name.
    Asked(&'v str),
}

fn split(variable: &str) -> Result<(Place<'_>, Options), Error> {
    let (region, options) = variable.split_once(',').unwrap_or((variable, ""));
    let file = region.strip_prefix("region=").map(Place::File);
    let asked = || region.strip_prefix(follow::PREFIX).map(Place::Asked);
    let place = file.or_else(asked).ok_or_else(|| Error::Option {
        option: VARIABLE.into(),
        value: variable.into(),
        allowed: String::from(
            "region=PATH or follow=NAME, then other options, with commas between",
        ),
    })?;
    Ok((place, options.parse()?))
}

impl Place<'_> {
    fn open(&self) -> Result<Region, Error> {
        match self {
            Place::Asked(name) => Ok(Region::open(follow::ask(name)?.as_fd())?),
            Place::File(path) => {
                let file = OpenOptions::new().read(true).write(true).open(path);
                let file = file.map_err(|source| Error::Os {
                    what: format!("open the region {path}"),
                    source,
                })?;
                Ok(Region::open(file.as_fd())?)
            }
        }
    }
}
