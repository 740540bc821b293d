//! A recording of another process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gilprof::Options;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{Result, still_running};
use crate::profile::Profile;

/// A recording of another process; ends when it is freed.
#[pyclass(frozen, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Attachment {
    pid: u32,
    /// Locked only by threads that have let go of the GIL.
    open: Mutex<Option<gilprof::Attachment>>,
    result: Mutex<Option<gilprof::Profile>>,
}

/// Records another Python process, from now on.
#[pyfunction]
#[pyo3(signature = (pid, /, **options))]
pub(crate) fn attach(
    py: Python<'_>,
    pid: u32,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Attachment> {
    let mut chosen = Options::default();
    for (option, value) in options.into_iter().flatten() {
        let set = chosen.set(&option.str()?.to_string(), &value.str()?.to_string());
        set.map_err(crate::error::Failure::from)?;
    }
    let open = py.detach(|| gilprof::Attachment::to(pid, chosen));
    Ok(Attachment {
        pid,
        open: Mutex::new(Some(open.map_err(crate::error::Failure::from)?)),
        result: Mutex::new(None),
    })
}

#[pymethods]
impl Attachment {
    /// The process.
    #[getter]
    fn pid(&self) -> u32 {
        self.pid
    }

    /// The profile from the begin to now; the process is not stopped.
    fn snapshot(&self, py: Python<'_>) -> Result<Profile> {
        let profile = py.detach(|| {
            let open = lock(&self.open);
            let snapshot = open.as_ref().map(gilprof::Attachment::snapshot);
            snapshot.ok_or(gilprof::Error::NotRunning)
        });
        Ok(profile?.into())
    }

    /// Takes the hooks out of the process, and gives the profile of the whole recording.
    fn stop(&self, py: Python<'_>) -> Result<Profile> {
        let profile = py.detach(|| {
            let open = lock(&self.open).take();
            let profile = open.ok_or(gilprof::Error::NotRunning)?.stop()?;
            *lock(&self.result) = Some(profile.clone());
            Ok::<_, gilprof::Error>(profile)
        });
        Ok(profile?.into())
    }

    /// The profile of the whole recording, once it has ended.
    #[getter]
    fn result(&self, py: Python<'_>) -> PyResult<Profile> {
        let result = py.detach(|| lock(&self.result).clone());
        let result = result.ok_or_else(|| {
            still_running("the recording has not ended: until then, use snapshot()")
        });
        Ok(result?.into())
    }

    fn __enter__(this: Py<Self>) -> Py<Self> {
        this
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, py: Python<'_>, _error: &Bound<'_, pyo3::types::PyTuple>) -> Result<()> {
        match py.detach(|| lock(&self.open).is_some()) {
            true => self.stop(py).map(|_result| ()),
            // stop() was called inside of the block.
            false => Ok(()),
        }
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        let is_open = py.detach(|| lock(&self.open).is_some());
        let state = if is_open { "running" } else { "stopped" };
        format!("<Attachment pid={} {state}>", self.pid)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
