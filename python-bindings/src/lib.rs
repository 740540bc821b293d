//! `gilprof._native`: the Python face of the crate `gilprof`. It converts and
//! computes nothing.

mod distribution;
mod error;
mod text;

mod blamed;
mod finding;
mod metric;
mod rows;
mod site;
mod what_if;

mod table;
mod tables;
mod timeline;

mod process;
mod profile;
mod query;

mod attachment;
mod exporter;
mod fork;
mod measure;
mod request;
mod session;
mod shared;
mod span;
mod watch;
mod wsgi;

use std::ffi::OsString;

use pyo3::ffi;
use pyo3::prelude::*;

/// The compiled part of gilprof.
#[pymodule(gil_used = true)]
mod _native {
    use pyo3::exceptions::PyImportError;
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::attachment::{Attachment, attach};
    #[pymodule_export]
    use crate::blamed::Blamed;
    #[pymodule_export]
    use crate::distribution::Distribution;
    #[pymodule_export]
    use crate::exporter::Exporter;
    #[pymodule_export]
    use crate::finding::{Evidence, Finding};
    #[pymodule_export]
    use crate::fork::{after_fork_in_child, after_fork_in_parent, before_fork};
    #[pymodule_export]
    use crate::measure::{Measure, ProcessMeasure, measure};
    #[pymodule_export]
    use crate::metric::{Metric, MetricPoint};
    #[pymodule_export]
    use crate::process::Process;
    #[pymodule_export]
    use crate::profile::{Profile, load, merge, profile_from_json};
    #[pymodule_export]
    use crate::query::{Query, Row, Rows};
    #[pymodule_export]
    use crate::request::Request;
    #[pymodule_export]
    use crate::rows::{Blame, Gil, Hold, Samples, SpanRow, Thread};
    #[pymodule_export]
    use crate::session::{Session, snapshot};
    #[pymodule_export]
    use crate::shared::{SharedSession, in_followed_child};
    #[pymodule_export]
    use crate::site::{Blocked, Frame, Site};
    #[pymodule_export]
    use crate::span::{Span, span};
    #[pymodule_export]
    use crate::table::Table;
    #[pymodule_export]
    use crate::watch::{Stall, Watch};
    #[pymodule_export]
    use crate::what_if::WhatIf;
    #[pymodule_export]
    use crate::wsgi::{Head, WsgiCalls};
    #[pymodule_export]
    use crate::{cli_main, is_running, name_this_thread, name_thread};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        if !crate::is_main_interpreter(module.py()) {
            let text = "gilprof._native does not support loading in subinterpreters";
            return Err(PyImportError::new_err(text));
        }
        gilprof::prepare();
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}

/// Whether the calling thread is in the interpreter that Python began with. Before
/// CPython 3.12 nobody else asks, and what PyO3 keeps belongs to one interpreter.
fn is_main_interpreter(_attached: Python<'_>) -> bool {
    // SAFETY: the thread is attached, so it is in an interpreter.
    let interpreter = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: the interpreter lasts as long as the thread is attached to it.
    unsafe { ffi::PyInterpreterState_GetID(interpreter) == 0 }
}

/// Whether this process is being recorded.
#[pyfunction]
fn is_running() -> bool {
    gilprof::is_running()
}

/// Names the calling thread in the recording that is on.
#[pyfunction]
fn name_this_thread(name: &str) {
    gilprof::name_this_thread(name);
}

/// Names a living thread of the recording that is on; says whether it is in it.
#[pyfunction]
fn name_thread(native_id: u32, name: &str) -> bool {
    gilprof::name_thread(native_id, name)
}

/// Runs the command line; gives its exit status.
#[pyfunction]
fn cli_main(py: Python<'_>, arguments: Vec<OsString>) -> i32 {
    py.detach(|| gilprof_cli::main(arguments))
}
