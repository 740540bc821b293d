//! The metrics of this process, served to whoever asks on this machine.
//!
//! A thread of our own answers and never takes the GIL: also while a thread holds it for
//! long, there is an answer.

mod answer;
mod client;
mod endpoint;
mod server;

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};

use gilprof_core::Profile;
use rustix::event::{EventfdFlags, eventfd};

use crate::engine::{engine, lock, python};
use crate::error::Error;
use crate::own_thread::OwnThread;
use crate::session::Session;

use endpoint::Endpoint;
use server::Server;

/// Serves the metrics of the recording of this process over HTTP, as OpenMetrics text, for
/// Prometheus and the like. Dropping it ends that.
///
/// What it serves is of the whole recording that its session is a part of. After a fork it
/// goes on in the parent only.
///
/// ```no_run
/// let session = gilprof::Profiler::builder().start()?;
/// let exporter = gilprof::Exporter::start("127.0.0.1:9464", session)?;
/// println!("curl http://{}/metrics", exporter.address());
/// // … Python runs …
/// let profile = exporter.stop()?;
/// # Ok::<(), gilprof::Error>(())
/// ```
#[derive(Debug)]
pub struct Exporter {
    address: String,
    state: Shared,
    pid: u32,
}

/// Also known to whoever forks.
pub(crate) type Shared = Arc<Mutex<State>>;

/// What the exporter does.
#[derive(Debug)]
pub(crate) enum State {
    Serving(Thread),
    /// A fork is under way.
    Paused,
    Ended,
}

impl Exporter {
    /// Listens at an address of this machine, and answers from then on: `127.0.0.1:PORT` or
    /// `[::1]:PORT`, where port 0 is any that is free, or `unix:/PATH`, a socket that only
    /// those can use whom its permissions allow to write, and that replaces one nobody
    /// listens at. May be called with or without the GIL.
    ///
    /// # Errors
    /// [`Error::is_option`] where the address is no such address, [`Error::Address`] where it
    /// is taken, [`Error::Os`] where the system refuses. The session has ended then.
    pub fn start(address: &str, session: Session) -> Result<Self, Error> {
        // Whoever forks may wait for the GIL while this waits for the fork.
        python()?.detached(|| Self::listen(address, session))
    }

    fn listen(address: &str, session: Session) -> Result<Self, Error> {
        // Right after a fork of this thread, it is over now.
        after_fork_in_parent();
        // A fork must know of all files that its child inherits.
        let _no_fork = lock(&FORKING);
        let endpoint = Endpoint::open(address)?;
        let address = endpoint.address().into();
        let thread = Thread::start(Server::new(endpoint, session))?;
        let state = Arc::new(Mutex::new(State::Serving(thread)));
        lock(engine().exporters()).push(Arc::clone(&state));
        Ok(Exporter {
            address,
            state,
            pid: std::process::id(),
        })
    }

    /// Where it listens: with the port that was found where any would do.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends, and gives the profile of its session.
    ///
    /// # Errors
    /// [`Error::NotRunning`] where it has ended already, as in the child of a fork.
    pub fn stop(self) -> Result<Profile, Error> {
        self.end().ok_or(Error::NotRunning)?.into_session().stop()
    }

    fn end(&self) -> Option<Server> {
        if self.pid != std::process::id() {
            // The fork has ended it; a thread that is not here may hold the lock.
            return None;
        }
        lock(engine().exporters()).retain(|one| !Arc::ptr_eq(one, &self.state));
        let state = std::mem::replace(&mut *lock(&self.state), State::Ended);
        match state {
            State::Serving(thread) => thread.end(),
            State::Paused | State::Ended => None,
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// The thread that answers.
#[derive(Debug)]
pub(crate) struct Thread {
    handle: OwnThread<Server>,
    wake: Arc<OwnedFd>,
}

impl Thread {
    fn start(server: Server) -> Result<Self, Error> {
        let cannot = |source| Error::Os {
            what: "start the thread that serves metrics".into(),
            source,
        };
        let wake = eventfd(0, EventfdFlags::CLOEXEC).map_err(|errno| cannot(errno.into()))?;
        let wake = Arc::new(wake);
        let woken = Arc::clone(&wake);
        let handle =
            OwnThread::spawn("gilprof-metrics", move || server.run(&woken)).map_err(cannot)?;
        Ok(Thread { handle, wake })
    }

    /// `None` from a thread that panicked.
    fn end(self) -> Option<Server> {
        // A counter that is at zero can always be counted up.
        if let Err(_never) = rustix::io::write(&self.wake, &1_u64.to_ne_bytes()) {}
        self.handle.join()
    }
}

/// Held from before a fork until after it, in both processes.
static FORKING: Mutex<()> = Mutex::new(());

thread_local! {
    /// What this thread has paused, as it is about to fork.
    static PAUSE: RefCell<Option<Pause>> = const { RefCell::new(None) };
}

struct Pause {
    servers: Vec<(Shared, Server)>,
    _forking: MutexGuard<'static, ()>,
}

/// Ends the threads, so that the fork happens in a process with the program's own threads
/// only. The sockets stay open: clients wait in their queue.
pub(crate) fn before_fork() {
    // Whoever forks while it is about to has done this.
    if PAUSE.with_borrow(Option::is_some) {
        return;
    }
    let forking = lock(&FORKING);
    let exporters = lock(engine().exporters()).clone();
    let servers = exporters.into_iter().filter_map(|state| {
        let server = pause(&mut lock(&state))?;
        Some((state, server))
    });
    let pause = Pause {
        servers: servers.collect(),
        _forking: forking,
    };
    PAUSE.set(Some(pause));
}

fn pause(state: &mut State) -> Option<Server> {
    match std::mem::replace(state, State::Paused) {
        State::Serving(thread) => thread.end(),
        other => {
            *state = other;
            None
        }
    }
}

/// Goes on where the thread was before the fork.
pub(crate) fn after_fork_in_parent() {
    let Some(pause) = PAUSE.take() else { return };
    for (state, server) in pause.servers {
        let mut state = lock(&state);
        // Else it was ended meanwhile, and its server ends here.
        if let State::Paused = *state {
            // Without a thread it cannot go on.
            *state = Thread::start(server).map_or(State::Ended, State::Serving);
        }
    }
}

/// Closes in the child what belongs to the parent.
pub(crate) fn after_fork_in_child() {
    drop(PAUSE.take());
}
