//! The processes of a profile.

use std::sync::Arc;

use gilprof::core;
use pyo3::prelude::*;

use crate::profile::{Profile, ended_how};
use crate::text::seconds;

/// One of the processes of a profile: several, where profiles were merged.
#[pyclass(frozen, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Process {
    row: core::Process,
    whole: Arc<core::Profile>,
}

impl Process {
    pub(crate) fn all(whole: &Arc<core::Profile>) -> Vec<Self> {
        let rows = whole.processes().into_iter();
        let process = |row| Process {
            row,
            whole: Arc::clone(whole),
        };
        rows.map(process).collect()
    }
}

#[pymethods]
impl Process {
    /// Name of its recording, unlike that of any other.
    #[getter]
    fn recording(&self) -> &str {
        &self.row.recording
    }

    /// Its id; several may have the same, where it was used again or on other machines.
    #[getter]
    fn pid(&self) -> u32 {
        self.row.pid
    }

    /// The name of its program, without its arguments; empty where not known.
    #[getter]
    fn program(&self) -> &str {
        &self.row.program
    }

    /// Version of its Python, as in "3.12.1".
    #[getter]
    fn python(&self) -> &str {
        &self.row.python
    }

    /// Begin of its recording, ns since 1970 (UTC).
    #[getter]
    fn started_at(&self) -> u64 {
        self.row.started_at
    }

    /// Duration of its recording.
    #[getter]
    fn wall_ns(&self) -> u64 {
        self.row.wall_ns
    }

    /// How its recording had ended, as Profile.ended_how says it.
    #[getter]
    fn ended_how(&self) -> &'static str {
        ended_how(self.row.ended_how)
    }

    /// What it did: its own threads and GILs only. Counts of events and losses, and notes,
    /// are those of all processes together.
    #[getter]
    fn profile(&self, py: Python<'_>) -> Profile {
        py.detach(|| self.whole.of_process(&self.row)).into()
    }

    fn __repr__(&self) -> String {
        format!(
            "<Process {} {:?} wall={}>",
            self.row.pid,
            self.row.program,
            seconds(self.row.wall_ns),
        )
    }
}
