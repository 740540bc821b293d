//! How much faster a program could be at most.

use gilprof::core;
use pyo3::prelude::*;

use crate::rows::Thread;

/// An upper bound on the speed-up, if something were otherwise.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct WhatIf {
    /// "no-gil", "processes", "half-hold" or "switch-interval".
    supposed: &'static str,
    /// What is supposed, in words.
    what: String,
    /// The thread whose time is told; None for the whole program.
    thread: Option<Py<Thread>>,
    /// How many times as fast at most, 1.0 or more; None where not known.
    speed_up: Option<f64>,
    /// Why it is not known.
    missing: Option<String>,
    /// What the bound assumes.
    assumption: String,
}

impl WhatIf {
    pub(crate) fn new(row: core::WhatIf, thread: Option<Py<Thread>>) -> Self {
        WhatIf {
            supposed: row.supposed.as_str(),
            what: row.what,
            thread,
            speed_up: row.speed_up,
            missing: row.missing,
            assumption: row.assumption,
        }
    }
}

#[pymethods]
impl WhatIf {
    fn __str__(&self) -> String {
        match (self.speed_up, &self.missing) {
            (Some(speed_up), _) => format!("{}: at most {speed_up:.2} times as fast", self.what),
            (None, reason) => format!("{}: {}", self.what, reason.as_deref().unwrap_or("n/a")),
        }
    }

    fn __repr__(&self) -> String {
        format!("<WhatIf {}>", self.__str__())
    }
}
