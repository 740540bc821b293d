//! Profiles.

use std::path::PathBuf;
use std::sync::Arc;

use gilprof::core::{self, Clock, Ended, Mode, SiteKind};
use gilprof::metrics::families;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple};

use crate::error::{Failure, Result, file_error, in_file};
use crate::finding::Finding;
use crate::metric::Metric;
use crate::process::Process;
use crate::query::Query;
use crate::rows::Samples;
use crate::site::{Blocked, Site};
use crate::table::Table;
use crate::tables::Tables;
use crate::text::seconds;
use crate::timeline;
use crate::what_if::WhatIf;

/// All that is known of a recording at one instant.
#[pyclass(frozen, module = "gilprof")]
pub(crate) struct Profile {
    inner: Arc<core::Profile>,
    tables: PyOnceLock<Tables>,
}

impl From<core::Profile> for Profile {
    fn from(inner: core::Profile) -> Self {
        Profile {
            inner: Arc::new(inner),
            tables: PyOnceLock::new(),
        }
    }
}

impl Profile {
    fn tables(&self, py: Python<'_>) -> PyResult<&Tables> {
        self.tables
            .get_or_try_init(py, || Tables::new(py, &self.inner))
    }

    /// The number given, or that of the CPUs that the program could use; 1 where it is
    /// not known.
    fn cpus_or(&self, given: Option<u32>) -> u32 {
        given.or(self.inner.cpus()).unwrap_or(1)
    }

    fn bound(&self, py: Python<'_>, row: core::WhatIf) -> PyResult<WhatIf> {
        let thread = row.thread.map(|id| self.tables(py)?.thread(py, id));
        Ok(WhatIf::new(row, thread.transpose()?))
    }
}

/// The word for it.
pub(crate) fn ended_how(ended: Ended) -> &'static str {
    match ended {
        Ended::Running => "running",
        Ended::Stopped => "stopped",
        Ended::Exited => "exited",
        Ended::Killed => "killed",
    }
}

#[pymethods]
impl Profile {
    /// Name of the recording, unlike that of any other.
    #[getter]
    fn recording(&self) -> &str {
        self.inner.recording()
    }

    /// The recorded process.
    #[getter]
    fn pid(&self) -> u32 {
        self.inner.pid()
    }

    /// Version of the recorded Python, as in "3.12.1".
    #[getter]
    fn python(&self) -> &str {
        self.inner.python()
    }

