//! One user's share in the recording of this process.

use std::sync::{Arc, Mutex, PoisonError};

use gilprof::{Builder, Options, Profiler};
use pyo3::prelude::*;

use crate::error::Result;
use crate::profile::Profile;

/// One user's share in the recording of this process; stops when it is freed.
#[pyclass(frozen, module = "gilprof._native")]
#[derive(Debug)]
pub(crate) struct Session {
    /// Locked only by a thread that has the GIL, for a moment: so it is never
    /// locked by somebody else at a fork.
    open: Mutex<Option<Arc<gilprof::Session>>>,
    pid: u32,
}

#[pymethods]
impl Session {
    #[new]
    fn new(
        py: Python<'_>,
        options: Vec<(String, String)>,
        threads: Vec<(u32, String)>,
    ) -> Result<Self> {
        let builder = builder(&options, threads)?;
        let session = py.detach(|| builder.start())?;
        Ok(Session {
            open: Mutex::new(Some(Arc::new(session))),
            pid: std::process::id(),
        })
    }

    /// The profile from the start of the session to now.
    fn snapshot(&self, py: Python<'_>) -> Result<Profile> {
        let session = self.get()?;
        Ok(py.detach(move || session.snapshot())?.into())
    }

    /// The profile from the start of the session or its last lap to now, where the next begins.
    fn lap(&self, py: Python<'_>) -> Result<Profile> {
        let session = self.get()?;
        Ok(py.detach(move || session.lap())?.into())
    }

    /// Stops, and gives the profile of the whole session, or what came after its last lap.
    fn stop(&self, py: Python<'_>) -> Result<Profile> {
        let session = self.lock().take().ok_or(gilprof::Error::NotRunning)?;
        let inherited = std::process::id() != self.pid;
        Ok(py.detach(move || stop(session, inherited))?.into())
    }

    /// Stops, once no snapshot uses the session any more, without the cost of a profile.
    /// Nothing happens the second time.
    fn discard(&self, py: Python<'_>) {
        let session = self.lock().take();
        py.detach(move || drop(session));
    }
}

impl Session {
    /// The session, if it is open.
    pub(crate) fn get(&self) -> Result<Arc<gilprof::Session>> {
        let session = self.lock().clone();
        Ok(session.ok_or(gilprof::Error::NotRunning)?)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<gilprof::Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A recording with these options and threads, that is about to start.
pub(crate) fn builder(
    options: &[(String, String)],
    threads: Vec<(u32, String)>,
) -> Result<Builder> {
    let mut builder = Profiler::builder();
    if !options.is_empty() {
        let mut chosen = Options::default();
        for (option, value) in options {
            chosen.set(option, value)?;
        }
        builder = builder.options(chosen);
    }
    for (native_id, name) in threads {
        builder = builder.known_thread(native_id, name);
    }
    Ok(builder)
}

/// Stops once no snapshot uses the session any more. In the child of a fork, a
/// snapshot that was under way never ends, so there it is not waited for.
fn stop(mut session: Arc<gilprof::Session>, inherited: bool) -> Result<gilprof::Profile> {
    loop {
        match Arc::try_unwrap(session) {
            Ok(last) => return Ok(last.stop()?),
            Err(used) if inherited => return Ok(used.snapshot()?),
            Err(used) => session = used,
        }
        std::thread::yield_now();
    }
}

/// The profile of the whole recording that is on, whoever started it.
#[pyfunction]
pub(crate) fn snapshot(py: Python<'_>) -> Result<Profile> {
    Ok(py.detach(gilprof::snapshot)?.into())
}
