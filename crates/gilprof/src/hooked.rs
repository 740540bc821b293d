//! A recording by hooks that were put into a process, and what is read of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gilprof_attach::{Attached, GilAt, Interpreter, Modules, Setup};
use gilprof_core::{Ended, Profile};
use gilprof_region::{Progress, Region, Sizes, StackPlan};

use crate::collector::Collector;
use crate::error::Error;
use crate::names;
use crate::options::Options;
use crate::own_thread::thread_cpu_ns;

/// How often the process is asked what no hook sees: who its threads are, whether it lives.
const ASKED: Duration = Duration::from_millis(50);
/// How often Python's names of threads are read.
const NAMED: Duration = Duration::from_secs(1);
/// When hooks are looked at that the dynamic linker may have overwritten.
const VERIFIED: Duration = Duration::from_millis(100);

/// A process with our hooks in it.
#[derive(Debug)]
pub(crate) struct Hooked {
    region: Arc<Region>,
    /// `None` once it is over.
    attached: Option<Attached>,
    python: Interpreter,
    collector: Collector,
    began: Instant,
    asked: Instant,
    named: Instant,
    is_verified: bool,
    /// When the process was found to have ended, on the recording's clock.
    ended_ns: Option<u64>,
    /// Why the hooks do not record.
    obstacle: Option<&'static str>,
}

impl Hooked {
    /// Puts hooks into a process that has none.
    pub(crate) fn to(pid: u32, options: Options) -> Result<Self, Error> {
        let sizes = options.sizes()?;
        let modules = Modules::of(pid).map_err(|source| Error::Os {
            what: format!("read what process {pid} has mapped"),
            source,
        })?;
        let python = Interpreter::of(pid, &modules)?;
        let attached = Attached::to(pid, &setup(&python, sizes, options))?;
        let mut hooked = Hooked {
            region: Arc::clone(attached.region()),
            attached: Some(attached),
            python,
            collector: Collector::of(&options),
            began: Instant::now(),
            asked: Instant::now(),
            named: Instant::now(),
            is_verified: false,
            ended_ns: None,
            obstacle: None,
        };
        hooked.name();
        Ok(hooked)
    }

    pub(crate) fn region(&self) -> &Arc<Region> {
        &self.region
    }

    pub(crate) fn longest_pause(&self) -> Duration {
        let attached = self.attached.as_ref();
        attached.map_or(Duration::ZERO, Attached::longest_pause)
    }

    /// Reads what is new; says when to look again.
    pub(crate) fn turn(&mut self) -> Duration {
        let started = thread_cpu_ns();
        let pause = self.collector.turn(&self.region);
        if self.asked.elapsed() >= ASKED {
            self.ask();
            self.asked = Instant::now();
        }
        self.collector.reading_ns += thread_cpu_ns().saturating_sub(started);
        pause.min(ASKED)
    }

    fn ask(&mut self) {
        if self.has_ended() {
            return;
        }
        if let Some(attached) = &mut self.attached {
            attached.show_up();
            if !self.is_verified && self.began.elapsed() >= VERIFIED {
                self.is_verified = true;
                // What it could not put back is missing in the numbers, which show it.
                if let Err(_unverified) = attached.verify() {}
            }
        }
        if self.named.elapsed() >= NAMED {
            self.name();
        }
        names::from_kernel(&self.region);
        self.collector.on_cpu.follow(&self.region);
    }

    /// Gives threads the names that Python has for them.
    fn name(&mut self) {
        self.named = Instant::now();
        self.collector.program.read(self.region.recording().pid);
        for thread in self.python.thread_names().unwrap_or_default() {
            self.region.name_thread(thread.native_id, &thread.name);
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        if self.ended_ns.is_none() && self.attached.as_ref().is_some_and(|one| !one.is_alive()) {
            self.ended_ns = Some(self.region.clock().now_ns());
        }
        self.ended_ns.is_some()
    }

    pub(crate) fn profile(&mut self) -> Profile {
        self.profile_until(None)
    }

    fn profile_until(&mut self, end: Option<(u64, Ended)>) -> Profile {
        let end = end.or(self.ended_ns.map(|at_ns| (at_ns, Ended::Exited)));
        self.see_obstacle();
        let profile = self.collector.profile(&self.region, end);
        let Some(obstacle) = self.obstacle else {
            return profile;
        };
        let mut parts = profile.into_parts();
        parts.notes.push(obstacle.into());
        Profile::assemble(parts)
    }

    /// Asks the hooks how far they have come, while there are any.
    fn see_obstacle(&mut self) {
        let progress = self.attached.as_ref().and_then(Attached::progress);
        if let Some(progress) = progress {
            self.obstacle = obstacle(progress);
        }
    }

    pub(crate) fn stop(&mut self) -> Result<Profile, Error> {
        let has_ended = self.has_ended();
        if !has_ended {
            self.name();
            self.ask();
        }
        self.see_obstacle();
        // Code objects are read while they are kept alive.
        self.collector.drain(&self.region);
        let detached = self.attached.take().map(Attached::detach);
        if !has_ended {
            detached.transpose()?;
        }
        let stopped = self.region.stopped_ns();
        Ok(self.profile_until(
            stopped
                .map(|at_ns| (at_ns, Ended::Stopped))
                .filter(|_| !has_ended),
        ))
    }
}

/// Why hooks that have come so far do not record.
fn obstacle(progress: Progress) -> Option<&'static str> {
    match progress {
        Progress::Wanted | Progress::Starting => Some(
            "nothing was recorded: no thread took, awaited or let go of the GIL in all that time",
        ),
        Progress::NoKey => Some(
            "nothing was recorded: the program uses all thread-specific keys that the hooks could \
             have (pthread_key_create)",
        ),
        Progress::NoRegion => {
            Some("nothing was recorded: the hooks did not find the region that is made for them")
        }
        Progress::Abandoned => Some(
            "the end of the time: gilprof was not run for ten seconds, as when it is suspended, \
             so the hooks ceased to record",
        ),
        Progress::Idle
        | Progress::Recording
        | Progress::Child
        | Progress::LetGo
        | Progress::LettingGo => None,
    }
}

fn setup(python: &Interpreter, sizes: Sizes, options: Options) -> Setup {
    let gil = python.gils().ok().and_then(|gils| gils.first().copied());
    let stacks = stacks(python, gil, options);
    let clock = options.clock();
    Setup {
        sizes,
        python: python.version().unwrap_or_default(),
        gil: gil.map(|gil| gil.cond),
        interpreter: Some(python.place_in_state()),
        switch_interval_ns: gil.map_or(0, |gil| gil.interval_us * 1_000),
        stacks_missing: stacks.as_ref().err().cloned(),
        stacks: stacks.ok(),
        clock: Some(clock),
        costs_ps: gilprof_probe::costs_ps(clock),
    }
}

/// How stacks are taken, or why they are not.
fn stacks(python: &Interpreter, gil: Option<GilAt>, options: Options) -> Result<StackPlan, String> {
    if options.stacks_ns == 0 {
        return Err("option stacks is 0".into());
    }
    let gil = gil.ok_or("the GIL was not found in the process's memory")?;
    Ok(StackPlan {
        every_ns: options.stacks_ns,
        gil_address: gil.cond,
        frame_layout: python.frame_layout()?.to_words(),
        code_layout: python.code_layout()?.to_words(),
    })
}
