//! A recording of another process.

use std::sync::{Mutex, MutexGuard, PoisonError};

use gilprof::{Options, Sampling, Source};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::error::{Failure, Result, not_allowed, still_running};
use crate::profile::Profile;

/// A recording of another process; ends when it is freed.
#[pyclass(frozen, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Attachment {
    pid: u32,
    /// Locked only by threads that have let go of the GIL.
    open: Mutex<Option<Box<dyn Source>>>,
    result: Mutex<Option<gilprof::Profile>>,
}

/// Records another Python process, from now on: by hooks in it, or with `sample` by looks at
/// it from outside.
#[pyfunction]
#[pyo3(signature = (pid, /, *, sample = false, interval = None, **options))]
pub(crate) fn attach(
    py: Python<'_>,
    pid: u32,
    sample: bool,
    interval: Option<&Bound<'_, PyAny>>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Attachment> {
    let open = match sample {
        true => looks(py, pid, interval, options)?,
        false => hooks(py, pid, interval, options)?,
    };
    Ok(Attachment {
        pid,
        open: Mutex::new(Some(open)),
        result: Mutex::new(None),
    })
}

fn hooks(
    py: Python<'_>,
    pid: u32,
    interval: Option<&Bound<'_, PyAny>>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Box<dyn Source>> {
    if let Some(interval) = interval {
        let text = format!("option interval={interval} is for sample=True only");
        return Err(not_allowed(text));
    }
    let mut chosen = Options::default();
    for (option, value) in options.into_iter().flatten() {
        let set = chosen.set(&option.str()?.to_string(), &value.str()?.to_string());
        set.map_err(Failure::from)?;
    }
    let open = py.detach(|| gilprof::Attachment::to(pid, chosen));
    Ok(Box::new(open.map_err(Failure::from)?))
}

fn looks(
    py: Python<'_>,
    pid: u32,
    interval: Option<&Bound<'_, PyAny>>,
    options: Option<&Bound<'_, PyDict>>,
) -> PyResult<Box<dyn Source>> {
    if let Some((option, value)) = options.into_iter().flatten().next() {
        let text = format!("option {option}={value} is not allowed with sample=True");
        return Err(not_allowed(text));
    }
    let interval = interval.map(|time| time.str()).transpose()?;
    let interval = interval.map(|time| Sampling::interval(&time.to_string()));
    let interval = interval.transpose().map_err(Failure::from)?;
    let open = py.detach(|| Sampling::of(pid, interval));
    Ok(Box::new(open.map_err(Failure::from)?))
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
            let snapshot = open.as_ref().map(|source| source.snapshot());
            snapshot.ok_or(gilprof::Error::NotRunning)
        });
        Ok(profile?.into())
    }

    /// Ends the recording, with hooks taken out of the process, and gives all of its profile.
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
