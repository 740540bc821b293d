//! Who made others wait in a block.

use pyo3::prelude::*;

use crate::site::{Frame, frames};
use crate::text::duration;

/// Who made others wait in a block: `gilprof.measure(…, blame=True)`.
#[pyclass(frozen, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Blamed {
    /// The place whose code made others wait for longest: its frames, innermost first; empty
    /// where no stack was taken.
    #[pyo3(get)]
    stack: Vec<Py<Frame>>,
    /// The native functions that the innermost frame had called, innermost first;
    /// empty where they are not known or there were none.
    #[pyo3(get)]
    native: Vec<Py<Frame>>,
    /// The waiting of others that this place caused, summed, as samples tell.
    #[pyo3(get)]
    weight_ns: u64,
    /// For how long a hold kept others waiting in the block, at most; exact. Of one that had
    /// begun before, the part in the block.
    #[pyo3(get)]
    worst_hold_ns: u64,
}

impl Blamed {
    pub(crate) fn new(py: Python<'_>, blamed: &gilprof::Blamed) -> PyResult<Self> {
        Ok(Blamed {
            stack: frames(py, &blamed.stack)?,
            native: frames(py, &blamed.native)?,
            weight_ns: blamed.weight_ns,
            worst_hold_ns: blamed.worst_hold_ns,
        })
    }
}

#[pymethods]
impl Blamed {
    fn __repr__(&self) -> String {
        let leaf = self.stack.first().map(|frame| frame.get());
        format!(
            "<Blamed {} weight={} worst_hold={}>",
            leaf.map_or("(unknown)", Frame::function),
            duration(self.weight_ns),
            duration(self.worst_hold_ns),
        )
    }
}
