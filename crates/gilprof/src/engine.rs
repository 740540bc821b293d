//! The one recording of a process, and those who share it.
//!
//! Nothing in here waits for the GIL while it holds the engine's lock, except
//! `start`, which the callers reach only after they have given the GIL up. So
//! the lock is never waited for by a thread that holds the GIL.

use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use gilprof_core::Ended;
use gilprof_probe::{KnownThread, Python, Setup};
use gilprof_region::{Region, Sizes};

use crate::blamed::Blamed;
use crate::error::Error;
use crate::exporter;
use crate::marks::Marks;
use crate::options::Options;
use crate::reader::{Followed, Reader};
use crate::window::Part;

/// The recording of one process.
#[derive(Debug)]
pub(crate) struct Engine {
    pid: u32,
    state: Mutex<State>,
    /// Who serves the metrics of this process.
    exporters: Mutex<Vec<exporter::Shared>>,
    /// Where windows of the recording begin. Outside of its lock: those who have the GIL may
    /// wait for this.
    marks: Marks,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Running>,
    /// Regions that are not in use, one of each size: hooks may still hold on to them, so
    /// they are kept for the next recording and never freed.
    spares: Vec<&'static Region>,
}

#[derive(Debug)]
struct Running {
    region: &'static Region,
    /// `None` in the child of a fork, which inherited the recording.
    options: Option<Options>,
    /// `None` while only another process reads the region.
    followed: Option<Arc<Mutex<Followed>>>,
    reader: Option<Reader>,
}

static ENGINE: AtomicPtr<Engine> = AtomicPtr::new(std::ptr::null_mut());
/// Those who use the recording. Outside of the lock, so that a fork's child,
/// which leaves the lock behind, still knows.
static USERS: AtomicUsize = AtomicUsize::new(0);

/// The interpreter of this process.
pub(crate) fn python() -> Result<&'static Python, Error> {
    static PYTHON: OnceLock<Python> = OnceLock::new();
    if let Some(python) = PYTHON.get() {
        return Ok(python);
    }
    let python = Python::find()?;
    Ok(PYTHON.get_or_init(|| python))
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This process's engine. The child of a fork makes a new one: a thread that
/// it does not have may hold the lock of the old one.
pub(crate) fn engine() -> &'static Engine {
    let pid = std::process::id();
    loop {
        let pointer = ENGINE.load(SeqCst);
        // SAFETY: null, or from `Box::into_raw` below and never freed.
        match unsafe { pointer.as_ref() } {
            Some(engine) if engine.pid == pid => return engine,
            _ => (),
        }
        let fresh = Box::into_raw(Box::new(Engine::new(pid)));
        if ENGINE
            .compare_exchange(pointer, fresh, SeqCst, SeqCst)
            .is_err()
        {
            // SAFETY: nobody else has seen `fresh`.
            drop(unsafe { Box::from_raw(fresh) });
        }
    }
}

impl Engine {
    fn new(pid: u32) -> Self {
        let running = gilprof_probe::region().map(|region| Running {
            region,
            options: None,
            followed: None,
            reader: None,
        });
        if running.is_none() {
            USERS.store(0, SeqCst);
        }
        Engine {
            pid,
            state: Mutex::new(State {
                running,
                spares: Vec::new(),
            }),
            exporters: Mutex::default(),
            marks: Marks::default(),
        }
    }

    pub(crate) fn exporters(&self) -> &Mutex<Vec<exporter::Shared>> {
        &self.exporters
    }

    pub(crate) fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Joins the recording or starts it; says whether it was there before.
    pub(crate) fn start(
        &self,
        options: Option<Options>,
        threads: &[KnownThread],
    ) -> Result<bool, Error> {
        let mut state = lock(&self.state);
        let joined = state.running.is_some();
        match &state.running {
            Some(running) => running.agrees(options)?,
            None => {
                let options = options.unwrap_or_default();
                let region = state.region(options.sizes()?)?;
                state.record(region, options, threads, false)?;
            }
        }
        if let Some(running) = &mut state.running {
            running.follow()?;
        }
        USERS.fetch_add(1, SeqCst);
        Ok(joined)
    }

    /// Starts a recording that another process reads.
    pub(crate) fn start_shared(
        &self,
        region: &'static Region,
        options: Options,
        threads: &[KnownThread],
    ) -> Result<(), Error> {
        let mut state = lock(&self.state);
        if state.running.is_some() {
            return Err(gilprof_probe::Error::Running.into());
        }
        state.record(region, options, threads, true)?;
        USERS.fetch_add(1, SeqCst);
        Ok(())
    }

    /// The part of the recording that this window covers up to now; the whole of it, if there
    /// is no such window.
    pub(crate) fn part(&self, window: u64) -> Result<Part, Error> {
        let followed = self.followed()?;
        Ok(lock(&followed).part(window, None))
    }

    /// The number of a window that begins now; never zero.
    pub(crate) fn open_window(&self) -> Result<u64, Error> {
        let followed = self.followed()?;
        Ok(lock(&followed).open_window())
    }

    /// The same part, after which the window begins anew. A number that is no window's becomes
    /// one's.
    pub(crate) fn lap(&self, window: &AtomicU64) -> Result<Part, Error> {
        let followed = self.followed()?;
        Ok(lock(&followed).lap(window))
    }

