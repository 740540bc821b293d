//! A recording that `gilprof run` reads.

use std::sync::{Mutex, PoisonError};

use gilprof::KnownThread;
use pyo3::prelude::*;

use crate::error::Result;

/// In the child of a fork: records it too, if `gilprof run` follows children.
#[pyfunction]
pub(crate) fn in_followed_child(py: Python<'_>, variable: &str) -> Result<()> {
    Ok(py.detach(|| gilprof::in_followed_child(variable, &[]))?)
}

/// The recording of a program that `gilprof run` has started.
#[pyclass(frozen, module = "gilprof._native")]
#[derive(Debug)]
pub(crate) struct SharedSession(Mutex<Option<gilprof::SharedSession>>);

#[pymethods]
impl SharedSession {
    /// Records into the region that `variable` names, the value of GILPROF.
    #[new]
    fn new(py: Python<'_>, variable: &str, threads: Vec<(u32, String)>) -> Result<Self> {
        let known = |(native_id, name)| KnownThread::new(native_id, name);
        let threads: Vec<KnownThread> = threads.into_iter().map(known).collect();
        let session = py.detach(|| gilprof::SharedSession::start(variable, &threads))?;
        Ok(SharedSession(Mutex::new(Some(session))))
    }

    /// Stops; nothing happens the second time.
    fn stop(&self, py: Python<'_>) {
        let session = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(move || drop(session));
    }
}
