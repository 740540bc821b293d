//! `with gilprof.measure("label") as m:`

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gilprof::{BlameWindow, Measured, Reading};
use pyo3::prelude::*;
use pyo3::types::PyAny;

use crate::blamed::Blamed;
use crate::text::known;

/// What the GIL did to one stretch of code in one thread.
///
/// All values are None until the block has ended, and where nothing was
/// recorded for all of the time.
#[pyclass(module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Measure {
    /// What the block is called.
    #[pyo3(get)]
    label: String,
    blames: bool,
    begun: Option<(u64, gilprof::Measure)>,
    window: Option<BlameWindow>,
    /// Whether the block ended in the thread it began in.
    same_thread: bool,
    measured: Option<Measured>,
    /// Who made others wait in the block; None unless that was asked for.
    #[pyo3(get)]
    blamed: Option<Py<Blamed>>,
}

/// Measures a block of code: `with gilprof.measure("load") as m: …`
///
/// With blame=True, `m.blamed` tells afterwards who made others wait in it.
#[pyfunction]
#[pyo3(signature = (label = String::new(), /, *, blame = false))]
pub(crate) fn measure(label: String, blame: bool) -> Measure {
    Measure {
        label,
        blames: blame,
        begun: None,
        window: None,
        same_thread: true,
        measured: None,
        blamed: None,
    }
}

#[pymethods]
impl Measure {
    fn __enter__(mut this: PyRefMut<'_, Self>) -> PyRefMut<'_, Self> {
        this.measured = None;
        this.blamed = None;
        if this.blames {
            this.window = BlameWindow::begin();
        }
        this.begun = Some((this_thread(), gilprof::Measure::begin()));
        this
    }

    fn __exit__(
        &mut self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if let Some((thread, begun)) = self.begun.take() {
            self.measured = begun.end();
            self.same_thread = thread == this_thread();
        }
        if let Some(blamed) = self.window.take().and_then(BlameWindow::end) {
            self.blamed = Some(Py::new(py, Blamed::new(py, &blamed)?)?);
        }
        Ok(())
    }

    /// Time the block took.
    #[getter]
    fn wall_ns(&self) -> Option<u64> {
        self.measured.map(|measured| measured.process.at_ns)
    }

    /// Time this thread had the GIL.
    #[getter]
    fn holding_ns(&self) -> Option<u64> {
        self.thread().map(|reading| reading.holding_ns)
    }

    /// Time this thread wanted the GIL and had not got it.
    #[getter]
    fn waiting_ns(&self) -> Option<u64> {
        self.thread().map(|reading| reading.waiting_ns)
    }

    /// Time this thread did not want the GIL.
    #[getter]
    fn detached_ns(&self) -> Option<u64> {
        self.thread().map(|reading| reading.detached_ns)
    }

    /// How often this thread got the GIL.
    #[getter]
    fn acquisitions(&self) -> Option<u64> {
        self.thread().map(|reading| reading.acquisitions)
    }

    /// How often this thread began to wait for the GIL.
    #[getter]
    fn waits(&self) -> Option<u64> {
        self.thread().map(|reading| reading.waits)
    }

    /// The same time, for all threads together.
    #[getter]
    fn process(&self) -> Option<ProcessMeasure> {
        self.measured.map(|measured| measured.process.into())
    }

    fn __repr__(&self) -> String {
        format!(
            "<Measure {:?} wall={} holding={} waiting={} detached={}>",
            self.label,
            known(self.wall_ns()),
            known(self.holding_ns()),
            known(self.waiting_ns()),
            known(self.detached_ns()),
        )
    }
}

impl Measure {
    fn thread(&self) -> Option<Reading> {
        self.measured?.thread.filter(|_| self.same_thread)
    }
}

/// A number of the calling thread that no other thread ever has.
fn this_thread() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local!(static NUMBER: Cell<u64> = const { Cell::new(0) });
    NUMBER.with(|number| {
        if number.get() == 0 {
            number.set(NEXT.fetch_add(1, Relaxed));
        }
        number.get()
    })
}

/// What the GIL did to the whole process during one stretch of code.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct ProcessMeasure {
    /// Time the block took.
    wall_ns: u64,
    /// Time threads had the GIL, summed over the GILs.
    holding_ns: u64,
    /// Time threads wanted the GIL and had not got it, summed over the threads.
    waiting_ns: u64,
    /// How often threads got the GIL.
    acquisitions: u64,
    /// How often threads began to wait for the GIL.
    waits: u64,
}

impl From<Reading> for ProcessMeasure {
    fn from(reading: Reading) -> Self {
        ProcessMeasure {
            wall_ns: reading.at_ns,
            holding_ns: reading.holding_ns,
            waiting_ns: reading.waiting_ns,
            acquisitions: reading.acquisitions,
            waits: reading.waits,
        }
    }
}

#[pymethods]
impl ProcessMeasure {
    fn __repr__(&self) -> String {
        format!(
            "<ProcessMeasure wall={} holding={} waiting={}>",
            known(Some(self.wall_ns)),
            known(Some(self.holding_ns)),
            known(Some(self.waiting_ns)),
        )
    }
}
