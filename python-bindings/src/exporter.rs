//! The metrics of this process, served on this machine.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use crate::error::Result;
use crate::session::builder;

/// Serves the metrics of this process; ends when it is freed.
#[pyclass(frozen, module = "gilprof._native")]
#[derive(Debug)]
pub(crate) struct Exporter {
    /// Locked only by a thread that has the GIL, for a moment: so it is never
    /// locked by somebody else at a fork.
    open: Mutex<Option<gilprof::Exporter>>,
    /// Where it listens.
    #[pyo3(get)]
    address: String,
}

#[pymethods]
impl Exporter {
    #[new]
    fn new(
        py: Python<'_>,
        address: &str,
        options: Vec<(String, String)>,
        threads: Vec<(u32, String)>,
    ) -> Result<Self> {
        let builder = builder(&options, threads)?;
        let exporter = py.detach(|| gilprof::Exporter::start(address, builder.start()?))?;
        Ok(Exporter {
            address: exporter.address().into(),
            open: Mutex::new(Some(exporter)),
        })
    }

    /// Ends. Nothing happens the second time.
    fn discard(&self, py: Python<'_>) {
        let open = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        py.detach(move || drop(open));
    }
}
