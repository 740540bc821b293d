//! The code that time went to.

use gilprof::core;
use pyo3::prelude::*;

use crate::rows::Thread;
use crate::text::duration;

/// A line of a function that was being executed.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Frame {
    /// Qualified name of the function.
    function: String,
    /// The file it is in, as Python names it.
    file: String,
    /// The line in that file; 0 where not known.
    line: u32,
    /// The dotted module that the file's path speaks of.
    module: String,
}

impl From<&core::Frame> for Frame {
    fn from(frame: &core::Frame) -> Self {
        Frame {
            function: frame.function.clone(),
            file: frame.file.clone(),
            line: frame.line,
            module: frame.module(),
        }
    }
}

#[pymethods]
impl Frame {
    fn __repr__(&self) -> String {
        format!("<Frame {} {}:{}>", self.function, self.file, self.line)
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
    stack: Vec<Py<Frame>>,
    /// The time that its samples stand for.
    #[pyo3(get)]
    weight_ns: u64,
    /// How many samples.
    #[pyo3(get)]
    samples: u64,
}

impl Site {
    pub(crate) fn new(site: &core::Site, thread: Py<Thread>, stack: Vec<Py<Frame>>) -> Self {
        Site {
            kind: site.kind.as_str(),
            thread,
            stack,
            weight_ns: site.weight_ns,
            samples: site.samples,
        }
    }
}

#[pymethods]
impl Site {
    /// The frames, innermost first; empty where the stack is not known.
    #[getter]
    fn stack(&self, py: Python<'_>) -> Vec<Py<Frame>> {
        let frames = self.stack.iter();
        frames.map(|frame| frame.clone_ref(py)).collect()
    }

    fn __repr__(&self) -> String {
        let leaf = self.stack.first().map(|frame| frame.get());
        let function = leaf.map_or("(unknown)", |frame| frame.function.as_str());
        format!(
            "<Site {} {function} weight={} samples={}>",
            self.kind,
            duration(self.weight_ns),
            self.samples,
        )
    }
}