    /// How the numbers were got: "exact" or "sampled".
    #[getter]
    fn mode(&self) -> &'static str {
        match self.inner.mode() {
            Mode::Exact => "exact",
            Mode::Sampled => "sampled",
        }
    }

    /// How many samples there are and how far off; None where all was seen.
    #[getter]
    fn samples(&self) -> Option<Samples> {
        self.inner.samples().map(Samples::from)
    }

    /// The clock durations were measured with: "tsc" or "monotonic".
    #[getter]
    fn clock(&self) -> &'static str {
        match self.inner.clock() {
            Clock::Tsc => "tsc",
            Clock::Monotonic => "monotonic",
        }
    }

    /// Begin of the recording, ns since 1970 (UTC).
    #[getter]
    fn started_at(&self) -> u64 {
        self.inner.started_at()
    }

    /// Begin of the recording on its own clock, which Hold.start_ns is on too.
    #[getter]
    fn start_ns(&self) -> u64 {
        self.inner.start_ns()
    }

    /// Duration of the recording.
    #[getter]
    fn wall_ns(&self) -> u64 {
        self.inner.wall_ns()
    }

    /// Python's switch interval.
    #[getter]
    fn switch_interval_ns(&self) -> u64 {
        self.inner.switch_interval_ns()
    }

    /// How many CPUs the process could use at the start; None where not known.
    #[getter]
    fn cpus(&self) -> Option<u32> {
        self.inner.cpus()
    }

    /// For how long the host kept CPUs from this (virtual) machine meanwhile, all CPUs
    /// together: it is in no thread's CPU time; None where not known.
    #[getter]
    fn stolen_ns(&self) -> Option<u64> {
        self.inner.stolen_ns()
    }

    /// How many events were folded into blame and history.
    #[getter]
    fn events(&self) -> u64 {
        self.inner.events()
    }

    /// How many events were lost: times stay exact, blame and history lack them.
    #[getter]
    fn dropped(&self) -> u64 {
        self.inner.dropped()
    }

    /// What the recording cost, in threads' time; None where not known.
    #[getter]
    fn overhead_ns(&self) -> Option<u64> {
        self.inner.overhead_ns()
    }

    /// Threads there was no room for: they are in no row.
    #[getter]
    fn unaccounted_threads(&self) -> u64 {
        self.inner.unaccounted_threads()
    }

    /// How the recording had ended: "running" (it had not), "stopped", "exited"
    /// or "killed".
    #[getter]
    fn ended_how(&self) -> &'static str {
        ended_how(self.inner.ended_how())
    }

    /// The processes that were recorded: several, where profiles were merged.
    #[getter]
    fn processes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, Process::all(&self.inner))
    }

    /// The name of the process's program, without its arguments; empty where not known.
    #[getter]
    fn program(&self) -> &str {
        self.inner.program()
    }

    /// What the profile does not cover, a sentence each.
    #[getter]
    fn notes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.inner.notes())
    }

    /// What each thread did.
    #[getter]
    fn threads(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        Ok(self.tables(py)?.threads.clone_ref(py))
    }

    /// What each GIL went through.
    #[getter]
    fn gils(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        Ok(self.tables(py)?.gils.clone_ref(py))
    }

    /// Who waited for whom.
    #[getter]
    fn blame(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        Ok(self.tables(py)?.blame.clone_ref(py))
    }

    /// The holds that cost the others most, worst first.
    #[getter]
    fn holds(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        Ok(self.tables(py)?.holds.clone_ref(py))
    }

    /// What happened inside of spans, a row a label, in the order of their labels.
    #[getter]
    fn spans(&self, py: Python<'_>) -> PyResult<Py<PyTuple>> {
        Ok(self.tables(py)?.spans.clone_ref(py))
    }

    /// Where in the code time of one kind went, the heaviest first: "blame" (waiting
    /// of others, in the stacks of the holders), "wait", "hold" or "detached".
    #[pyo3(signature = (kind = "blame"))]
    fn sites(&self, py: Python<'_>, kind: &str) -> PyResult<Vec<Site>> {
        let kind: SiteKind = kind.parse().map_err(Failure::from)?;
        let tables = self.tables(py)?;
        let sites = self.inner.sites_of(kind).iter();
        sites.map(|site| tables.site(py, site)).collect()
    }

    /// Why there are no stacks; None where they were recorded.
    #[getter]
    fn stacks_missing(&self) -> Option<&str> {
        self.inner.stacks_missing()
    }

    /// Samples of stacks that were lost: their time is in no site.
    #[getter]
    fn stacks_lost(&self) -> u64 {
        self.inner.stacks_lost()
    }

    /// Why no native functions are in the sites; None where they were recorded.
    #[getter]
    fn native_missing(&self) -> Option<&str> {
        self.inner.native_missing()
    }

    /// What threads were blocked on, outside the GIL or while they held it; the
    /// heaviest first.
    #[getter]
    fn blocked(&self, py: Python<'_>) -> PyResult<Vec<Blocked>> {
        let tables = self.tables(py)?;
        let rows = self.inner.blocked().iter();
        rows.map(|row| tables.blocked(py, row)).collect()
    }

    /// Why it is not known what threads were blocked on; None where it was recorded.
    #[getter]
    fn blocked_missing(&self) -> Option<&str> {
        self.inner.blocked_missing()
    }

    /// Why nothing was counted by the CPUs' own counters (option counters="hardware"); None
    /// where it was, or was not asked for.
    #[getter]
    fn counters_missing(&self) -> Option<&str> {
        self.inner.counters_missing()
    }

    /// Time threads had a GIL, summed over the threads.
    #[getter]
    fn holding_ns(&self) -> u64 {
        self.inner.holding_ns()
    }

    /// Time threads wanted the GIL and had not got it, summed over the threads.
    #[getter]
    fn waiting_ns(&self) -> u64 {
        self.inner.waiting_ns()
    }

    /// The part of waiting_ns in which nobody held the GIL.
    #[getter]
    fn handoff_ns(&self) -> u64 {
        self.inner.handoff_ns()
    }

    /// The part of waiting_ns in which another thread held the GIL.
    #[getter]
    fn caused_ns(&self) -> u64 {
        self.inner.caused_ns()
    }

    /// The part of waiting_ns that is neither blamed on a holder nor hand-off.
    #[getter]
    fn unattributed_ns(&self) -> u64 {
        self.inner.unattributed_ns()
    }

    /// waiting / (waiting + holding), in 0.0..=1.0; None where there was neither.
    #[getter]
    fn contention(&self) -> Option<f64> {
        self.inner.contention()
    }

    /// Whether the GIL is the problem: the first of findings, or "not-the-gil" or
    /// "nothing-yet".
    #[getter]
    fn verdict(&self, py: Python<'_>) -> PyResult<Finding> {
        Finding::new(py, self.inner.verdict())
    }

    /// What is worth knowing about the GIL in this program, the most costly first.
    #[getter]
    fn findings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let findings = self.inner.findings().into_iter();
        let findings: PyResult<Vec<Finding>> =
            findings.map(|finding| Finding::new(py, finding)).collect();
        PyTuple::new(py, findings?)
    }

    /// What monitoring systems are told of it: counters, gauges and histograms under the
    /// names that Prometheus has for them.
    fn metrics<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let families = py.detach(|| families(&self.inner)).into_iter();
        let metrics: PyResult<Vec<Metric>> = families.map(|one| Metric::new(py, one)).collect();
        PyTuple::new(py, metrics?)
    }

    /// Asks the profile for rows.
    fn query(&self) -> Query {
        Query::new(&self.inner)
    }

    /// A table for pandas, polars, DuckDB or pyarrow: "history" (what each thread did in
    /// slices of time), or of the kept timeline (option timeline) its "events", or the
    /// "holds" or "waits" they tell.
    #[pyo3(signature = (name, /))]
    fn table(&self, py: Python<'_>, name: &str) -> PyResult<Table> {
        py.detach(|| timeline::table(&self.inner, name))
    }

    /// How many events of the timeline were forgotten: older ones that there was no more
    /// room for. None where no timeline was kept.
    #[getter]
    fn timeline_forgotten(&self) -> Option<u64> {
        self.inner.timeline().map(core::Timeline::forgotten)
    }

    /// How much faster the program could be at most: without a GIL and as processes, on
    /// so many CPUs (those that it could use), with half the hold in the
    /// function that others wait for most, and with a tenth of the switch interval.
    #[pyo3(signature = (cpus = None))]
    fn what_if<'py>(&self, py: Python<'py>, cpus: Option<u32>) -> PyResult<Bound<'py, PyTuple>> {
        let rows = py.detach(|| self.inner.what_if(self.cpus_or(cpus)));
        let rows = rows.into_iter().map(|row| self.bound(py, row));
        PyTuple::new(py, rows.collect::<PyResult<Vec<WhatIf>>>()?)
    }

    /// How much faster it could be without a GIL, with the threads that it has.
    #[pyo3(signature = (cpus = None))]
    fn without_gil(&self, py: Python<'_>, cpus: Option<u32>) -> PyResult<WhatIf> {
        self.bound(py, self.inner.without_gil(self.cpus_or(cpus)))
    }

    /// How much faster it could be as so many processes with an equal part of the work
    /// each.
    #[pyo3(signature = (processes, cpus = None))]
    fn as_processes(&self, py: Python<'_>, processes: u32, cpus: Option<u32>) -> PyResult<WhatIf> {
        let row = self.inner.as_processes(processes, self.cpus_or(cpus));
        self.bound(py, row)
    }

    /// How much faster it could be if the GIL were held half as long in functions, and
    /// in files, that match shell patterns.
    #[pyo3(signature = (functions = "*", files = "*"))]
    fn half_hold(&self, py: Python<'_>, functions: &str, files: &str) -> PyResult<WhatIf> {
        self.bound(py, self.inner.half_hold(functions, files))
    }

    /// How much faster it could be if threads whose name matches a shell pattern held
    /// the GIL half as long.
    #[pyo3(signature = (threads, /))]
    fn half_hold_of(&self, py: Python<'_>, threads: &str) -> PyResult<WhatIf> {
        self.bound(py, self.inner.half_hold_of(threads))
    }

    /// How much sooner the thread that gains most could be done with a shorter switch
    /// interval; None where no wait would be shorter.
    #[pyo3(signature = (interval_ns, /))]
    fn with_switch_interval(&self, py: Python<'_>, interval_ns: u64) -> PyResult<Option<WhatIf>> {
        let row = self.inner.with_switch_interval(interval_ns);
        row.map(|row| self.bound(py, row)).transpose()
    }

    /// The sums that do not balance, a sentence each: none, unless gilprof or the
    /// file is broken.
    fn imbalances(&self) -> Vec<String> {
        self.inner
            .imbalances()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// The profile as JSON.
    fn to_json(&self, py: Python<'_>) -> Result<String> {
        Ok(py.detach(|| self.inner.to_json())?)
    }

    /// Writes the profile to a file, as JSON.
    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        let json = self.to_json(py)?;
        let written = py.detach(|| std::fs::write(&path, json));
        written.map_err(|error| file_error(&path, &error))
    }

    /// What happened between two profiles of one recording.
    fn __sub__(&self, py: Python<'_>, earlier: &Self) -> Result<Self> {
        Ok(py.detach(|| self.inner.difference(&earlier.inner))?.into())
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.inner == other.inner
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        let make = py.import("gilprof._native")?.getattr("profile_from_json")?;
        Ok((make, (self.to_json(py)?,)))
    }

    fn __copy__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __deepcopy__<'py>(this: Py<Self>, _memo: &Bound<'py, PyDict>) -> Py<Self> {
        this
    }

    fn __repr__(&self) -> String {
        format!(
            "<Profile wall={} holding={} waiting={} threads={} dropped={}>",
            seconds(self.inner.wall_ns()),
            seconds(self.inner.holding_ns()),
            seconds(self.inner.waiting_ns()),
            self.inner.threads().len(),
            self.inner.dropped(),
        )
    }
}

