//! An exact recording of a process that runs already.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gilprof_attach::{Presence, Target};
use gilprof_core::Profile;
use gilprof_region::Region;

use crate::engine::lock;
use crate::error::Error;
use crate::hooked::Hooked;
use crate::joined::Joined;
use crate::options::Options;
use crate::own_thread::OwnThread;

/// A recording of another process, until [`Attachment::stop`] is called or this is dropped:
/// by hooks that are put into it, or, where it records itself with gilprof already, by
/// reading along. A thread of this process reads.
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
    pid: u32,
    reading: Arc<Mutex<Reading>>,
    alarm: Alarm,
    stopped: Arc<AtomicBool>,
    reader: Option<OwnThread<()>>,
}

impl Attachment {
    /// Puts the hooks into a process and starts to record, or joins the recording that the
    /// process makes of itself: then the profile is of the time from now on, all options
    /// but `timeline` and `counters` are those of that recording, and nothing is written to the process.
    /// The process runs on; no thread of it stands still for longer than a few system
    /// calls take.
    ///
    /// # Errors
    /// [`Error::is_refused`] with the reason where the process cannot be attached to,
    /// [`Error::is_option`] where an option is not allowed.
    pub fn to(pid: u32, options: Options) -> Result<Self, Error> {
        let reading = Reading::of(pid, options)?;
        let alarm = reading.alarm();
        let reading = Arc::new(Mutex::new(reading));
        let stopped = Arc::new(AtomicBool::new(false));
        let reader = {
            let (reading, alarm) = (Arc::clone(&reading), alarm.clone());
            let stopped = Arc::clone(&stopped);
            OwnThread::spawn("gilprof-reader", move || read(&reading, &alarm, &stopped))
        };
        let reader = reader.map_err(|source| Error::Os {
            what: "start the reader thread".into(),
            source,
        })?;
        Ok(Attachment {
            pid,
            reading,
            alarm,
            stopped,
            reader: Some(reader),
        })
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether there is nothing more to come: the process has ended, or it makes a
    /// recording of itself, which was joined, no longer.
    pub fn has_ended(&self) -> bool {
        match &mut *lock(&self.reading) {
            Reading::Hooked(hooked) => hooked.has_ended(),
            Reading::Joined(joined) => joined.has_ended(),
        }
    }

    /// The longest time that one of the process's threads stood still so far.
    pub fn longest_pause(&self) -> Duration {
        match &*lock(&self.reading) {
            Reading::Hooked(hooked) => hooked.longest_pause(),
            Reading::Joined(_) => Duration::ZERO,
        }
    }

    /// The profile from the start to now; the process is not stopped.
    pub fn snapshot(&self) -> Profile {
        match &mut *lock(&self.reading) {
            Reading::Hooked(hooked) => hooked.profile(),
            Reading::Joined(joined) => joined.profile(),
        }
    }

    /// Takes the hooks out of the process, unless they are its own, and gives the profile of
    /// the whole recording; up to its end, where the process has ended.
    ///
    /// # Errors
    /// [`Error::is_refused`] where the hooks could not be taken out: they do nothing any
    /// more, and the next one to attach takes them out.
    pub fn stop(mut self) -> Result<Profile, Error> {
        self.end_reader();
        match &mut *lock(&self.reading) {
            Reading::Hooked(hooked) => hooked.stop(),
            Reading::Joined(joined) => Ok(joined.profile()),
        }
    }

    fn end_reader(&mut self) {
        self.stopped.store(true, SeqCst);
        if let Some(reader) = self.reader.take() {
            // It may have been about to fall asleep.
            while !reader.is_finished() {
                self.alarm.ring(&reader);
                std::thread::yield_now();
            }
            reader.join();
        }
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.end_reader();
    }
}

fn read(reading: &Mutex<Reading>, alarm: &Alarm, stopped: &AtomicBool) {
    while !stopped.load(SeqCst) {
        let pause = match &mut *lock(reading) {
            Reading::Hooked(hooked) => hooked.turn(),
            Reading::Joined(joined) => joined.turn(),
        };
        alarm.sleep(pause);
    }
}

/// Where the events come from.
#[derive(Debug)]
enum Reading {
    Hooked(Box<Hooked>),
    Joined(Box<Joined>),
}

impl Reading {
    fn of(pid: u32, options: Options) -> Result<Self, Error> {
        let target = Target::of(pid).map_err(|refusal| refusal.into_error(pid))?;
        if target.presence() == Some(&Presence::Recording) && !is_left(pid) {
            let joined = Joined::to(target.process().clone(), options)?;
            return Ok(Reading::Joined(Box::new(joined)));
        }
        match target.refusal() {
            Some(refusal) => Err(refusal.clone().into_error(pid).into()),
            None => Ok(Reading::Hooked(Box::new(Hooked::to(pid, options)?))),
        }
    }

    fn alarm(&self) -> Alarm {
        match self {
            Reading::Hooked(hooked) => Alarm::Bell(Arc::clone(hooked.region())),
            Reading::Joined(_) => Alarm::Own,
        }
    }
}

/// Whether the hooks in it are those of one who has attached: at work still, which is
/// found out next, or killed.
fn is_left(pid: u32) -> bool {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps"));
    maps.is_ok_and(|maps| maps.contains("memfd:gilprof-attach"))
}

/// What wakes the reader.
#[derive(Clone, Debug)]
enum Alarm {
    /// The region's bell, which hooks ring, too.
    Bell(Arc<Region>),
    /// Nobody but this process: the bell wakes one only, and that is the process's own reader.
    Own,
}

impl Alarm {
    fn sleep(&self, pause: Duration) {
        match self {
            Alarm::Bell(region) => region.await_bell(pause),
            Alarm::Own => std::thread::park_timeout(pause),
        }
    }

    fn ring(&self, reader: &OwnThread<()>) {
        match self {
            Alarm::Bell(region) => region.ring_bell_for_certain(),
            Alarm::Own => reader.unpark(),
        }
    }
}
