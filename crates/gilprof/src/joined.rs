//! A recording that a process makes of itself, joined from outside.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use gilprof_attach::{Process, memory_files};
use gilprof_core::{Ended, Profile};
use gilprof_region::{Phase, Region};

use crate::collector::Collector;
use crate::error::Error;
use crate::options::Options;
use crate::own_thread::thread_cpu_ns;

/// The bell is not for this reader, so it looks by itself whether it has rung.
const LISTENED: Duration = Duration::from_millis(10);
/// How often a profile is kept, for the case that the process ends its recording and clears
/// the region at once.
const KEPT: Duration = Duration::from_secs(1);

const JOINED: &str = "the process records itself: this is its own recording, from when \
                      gilprof joined it on";
const WHOLE: &str = "the process records itself: this is all of its own recording, as what was \
                     before gilprof joined it cannot be taken off";
const LOST: &str = "the end of the time: the process ended its own recording, up to a second \
                    before that is not known";

/// A reader beside the process's own, which writes nothing.
#[derive(Debug)]
pub(crate) struct Joined {
    process: Process,
    region: Region,
    /// Which of the recordings in this region it is.
    epoch: u32,
    collector: Collector,
    /// What was recorded before.
    before: Profile,
    /// The latest that is known to be whole, and when it was made.
    last: (Instant, Profile),
    is_over: bool,
}

impl Joined {
    /// # Errors
    /// [`Error::is_refused`] where the region is not found, or not one for this gilprof.
    pub(crate) fn to(process: Process, options: Options) -> Result<Self, Error> {
        let pid = process.pid();
        let mut files = memory_files(pid);
        let joined = files.find_map(|file| Self::in_file(&file, &process, options));
        joined.ok_or_else(|| {
            let refusal = format!(
                "process {pid} records itself with gilprof, of another version or where it cannot \
                 be seen from here: ask it for its profile, or have it stop that first"
            );
            gilprof_attach::Error::Refused(refusal).into()
        })
    }

    fn in_file(file: &File, process: &Process, options: Options) -> Option<Self> {
        let region = Region::look_at(file.as_fd()).ok()?;
        let is_it = region.recording().pid == process.pid();
        if !is_it || !matches!(region.phase(), Ok(Phase::Running)) {
            return None;
        }
        let epoch = region.epoch();
        let mut collector = Collector::visiting(&options);
        collector.program.read(process.pid());
        let before = collector.profile(&region, None);
        Some(Joined {
            process: process.clone(),
            region,
            epoch,
            collector,
            last: (Instant::now(), before.clone()),
            before,
            is_over: false,
        })
    }

    /// Reads what is new; says when to look again.
    pub(crate) fn turn(&mut self) -> Duration {
        let started = thread_cpu_ns();
        if self.has_ended() {
            return KEPT;
        }
        let pause = self.collector.turn(&self.region);
        if self.last.0.elapsed() >= KEPT {
            self.keep(None);
        }
        self.collector.reading_ns += thread_cpu_ns().saturating_sub(started);
        pause.min(LISTENED)
    }

    /// Whether the process, or its recording, has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        if !self.is_over {
            let end_ns = || self.region.clock().now_ns();
            let end = match self.region.phase() {
                Ok(Phase::Stopped) => self.region.stopped_ns().map(|at| (at, Ended::Stopped)),
                _ if !self.process.is_the_same() => Some((end_ns(), Ended::Exited)),
                _ => None,
            };
            if end.is_some() || !self.is_there() {
                self.is_over = true;
                self.keep(end);
            }
        }
        self.is_over
    }

    /// What was recorded since this reader came.
    pub(crate) fn profile(&mut self) -> Profile {
        if !self.has_ended() {
            self.keep(None);
        }
        let (_, last) = &self.last;
        let (since, note) = match last.difference(&self.before) {
            Ok(since) => (since, JOINED.into()),
            Err(error) => (last.clone(), format!("{WHOLE}: {error}")),
        };
        let mut parts = since.into_parts();
        parts.notes.push(note);
        if self.is_over && parts.ended_how == Ended::Running {
            parts.ended_how = Ended::Stopped;
            parts.notes.push(LOST.into());
        }
        Profile::assemble(parts)
    }

    /// Takes a profile, and keeps it if the region was not cleared meanwhile.
    fn keep(&mut self, end: Option<(u64, Ended)>) {
        let profile = self.collector.profile(&self.region, end);
        match self.is_there() {
            true => self.last = (Instant::now(), profile),
            false => self.is_over = true,
        }
    }

    fn is_there(&self) -> bool {
        let is_filled = matches!(self.region.phase(), Ok(Phase::Running | Phase::Stopped));
        is_filled && self.region.epoch() == self.epoch
    }
}
