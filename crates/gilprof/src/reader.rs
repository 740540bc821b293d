//! The thread that follows the events of this process. It never takes the GIL.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use gilprof_core::{Ended, Profile, Window};
use gilprof_region::Region;

use crate::blamed::Blamed;
use crate::collector::Collector;
use crate::engine::lock;
use crate::error::Error;
use crate::lookout::Lookout;
use crate::marks::Marks;
use crate::names;
use crate::options::Options;
use crate::own_thread::{OwnThread, thread_cpu_ns};
use crate::window::{Part, Subscriber};

/// How many turns check that the hooks are still in place.
const VERIFIED_TURNS: u64 = 8;

/// How often it is seen what threads do that no hook sees: should one of them end, what it
/// did since is not known.
const WATCHED: Duration = Duration::from_secs(1);

/// What a region was found to hold, and who wants to hear of it.
#[derive(Debug)]
pub(crate) struct Followed {
    region: &'static Region,
    collector: Collector,
    /// What is to be subtracted from the profiles of each open window.
    windows: HashMap<u64, Arc<Profile>>,
    subscribers: Vec<Subscriber>,
    watched: Option<Instant>,
}

impl Followed {
    pub(crate) fn new(region: &'static Region, options: &Options, marks: &'static Marks) -> Self {
        marks.follow(region);
        Followed {
            region,
            collector: Collector::of(options).heeding(marks),
            windows: HashMap::new(),
            subscribers: Vec::new(),
            watched: None,
        }
    }

    pub(crate) fn pause(&mut self) {
        self.collector.pause();
    }

    /// The whole recording up to now, or to its end.
    fn profile(&mut self, end: Option<(u64, Ended)>) -> Profile {
        self.profile_in(None, end)
    }

    fn profile_in(&mut self, window: Option<u64>, end: Option<(u64, Ended)>) -> Profile {
        names::from_kernel(self.region);
        self.collector.profile_in(self.region, end, window)
    }

    /// The part of the recording that a window covers up to now, or to the recording's end;
    /// the whole of it, if there is no such window.
    pub(crate) fn part(&mut self, window: u64, end: Option<(u64, Ended)>) -> Part {
        let baseline = self.windows.get(&window).map(Arc::clone);
        let profile = self.profile_in(baseline.is_some().then_some(window), end);
        Part { profile, baseline }
    }

    /// The number of a window that begins now.
    pub(crate) fn open_window(&mut self) -> u64 {
        // What has not been read yet is not the window's.
        self.collector.drain(self.region);
        let number = self.collector.open_window(self.region);
        let baseline = self.profile_in(Some(number), None);
        self.windows.insert(number, Arc::new(baseline));
        number
    }

    /// Who has made others wait in a window that was marked, up to now, where it ends; `None`
    /// if there is no such window.
    pub(crate) fn close_blame_window(&mut self, window: u64) -> Option<Blamed> {
        let blamed = self.collector.blamed(self.region, window);
        self.collector.close_window(window);
        blamed
    }

    /// The part that a window covers up to now, and has it begin anew there. A number that is
    /// no window's becomes one's.
    pub(crate) fn lap(&mut self, window: &AtomicU64) -> Part {
        let mut number = window.load(SeqCst);
        let mut part = self.part(number, None);
        if part.baseline.is_none() {
            number = self.collector.open_window(self.region);
            window.store(number, SeqCst);
        }
        let region = self.region;
        let baseline = self.collector.renew_window(region, number, &part.profile);
        part.baseline = self.windows.insert(number, Arc::new(baseline));
        part
    }

    pub(crate) fn close_window(&mut self, number: u64) {
        self.windows.remove(&number);
        self.collector.close_window(number);
    }

    /// Follows the threads that no hook sees.
    fn watch_if_due(&mut self) {
        if self.watched.is_none_or(|then| then.elapsed() >= WATCHED) {
            self.watched = Some(Instant::now());
            self.collector.on_cpu.follow(self.region);
        }
    }

    /// The recording is over: subscribers get their last window.
    pub(crate) fn finish(&mut self, end: Option<(u64, Ended)>) {
        if self.subscribers.is_empty() {
            return;
        }
        let whole = self.profile(end);
        for mut subscriber in self.subscribers.drain(..) {
            subscriber.send(&whole);
        }
    }

    pub(crate) fn subscribe(&mut self, interval: Duration) -> Receiver<Window> {
        let (subscriber, receiver) = Subscriber::new(interval, self.profile(None));
        self.subscribers.push(subscriber);
        receiver
    }

    /// From now on, stalls are told. Gives back the region, whose bell wakes the reader.
    pub(crate) fn look_out(&mut self, lookout: Lookout) -> &'static Region {
        self.collector.look_out(lookout);
        self.region.ring_bell_for_certain();
        self.region
    }

    /// Reads what is new, sends what is due; says when to look again.
    fn turn(&mut self) -> Duration {
        let started = thread_cpu_ns();
        let pause = self.collector.turn(self.region);
        self.watch_if_due();
        self.send_due();
        self.collector.reading_ns += thread_cpu_ns().saturating_sub(started);
        let next = self.subscribers.iter().map(Subscriber::due).min();
        next.map_or(pause, |due| {
            pause.min(due.saturating_duration_since(Instant::now()))
        })
    }

    fn send_due(&mut self) {
        let now = Instant::now();
        if self.subscribers.iter().all(|one| one.due() > now) {
            return;
        }
        let profile = self.profile(None);
        self.subscribers
            .retain_mut(|one| one.due() > now || one.send(&profile));
    }
}

/// A running reader thread; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    region: &'static Region,
    stopped: Arc<AtomicBool>,
    thread: Option<OwnThread<()>>,
}

impl Reader {
    pub(crate) fn start(
        region: &'static Region,
        followed: &Arc<Mutex<Followed>>,
    ) -> Result<Self, Error> {
        let stopped = Arc::new(AtomicBool::new(false));
        let (followed, told) = (Arc::clone(followed), Arc::clone(&stopped));
        let thread = OwnThread::spawn("gilprof-reader", move || run(region, &followed, &told));
        let thread = thread.map_err(|source| Error::Os {
            what: String::from("start the reader thread"),
            source,
        })?;
        Ok(Reader {
            region,
            stopped,
            thread: Some(thread),
        })
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stopped.store(true, SeqCst);
        if let Some(thread) = self.thread.take() {
            // It may have been about to fall asleep.
            while !thread.is_finished() {
                self.region.ring_bell_for_certain();
                std::thread::yield_now();
            }
            thread.join();
        }
    }
}

fn run(region: &Region, followed: &Mutex<Followed>, stopped: &AtomicBool) {
    for turn in 0_u64.. {
        // A call that the dynamic linker was resolving while the hooks were
        // installed ends within the first few turns and undoes one of them.
        if turn < VERIFIED_TURNS
            // Without its pages nothing can be put back; the numbers show it.
            && let Err(_unverified) = gilprof_probe::verify()
        {}
        let pause = lock(followed).turn();
        // Who stops rings until this thread has ended.
        region.await_bell(pause);
        if stopped.load(SeqCst) {
            return;
        }
    }
}
