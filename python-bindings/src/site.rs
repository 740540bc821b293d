//! The code that time went to, and what threads were blocked on.

use gilprof::core;
use pyo3::prelude::*;

use crate::rows::Thread;
use crate::text::duration;

/// A line of a function that was being executed, or a native function.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Frame {
    /// Qualified name of the function; of a native one its symbol.
    function: String,
    /// The file it is in, as Python names it; of a native function its module.
    file: String,
    /// The line in that file; 0 where not known.
    line: u32,
    /// The dotted module that the file's path speaks of.
    module: String,
    /// Whether it is native code, not Python.
    native: bool,
}

impl From<&core::Frame> for Frame {
    fn from(frame: &core::Frame) -> Self {
        Frame {
            function: frame.function.clone(),
            file: frame.file.clone(),
            line: frame.line,
            module: frame.module(),
            native: frame.native,
        }
    }
}

impl Frame {
    pub(crate) fn function(&self) -> &str {
        &self.function
    }
}

#[pymethods]
impl Frame {
    fn __repr__(&self) -> String {
        match self.native {
            true => format!("<Frame {} {}>", self.function, self.file),
            false => format!("<Frame {} {}:{}>", self.function, self.file, self.line),
        }
    }
}

/// Time of one kind that one thread spent in one stack, by its samples.
#[pyclass(frozen, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Site {
    /// "blame", "wait", "hold" or "detached".
    #[pyo3(get)]
    kind: &'static str,
    /// The thread whose stack it is; of "blame", the holder.
    #[pyo3(get)]
    thread: Py<Thread>,
    /// The frames, innermost first; empty where the stack is not known.
    #[pyo3(get)]
    stack: Vec<Py<Frame>>,
    /// The native functions that the innermost frame had called, innermost first;
    /// empty where they are not known or there were none.
    #[pyo3(get)]
    native: Vec<Py<Frame>>,
    /// The time that its samples stand for.
    #[pyo3(get)]
    weight_ns: u64,
    /// How many samples.
    #[pyo3(get)]
    samples: u64,
    /// The part of weight_ns that was seen there in the middle of a hold. The rest was
    /// told by the line at which the thread let go of the GIL or got it.
    #[pyo3(get)]
    seen_ns: u64,
}

impl Site {
    pub(crate) fn new(
        site: &core::Site,
        thread: Py<Thread>,
        stack: Vec<Py<Frame>>,
        native: Vec<Py<Frame>>,
    ) -> Self {
        Site {
            kind: site.kind.as_str(),
            thread,
            stack,
            native,
            weight_ns: site.weight_ns,
            samples: site.samples,
            seen_ns: site.seen_ns,
        }
    }
}

#[pymethods]
impl Site {
    fn __repr__(&self) -> String {
        let leaf = self.stack.first().map(|frame| frame.get());
        let function = leaf.map_or("(unknown)", Frame::function);
        format!(
            "<Site {} {function} weight={} samples={}>",
            self.kind,
            duration(self.weight_ns),
            self.samples,
        )
    }
}

/// Time that one thread was blocked in one system call, by its samples.
#[pyclass(frozen, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Blocked {
    #[pyo3(get)]
    thread: Py<Thread>,
    /// "holding" or "detached".
    #[pyo3(get)]
    state: &'static str,
    /// Name of the system call.
    #[pyo3(get)]
    call: String,
    /// What kind of thing it waited for; None where not known.
    #[pyo3(get)]
    on: Option<&'static str>,
    /// The address of the lock; None where it is no lock.
    #[pyo3(get)]
    lock: Option<u64>,
    /// The native functions it was in, innermost first; empty where not known.
    #[pyo3(get)]
    native: Vec<Py<Frame>>,
    /// The time that its samples stand for.
    #[pyo3(get)]
    weight_ns: u64,
    /// How many samples.
    #[pyo3(get)]
    samples: u64,
}

impl Blocked {
    pub(crate) fn new(row: &core::Blocked, thread: Py<Thread>, native: Vec<Py<Frame>>) -> Self {
        Blocked {
            thread,
            state: row.state.as_str(),
            call: row.call.clone(),
            on: row.on.map(core::BlockedOn::as_str),
            lock: row.lock,
            native,
            weight_ns: row.weight_ns,
            samples: row.samples,
        }
    }
}

#[pymethods]
impl Blocked {
    fn __repr__(&self) -> String {
        format!(
            "<Blocked {} {} on={} weight={} samples={}>",
            self.state,
            self.call,
            self.on.unwrap_or("None"),
            duration(self.weight_ns),
            self.samples,
        )
    }
}

/// The frames as Python has them.
pub(crate) fn frames(py: Python<'_>, frames: &[core::Frame]) -> PyResult<Vec<Py<Frame>>> {
    let frames = frames.iter();
    frames
        .map(|frame| Py::new(py, Frame::from(frame)))
        .collect()
}