/// Reads a profile that was saved.
#[pyfunction]
#[pyo3(signature = (path, /))]
pub(crate) fn load(py: Python<'_>, path: PathBuf) -> PyResult<Profile> {
    let bytes = py.detach(|| std::fs::read(&path));
    let bytes = bytes.map_err(|error| file_error(&path, &error))?;
    let text = String::from_utf8_lossy(&bytes);
    let profile = py.detach(|| core::Profile::from_json(&text));
    profile
        .map(Profile::from)
        .map_err(|error| in_file(&path, Failure::from(error)))
}

/// The profile that to_json wrote.
#[pyfunction]
#[pyo3(signature = (text, /))]
pub(crate) fn profile_from_json(py: Python<'_>, text: &str) -> Result<Profile> {
    Ok(py.detach(|| core::Profile::from_json(text))?.into())
}

/// Several profiles as one: sums, distributions and blame add up, and each
/// thread keeps its row.
#[pyfunction]
#[pyo3(signature = (*profiles))]
pub(crate) fn merge(py: Python<'_>, profiles: Vec<Py<Profile>>) -> Result<Profile> {
    let inner = profiles
        .iter()
        .map(|one| core::Profile::clone(&one.get().inner));
    let inner: Vec<core::Profile> = inner.collect();
    Ok(py.detach(|| core::Profile::merge(&inner))?.into())
}
