//! What one request of a web service went through.

use std::time::Instant;

use pyo3::prelude::*;
use pyo3::types::{PyAny, PyDict, PyTuple};

use crate::measure::Block;
use crate::text::duration;

/// One request, and what its code went through. Times are those of the threads that ran
/// it, while they did: what an event loop or the server did in between is none of it.
#[pyclass(module = "gilprof.wsgi")]
#[derive(Debug)]
pub(crate) struct Request {
    /// As the client sent it.
    #[pyo3(get)]
    method: Py<PyAny>,
    /// As the client sent it.
    #[pyo3(get)]
    path: Py<PyAny>,
    /// As the application said it; None where it said none.
    #[pyo3(get, set)]
    pub(crate) status: Option<u32>,
    /// From the call of the application to its end.
    #[pyo3(get)]
    wall_ns: u64,
    /// Time its code held the GIL.
    #[pyo3(get)]
    holding_ns: u64,
    /// Time its code waited for the GIL.
    #[pyo3(get)]
    waiting_ns: u64,
    /// Time its code was away from the GIL.
    #[pyo3(get)]
    detached_ns: u64,
    /// How often it got the GIL.
    #[pyo3(get)]
    acquisitions: u64,
    /// How often it had to wait for the GIL.
    #[pyo3(get)]
    waits: u64,
    /// The line that made threads wait most about then, in a slow request.
    #[pyo3(get, set)]
    blame: Option<String>,
    began: Instant,
    /// The part that is under way, in this thread.
    part: Option<Block>,
}

#[pymethods]
impl Request {
    #[new]
    pub(crate) fn new(method: Py<PyAny>, path: Py<PyAny>) -> Self {
        Request {
            method,
            path,
            status: None,
            wall_ns: 0,
            holding_ns: 0,
            waiting_ns: 0,
            detached_ns: 0,
            acquisitions: 0,
            waits: 0,
            blame: None,
            began: Instant::now(),
            part: None,
        }
    }

    /// A part of the request begins: what this thread does until __exit__().
    fn __enter__(mut this: PyRefMut<'_, Self>) -> PyRefMut<'_, Self> {
        this.begin_part();
        this
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&mut self, _error: &Bound<'_, PyTuple>) {
        self.end_part();
    }

    /// The request is over.
    pub(crate) fn end(&mut self) {
        self.wall_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    }

    /// What the header Server-Timing says, in milliseconds, up to now.
    pub(crate) fn server_timing(&mut self) -> String {
        if self.end_part() {
            self.begin_part();
        }
        let [waited, held] = [self.waiting_ns, self.holding_ns].map(|ns| ns as f64 / 1e6);
        format!("gil;dur={waited:.3};desc=\"GIL wait\", gilhold;dur={held:.3}")
    }

    /// All there is, for a log or a table.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let told = PyDict::new(py);
        told.set_item("method", &self.method)?;
        told.set_item("path", &self.path)?;
        told.set_item("status", self.status)?;
        told.set_item("wall_ns", self.wall_ns)?;
        told.set_item("holding_ns", self.holding_ns)?;
        told.set_item("waiting_ns", self.waiting_ns)?;
        told.set_item("detached_ns", self.detached_ns)?;
        told.set_item("acquisitions", self.acquisitions)?;
        told.set_item("waits", self.waits)?;
        told.set_item("blame", &self.blame)?;
        Ok(told)
    }

    fn __repr__(&self) -> String {
        format!(
            "<Request {} {} wall={} holding={} waiting={}>",
            self.method,
            self.path,
            duration(self.wall_ns),
            duration(self.holding_ns),
            duration(self.waiting_ns),
        )
    }
}

impl Request {
    /// A part begins, which this thread does.
    pub(crate) fn begin_part(&mut self) {
        self.part = Some(Block::begin());
    }

    /// Adds up the part that is under way; says whether there was one.
    pub(crate) fn end_part(&mut self) -> bool {
        let Some(part) = self.part.take() else {
            return false;
        };
        if let Some(thread) = part.end().and_then(|measured| measured.thread) {
            self.holding_ns += thread.holding_ns;
            self.waiting_ns += thread.waiting_ns;
            self.detached_ns += thread.detached_ns;
            self.acquisitions += thread.acquisitions;
            self.waits += thread.waits;
        }
        true
    }
}
