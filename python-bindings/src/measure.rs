//! `with gilprof.measure("label") as m:`

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gilprof::{BlameWindow, Measured, Reading};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
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
    blames: Blames,
    begun: Option<Block>,
    window: Option<BlameWindow>,
    measured: Option<Measured>,
    /// Who made others wait in the block; None unless that was asked for.
    #[pyo3(get)]
    blamed: Option<Py<Blamed>>,
}

/// Measures a block of code: `with gilprof.measure("load") as m: …`
///
/// With blame=True, `m.blamed` tells afterwards who made others wait in it; with a duration,
/// as blame="1ms", only where threads waited for the GIL for so long or longer, summed.
#[pyfunction]
#[pyo3(signature = (label = String::new(), /, *, blame = Blames(None)))]
pub(crate) fn measure(label: String, blame: Blames) -> Measure {
    Measure {
        label,
        blames: blame,
        begun: None,
        window: None,
        measured: None,
        blamed: None,
    }
}

/// From how many ns of waiting on it is told who made others wait, if it is told at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blames(Option<u64>);

impl FromPyObject<'_, '_> for Blames {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        static DURATION_NS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        if let Ok(is_wanted) = value.extract() {
            return Ok(Blames(if is_wanted { Some(0) } else { None }));
        }
        let duration_ns = DURATION_NS.import(value.py(), "gilprof._units", "duration_ns")?;
        let least_ns = duration_ns.call1(("blame", value))?.extract()?;
        Ok(Blames(Some(least_ns)))
    }
}

#[pymethods]
impl Measure {
    fn __enter__(mut this: PyRefMut<'_, Self>) -> PyRefMut<'_, Self> {
        this.measured = None;
        this.blamed = None;
        this.window = this.blames.0.and_then(|_| BlameWindow::begin());
        this.begun = Some(Block::begin());
        this
    }

    fn __exit__(
        &mut self,
        py: Python<'_>,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        if let Some(begun) = self.begun.take() {
            self.measured = begun.end();
        }
        let waited_ns = self
            .measured
            .map_or(0, |measured| measured.process.waiting_ns);
        let is_worth = self.blames.0.is_some_and(|least_ns| waited_ns >= least_ns);
        let window = self.window.take().filter(|_| is_worth);
        if let Some(blamed) = window.and_then(BlameWindow::end) {
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
        self.measured?.thread
    }
}

/// A stretch of code that runs, in the thread it began in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block {
    thread: u64,
    begun: gilprof::Measure,
}

impl Block {
    pub(crate) fn begin() -> Self {
        Block {
            thread: this_thread(),
            begun: gilprof::Measure::begin(),
        }
    }

    /// What happened in it; nothing of a thread if it ends in another one.
    pub(crate) fn end(self) -> Option<Measured> {
        let measured = self.begun.end()?;
        let is_same = self.thread == this_thread();
        Some(Measured {
            thread: measured.thread.filter(|_| is_same),
            ..measured
        })
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
