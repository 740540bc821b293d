//! A recording of a process that runs already, by hooks that are put into it.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gilprof_attach::{Attached, GilAt, Interpreter, Modules, Presence, Setup, Target};
use gilprof_core::{Ended, Profile};
use gilprof_region::{Progress, Region, Sizes, StackPlan};

use crate::collector::Collector;
use crate::engine::lock;
use crate::error::Error;
use crate::names;
use crate::options::Options;
use crate::signals::{spawn_quiet, thread_cpu_ns};

/// How often the process is asked what no hook sees: who its threads are, whether it lives.
const ASKED: Duration = Duration::from_millis(50);
/// How often Python's names of threads are read.
const NAMED: Duration = Duration::from_secs(1);
/// When hooks are looked at that the dynamic linker may have overwritten.
const VERIFIED: Duration = Duration::from_millis(100);

/// A recording of another process, until [`Attachment::stop`] is called or this is dropped.
/// A thread of this process reads along.
///
/// ```no_run
/// let attachment = gilprof::Attachment::to(4242, gilprof::Options::default())?;
/// std::thread::sleep(std::time::Duration::from_secs(10));
/// let profile = attachment.stop()?;
/// println!("{}", profile.verdict().sentence);
/// # Ok::<(), gilprof::Error>(())
/// ```
#[derive(Debug)]
pub struct Attachment {
    region: Arc<Region>,
    reading: Arc<Mutex<Reading>>,
    stopped: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Attachment {
    /// Puts the hooks into a process and starts to record. The process runs on; no thread
    /// of it stands still for longer than a few system calls take.
    ///
    /// # Errors
    /// [`Error::is_refused`] with the reason where the process cannot be attached to,
    /// [`Error::is_option`] where an option is not allowed.
    pub fn to(pid: u32, options: Options) -> Result<Self, Error> {
        let reading = Reading::of(pid, options)?;
        let region = Arc::clone(&reading.region);
        let reading = Arc::new(Mutex::new(reading));
        let stopped = Arc::new(AtomicBool::new(false));
        let reader = {
            let (region, reading) = (Arc::clone(&region), Arc::clone(&reading));
            let stopped = Arc::clone(&stopped);
            spawn_quiet("gilprof-reader", move || read(&region, &reading, &stopped))
        };
        let reader = reader.map_err(|source| Error::Os {
            what: "start the reader thread".into(),
            source,
        })?;
        Ok(Attachment {
            region,
            reading,
            stopped,
            reader: Some(reader),
        })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.region.recording().pid
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        lock(&self.reading).has_ended()
    }

    /// The longest time that one of the process's threads stood still so far.
    pub fn longest_pause(&self) -> Duration {
        let reading = lock(&self.reading);
        let attached = reading.attached.as_ref();
        attached.map_or(Duration::ZERO, Attached::longest_pause)
    }

    /// The profile from the start to now; the process is not stopped.
    pub fn snapshot(&self) -> Profile {
        lock(&self.reading).profile(None)
    }

    /// Takes the hooks out of the process, and gives the profile of the whole recording; up
    /// to its end, where the process has ended.
    ///
    /// # Errors
    /// [`Error::is_refused`] where the hooks could not be taken out: they do nothing any
    /// more, and the next one to attach takes them out.
    pub fn stop(mut self) -> Result<Profile, Error> {
        self.end_reader();
        lock(&self.reading).stop()
    }

    fn end_reader(&mut self) {
        self.stopped.store(true, SeqCst);
        if let Some(reader) = self.reader.take() {
            // It may have been about to fall asleep.
            while !reader.is_finished() {
                self.region.ring_bell_for_certain();
                std::thread::yield_now();
            }
            // A reader that panicked has left its panic message already.
            if let Err(_panic) = reader.join() {}
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.end_reader();
    }
}

fn read(region: &Region, reading: &Mutex<Reading>, stopped: &AtomicBool) {
    while !stopped.load(SeqCst) {
        let pause = lock(reading).turn();
        // Who stops rings until this thread has ended.
        region.await_bell(pause);
    }
}

/// What is read of the process, and what was.
#[derive(Debug)]
struct Reading {
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

impl Reading {
    fn of(pid: u32, options: Options) -> Result<Self, Error> {
        let sizes = options.sizes()?;
        let target = Target::of(pid).map_err(|refusal| refusal.into_error(pid))?;
        if let Some(refusal) = target.refusal() {
            return Err(refusal.clone().into_error(pid).into());
        }
        if target.presence() == Some(&Presence::Recording) && !is_left(pid) {
            return Err(gilprof_attach::Error::Refused(format!(
                "process {pid} records itself with gilprof: ask it for its profile, or stop that first"
            ))
            .into());
        }
        let modules = Modules::of(pid).map_err(|source| Error::Os {
            what: format!("read what process {pid} has mapped"),
            source,
        })?;
        let python = Interpreter::of(pid, &modules)?;
        let attached = Attached::to(pid, &setup(&python, sizes, options))?;
        let mut reading = Reading {
            region: Arc::clone(attached.region()),
            attached: Some(attached),
            python,
            collector: Collector::keeping(options.timeline()),
            began: Instant::now(),
            asked: Instant::now(),
            named: Instant::now(),
            is_verified: false,
            ended_ns: None,
            obstacle: None,
        };
        reading.name();
        Ok(reading)
    }

    /// Reads what is new; says when to look again.
    fn turn(&mut self) -> Duration {
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

    fn has_ended(&mut self) -> bool {
        if self.ended_ns.is_none() && self.attached.as_ref().is_some_and(|one| !one.is_alive()) {
            self.ended_ns = Some(self.region.clock().now_ns());
        }
        self.ended_ns.is_some()
    }

    fn profile(&mut self, end: Option<(u64, Ended)>) -> Profile {
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

    fn stop(&mut self) -> Result<Profile, Error> {
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
        Ok(self.profile(
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

/// Whether the hooks in it are those of one who has attached: at work still, which is
/// found out next, or killed.
fn is_left(pid: u32) -> bool {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"));
    maps.is_ok_and(|maps| maps.contains("memfd:gilprof-attach"))
}

fn setup(python: &Interpreter, sizes: Sizes, options: Options) -> Setup {
    let gil = python.gils().ok().and_then(|gils| gils.first().copied());
    let stacks = stacks(python, gil, options);
    let clock = options.clock();
    Setup {
        sizes,
        python: python.version().unwrap_or_default(),
        gil: gil.map(|gil| gil.cond),
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