    /// Who made others wait in a window that was marked, up to its end, which is now; `None`
    /// if there is no such window.
    pub(crate) fn close_blame_window(&self, window: u64) -> Option<Blamed> {
        let followed = lock(&self.state).running.as_ref()?.followed.clone()?;
        lock(&followed).close_blame_window(window)
    }

    pub(crate) fn followed(&self) -> Result<Arc<Mutex<Followed>>, Error> {
        let mut state = lock(&self.state);
        let running = state.running.as_mut().ok_or(Error::NotRunning)?;
        running.follow()
    }

    /// One user less, and one window, whose part of the recording is given back.
    pub(crate) fn stop(&self, window: u64) -> Result<Part, Error> {
        self.leave(|followed, end| {
            let part = followed.part(window, end);
            followed.close_window(window);
            part
        })
    }

    /// The same, where nobody wants that part: it costs nothing then.
    pub(crate) fn give_up(&self, window: u64) -> Result<(), Error> {
        self.leave(|followed, _| followed.close_window(window))
    }

    /// One user less, who `closes` what was the user's, given the recording's end if that is
    /// now: the last user stops the recording.
    fn leave<T>(
        &self,
        closes: impl FnOnce(&mut Followed, Option<(u64, Ended)>) -> T,
    ) -> Result<T, Error> {
        let mut state = lock(&self.state);
        let running = state.running.as_mut().ok_or(Error::NotRunning)?;
        let followed = running.follow()?;
        if USERS.fetch_sub(1, SeqCst) > 1 {
            return Ok(closes(&mut lock(&followed), None));
        }
        let stopped = gilprof_probe::stop();
        self.marks.forget();
        let running = state.running.take().ok_or(Error::NotRunning)?;
        drop(running.reader);
        let end = stopped?.map(|at_ns| (at_ns, Ended::Stopped));
        let closed = {
            let mut followed = lock(&followed);
            followed.finish(end);
            closes(&mut followed, end)
        };
        gilprof_probe::let_go(python()?, running.region);
        state.retire(running.region);
        Ok(closed)
    }

    /// Stops what another process reads, without a profile of our own.
    pub(crate) fn stop_shared(&self) -> Result<(), Error> {
        let mut state = lock(&self.state);
        if state.running.is_none() || USERS.fetch_sub(1, SeqCst) > 1 {
            return Ok(());
        }
        state.running = None;
        self.marks.forget();
        gilprof_probe::stop()?;
        Ok(())
    }

    /// Before a fork by Python: the reader thread ends, so that the fork
    /// happens in a process with the program's own threads only.
    pub(crate) fn before_fork(&self) {
        if let Some(running) = &mut lock(&self.state).running {
            running.reader = None;
            // The child is to inherit no files of ours.
            if let Some(followed) = &running.followed {
                lock(followed).pause();
            }
        }
    }

    /// After a fork: whoever was followed is followed again.
    pub(crate) fn after_fork(&self) {
        if let Some(running) = &mut lock(&self.state).running
            && running.followed.is_some()
            // It is started again by the next call that needs it.
            && let Err(_unread) = running.follow()
        {}
    }
}

impl State {
    /// An empty region that may be written to for as long as the process lives.
    fn region(&mut self, sizes: Sizes) -> Result<&'static Region, Error> {
        let mut spares = self.spares.iter();
        match spares.position(|spare| spare.sizes() == sizes) {
            Some(at) => Ok(self.spares.swap_remove(at)),
            None => Ok(Box::leak(Box::new(Region::own(sizes)?))),
        }
    }

    fn record(
        &mut self,
        region: &'static Region,
        options: Options,
        threads: &[KnownThread],
        shared: bool,
    ) -> Result<(), Error> {
        let threads: Vec<KnownThread> = threads.iter().map(counted).collect();
        let setup = Setup {
            region,
            clock: options.clock(),
            shared,
            stack_every_ns: options.stacks_ns,
            threads: &threads,
        };
        if let Err(error) = gilprof_probe::start(python()?, &setup) {
            if !shared {
                self.spares.push(region);
            }
            return Err(error.into());
        }
        self.running = Some(Running {
            region,
            options: Some(options),
            followed: None,
            reader: None,
        });
        Ok(())
    }

    /// Keeps the region for the next recording, without its pages.
    fn retire(&mut self, region: &'static Region) {
        if region.clear().is_ok() {
            self.spares.push(region);
        }
    }
}

/// The thread, with its time on a CPU so far.
fn counted(thread: &KnownThread) -> KnownThread {
    let counted = gilprof_os::reading(std::process::id(), thread.native_id);
    KnownThread {
        counted,
        ..thread.clone()
    }
}

impl Running {
    fn agrees(&self, asked: Option<Options>) -> Result<(), Error> {
        match (self.options, asked) {
            (Some(running), Some(asked)) if running != asked => Err(Error::OtherOptions {
                running: running.to_string(),
                asked: asked.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Makes sure that a thread of this process reads the events.
    fn follow(&mut self) -> Result<Arc<Mutex<Followed>>, Error> {
        let region = self.region;
        let options = self.options.unwrap_or_default();
        let followed = self.followed.get_or_insert_with(|| {
            Arc::new(Mutex::new(Followed::new(
                region,
                &options,
                engine().marks(),
            )))
        });
        if self.reader.is_none() {
            self.reader = Some(Reader::start(region, followed)?);
        }
        Ok(Arc::clone(followed))
    }
}
