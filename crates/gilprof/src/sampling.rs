//! A recording of a process that runs already, by looking at it from outside now and then.

mod assembly;
mod interval;
mod look;
mod place;
mod roll;
mod shelf;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gilprof_core::{Ended, Profile};
use gilprof_os::hurry;

use crate::engine::lock;
use crate::error::Error;
use crate::own_thread::{OwnThread, thread_cpu_ns};

use assembly::Recording;
use interval::Interval;

/// A look that comes later than this is one for which there was no CPU.
const LATE: Duration = Duration::from_micros(500);

/// A recording of another process by samples, until [`Sampling::stop`] is called or this is
/// dropped: nothing is written to the process and none of its threads is stopped. A thread
/// of this process looks at it.
///
/// The times of the profile are estimates, and it says how good they are
/// ([`Profile::samples`]). What only events tell, as counts of waits and how long single
/// holds were, is not known.
///
/// ```no_run
/// let sampling = gilprof::Sampling::of(4242, None)?;
/// std::thread::sleep(std::time::Duration::from_secs(10));
/// let profile = sampling.stop();
/// println!("{}", profile.verdict().sentence);
/// # Ok::<(), gilprof::Error>(())
/// ```
#[derive(Debug)]
pub struct Sampling {
    pid: u32,
    recording: Arc<Mutex<Recording>>,
    stopped: Arc<AtomicBool>,
    sampler: Option<OwnThread<()>>,
}

impl Sampling {
    /// Begins to look at a process, on average once in `interval`, from 0.1 ms to 1 s. `None`
    /// stands for 2 ms, or longer where that takes more than a twentieth of a CPU.
    ///
    /// # Errors
    /// [`Error::is_refused`] with the reason where the process cannot be looked at,
    /// [`Error::is_option`] where the interval is not allowed.
    pub fn of(pid: u32, interval: Option<Duration>) -> Result<Self, Error> {
        let interval = Interval::new(interval)?;
        let recording = Arc::new(Mutex::new(Recording::of(pid)?));
        let stopped = Arc::new(AtomicBool::new(false));
        let sampler = {
            let (recording, stopped) = (Arc::clone(&recording), Arc::clone(&stopped));
            OwnThread::spawn("gilprof-sampler", move || {
                sample(&recording, &stopped, interval);
            })
        };
        let sampler = sampler.map_err(|source| Error::Os {
            what: "start the sampling thread".into(),
            source,
        })?;
        Ok(Sampling {
            pid,
            recording,
            stopped,
            sampler: Some(sampler),
        })
    }

    /// The interval that is written as a number with its unit: `500us`, `2.5ms`, `1s`.
    ///
    /// # Errors
    /// [`Error::is_option`] where it is not, or is not allowed.
    pub fn interval(text: &str) -> Result<Duration, Error> {
        Interval::parse(text)
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether the process has ended.
    pub fn has_ended(&self) -> bool {
        lock(&self.recording).has_ended()
    }

    /// The profile from the start to now.
    pub fn snapshot(&self) -> Profile {
        lock(&self.recording).profile(Ended::Running)
    }

    /// Ends the recording and gives its profile; up to the end of the process, where that
    /// has ended.
    pub fn stop(mut self) -> Profile {
        self.end_sampler();
        lock(&self.recording).profile(Ended::Stopped)
    }

    fn end_sampler(&mut self) {
        self.stopped.store(true, SeqCst);
        if let Some(sampler) = self.sampler.take() {
            sampler.unpark();
            sampler.join();
        }
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        self.end_sampler();
    }
}

fn sample(recording: &Mutex<Recording>, stopped: &AtomicBool, mut interval: Interval) {
    // Else looks would be at instants of a certain kind, when some thread of the program
    // blocks, and not at random ones. Those that come late all the same are counted.
    hurry();
    while !stopped.load(SeqCst) {
        let began_ns = thread_cpu_ns();
        if !lock(recording).look() {
            return;
        }
        let cost_ns = thread_cpu_ns().saturating_sub(began_ns);
        lock(recording).has_cost(cost_ns);
        let (pause, began) = (interval.next(cost_ns), Instant::now());
        std::thread::park_timeout(pause);
        if began.elapsed() > pause + LATE {
            lock(recording).was_late();
        }
    }
    // The last sample is at the end.
    lock(recording).look();
}
