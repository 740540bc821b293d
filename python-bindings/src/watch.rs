//! Stalls: holds that others wait for, told while they last.

use std::os::fd::{BorrowedFd, RawFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::Receiver;
use gilprof::{StallLog, core};
use pyo3::prelude::*;

use crate::error::Result;
use crate::session::Session;
use crate::site::{Frame, frames};
use crate::text::duration;

/// How many stalls wait for a slow callback; what comes then is not told.
const WAITING: usize = 64;

/// A hold that has lasted for long while others wait; and once more when it is over.
#[pyclass(frozen, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Stall {
    /// Index of the GIL.
    #[pyo3(get)]
    gil: u32,
    /// gilprof's number of the thread that holds.
    #[pyo3(get)]
    thread_id: u64,
    /// The kernel's number of it; None where not known.
    #[pyo3(get)]
    native_id: Option<u32>,
    /// Its name.
    #[pyo3(get)]
    thread: String,
    /// For how long it has held the GIL by now; of a hold that is over, in all.
    #[pyo3(get)]
    held_ns: u64,
    /// How many threads wait; of a hold that is over, how many did when it was told.
    #[pyo3(get)]
    waiters: u64,
    /// Whether the hold is over.
    #[pyo3(get)]
    is_over: bool,
    /// Where it holds, the innermost function first; empty where not known.
    #[pyo3(get)]
    stack: Vec<Py<Frame>>,
    /// The native functions that the innermost had called, innermost first.
    #[pyo3(get)]
    native: Vec<Py<Frame>>,
    text: String,
}

impl Stall {
    fn new(py: Python<'_>, stall: &core::Stall) -> PyResult<Self> {
        Ok(Stall {
            gil: stall.gil,
            thread_id: stall.thread,
            native_id: stall.native_id,
            thread: stall.name.clone(),
            held_ns: stall.held_ns,
            waiters: stall.waiters,
            is_over: stall.is_over,
            stack: frames(py, &stall.stack)?,
            native: frames(py, &stall.native)?,
            text: stall.to_string(),
        })
    }
}

#[pymethods]
impl Stall {
    /// As it is written into a log.
    fn __str__(&self) -> &str {
        &self.text
    }

    fn __repr__(&self) -> String {
        let over = if self.is_over { " over" } else { "" };
        format!(
            "<Stall {:?} held={} waiters={}{over}>",
            self.thread,
            duration(self.held_ns),
            self.waiters,
        )
    }
}

/// What is told of stalls, until it is closed.
#[pyclass(frozen, module = "gilprof._native")]
#[derive(Debug)]
pub(crate) struct Watch {
    told: Option<Receiver<core::Stall>>,
    /// Locked only by a thread that has the GIL, for a moment.
    open: Mutex<Option<gilprof::Watch>>,
}

#[pymethods]
impl Watch {
    /// Stalls of `hold_ns` or more go to the file `log`, of which a copy is kept, and, if
    /// `told`, to `next`.
    #[new]
    #[pyo3(signature = (session, hold_ns, *, log, told))]
    fn new(
        py: Python<'_>,
        session: &Session,
        hold_ns: u64,
        log: Option<RawFd>,
        told: bool,
    ) -> Result<Self> {
        let session = session.get()?;
        let mut log = log.map(copy_of).transpose()?;
        let (sender, receiver) = crossbeam_channel::bounded(WAITING);
        let sender = told.then_some(sender);
        let tell = move |stall: &core::Stall| {
            if let Some(log) = &mut log {
                log.write(stall);
            }
            if let Some(sender) = &sender
                // Nobody listens any more, or there are too many.
                && let Err(_untold) = sender.try_send(stall.clone())
            {}
        };
        let watch = py.detach(move || session.watch(Duration::from_nanos(hold_ns), tell))?;
        Ok(Watch {
            told: told.then_some(receiver),
            open: Mutex::new(Some(watch)),
        })
    }

    /// Waits for the next stall, without the GIL; None once it is closed.
    fn next(&self, py: Python<'_>) -> PyResult<Option<Stall>> {
        let Some(told) = &self.told else {
            return Ok(None);
        };
        let stall = py.detach(|| told.recv().ok());
        stall.map(|stall| Stall::new(py, &stall)).transpose()
    }

    /// Nothing is told any more.
    fn close(&self, py: Python<'_>) {
        let watch = self.lock().take();
        py.detach(|| drop(watch));
    }
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Option<gilprof::Watch>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn copy_of(file: RawFd) -> Result<StallLog> {
    // SAFETY: Python has it open, and keeps it so during this call.
    let file = unsafe { BorrowedFd::borrow_raw(file) };
    let copy = file
        .try_clone_to_owned()
        .map_err(|source| gilprof::Error::Os {
            what: "keep the log's file open".into(),
            source,
        })?;
    Ok(StallLog::new(copy))
}
