//! A recording of this process, as its user holds it.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use crossbeam_channel::Receiver;
use gilprof_core::{Profile, Stall, Window};
use gilprof_probe::KnownThread;

use crate::engine::{engine, lock, python};
use crate::error::Error;
use crate::options::{ClockChoice, Options};
use crate::watch::Watch;

/// Starts recordings of the process it is in.
///
/// ```no_run
/// let session = gilprof::Profiler::builder().threads(64).start()?;
/// // … Python runs …
/// let profile = session.stop()?;
/// println!("{}", profile.verdict().sentence);
/// # Ok::<(), gilprof::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Profiler;

impl Profiler {
    /// A recording with its options still open.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// Options of a recording that is about to start.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    options: Option<Options>,
    known: Vec<KnownThread>,
}

impl Builder {
    fn set(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(self.options.get_or_insert_default());
        self
    }

    /// How many threads can have sums of their own at a time: 1 to 4096.
    #[must_use]
    pub fn threads(self, threads: u64) -> Self {
        self.set(|options| options.threads = threads)
    }

    /// How many events the ring holds: a power of two, 1024 to 67108864.
    #[must_use]
    pub fn ring(self, events: u64) -> Self {
        self.set(|options| options.ring = events)
    }

    /// Which clock to use.
    #[must_use]
    pub fn clock(self, clock: ClockChoice) -> Self {
        self.set(|options| options.clock = clock)
    }

    /// After how much of a thread's holding, waiting or detached time, or of what it
    /// made others wait, its stack is taken: 100 µs to 1 s; zero for never.
    #[must_use]
    pub fn stacks(self, every: Duration) -> Self {
        self.set(|options| options.stacks_ns = every.as_nanos() as u64)
    }

    /// How many megabytes of the latest events are kept, for tables of single events,
    /// holds and waits: 1 to 4096; zero for none.
    #[must_use]
    pub fn timeline_mb(self, megabytes: u64) -> Self {
        self.set(|options| options.timeline_mb = megabytes)
    }

    /// Whether the CPUs' own counters count each thread's instructions and cycles, where the
    /// machine has them.
    #[must_use]
    pub fn counters(self, counted: bool) -> Self {
        self.set(|options| options.counters = counted)
    }

    /// All options at once.
    #[must_use]
    pub fn options(self, options: Options) -> Self {
        self.set(|mine| *mine = options)
    }

    /// A thread that exists already, with its id of the operating system and
    /// its name: it is in the profile even if it never touches the GIL.
    #[must_use]
    pub fn known_thread(mut self, native_id: u32, name: impl Into<String>) -> Self {
        self.known.push(KnownThread::new(native_id, name));
        self
    }

    /// Starts to record, or joins the recording that this process makes
    /// already. May be called with or without the GIL.
    ///
    /// # Errors
    /// [`Error::is_unsupported`] where this interpreter cannot be profiled,
    /// [`Error::is_option`] where an option is not allowed or not the one that
    /// the running recording has.
    pub fn start(self) -> Result<Session, Error> {
        let python = python()?;
        python.detached(|| {
            let joined = engine().start(self.options, &self.known)?;
            let window = joined.then(|| engine().open_window()).transpose()?;
            Ok(Session {
                window: AtomicU64::new(window.unwrap_or(0)),
                open: true,
            })
        })
    }
}

/// A recording in progress. Dropping it stops it, without a profile.
#[derive(Debug)]
pub struct Session {
    /// The number of its window of the recording; zero where it has begun with it.
    window: AtomicU64,
    open: bool,
}

impl Session {
    /// The profile from the start of the session to now, without stopping
    /// anybody. May be called with or without the GIL.
    ///
    /// # Errors
    /// [`Error::NotRunning`] where the recording was ended by force.
    pub fn snapshot(&self) -> Result<Profile, Error> {
        let part = python()?.detached(|| engine().part(self.window()))?;
        Ok(part.into_profile()?)
    }

    /// The profile from the start of the session, or from its last lap, to now, where the
    /// next begins: between two laps nothing is lost, and nothing is in both. Costs little
    /// however long the recording is. What [`Session::snapshot`] and [`Session::stop`] give
    /// begins at the last lap, too.
    ///
    /// # Errors
    /// [`Error::NotRunning`] where the recording was ended by force.
    pub fn lap(&self) -> Result<Profile, Error> {
        let part = python()?.detached(|| engine().lap(&self.window))?;
        Ok(part.into_profile()?)
    }

    /// A profile of each interval from now on, as it ends.
    ///
    /// # Errors
    /// [`Error::NotRunning`] where the recording was ended by force.
    pub fn windows(&self, interval: Duration) -> Result<Receiver<Window>, Error> {
        python()?.detached(|| {
            let followed = engine().followed()?;
            let receiver = crate::engine::lock(&followed).subscribe(interval);
            Ok(receiver)
        })
    }

    /// Tells of each hold that lasts for `hold` or longer, 1 ms to 1 hour, while others
    /// wait for it: once while it lasts, at `hold` or some milliseconds later, and once when
    /// it is over. Until what is given back is dropped.
    ///
    /// `tell` is called on the thread that follows the recording. It has to be quick, must
    /// not wait for anything, and above all not for the GIL: as long as the hold lasts,
    /// nobody gets it. [`StallLog`](crate::StallLog) writes to a file, a `try_send` on a
    /// channel reaches another thread.
    ///
    /// # Errors
    /// [`Error::is_option`] where `hold` is not allowed, [`Error::NotRunning`] where the
    /// recording was ended by force.
    pub fn watch(
        &self,
        hold: Duration,
        tell: impl FnMut(&Stall) + Send + 'static,
    ) -> Result<Watch, Error> {
        let followed = python()?.detached(|| engine().followed())?;
        Watch::new(&mut lock(&followed), hold, tell)
    }

    /// Stops, and gives the profile of the whole session. The hooks go away
    /// with the last session.
    ///
    /// # Errors
    /// [`Error::NotRunning`] where the recording was ended by force.
    pub fn stop(mut self) -> Result<Profile, Error> {
        self.open = false;
        let part = python()?.detached(|| engine().stop(self.window()))?;
        Ok(part.into_profile()?)
    }

    /// In the child of a fork, which has a recording of its own, this is no window's number.
    fn window(&self) -> u64 {
        self.window.load(SeqCst)
    }
}

/// The profile of the whole recording that is on, whoever started it, from its
/// start to now. May be called with or without the GIL.
///
/// # Errors
/// [`Error::NotRunning`] where nothing is recorded.
pub fn snapshot() -> Result<Profile, Error> {
    let whole = python()?.detached(|| engine().part(0))?;
    Ok(whole.into_profile()?)
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.open
            && let Ok(python) = python()
            // Nobody is there to be told.
            && let Err(_unheard) = python.detached(|| engine().give_up(self.window()))
        {}
    }
}
