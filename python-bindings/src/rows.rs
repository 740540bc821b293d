//! The rows of a profile.

use gilprof::core;
use pyo3::prelude::*;

use crate::distribution::Distribution;
use crate::text::{duration, seconds};

/// What one thread did, or what a group of ended threads did together.
///
/// holding_ns + waiting_ns + detached_ns == lifetime_ns.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Thread {
    /// gilprof's number of the thread, never reused within a recording.
    pub(crate) id: u64,
    /// The kernel's number; None for a group, or where not known.
    native_id: Option<u32>,
    /// Its name, as Python knows it; for a group, what the names have in common.
    pub(crate) name: String,
    /// Whether it has ended.
    ended: bool,
    /// 1, or how many ended threads this row stands for.
    members: u64,
    /// Its process.
    pid: u32,
    /// Index of the GIL it used last.
    gil: u32,
    /// Time it was observed.
    lifetime_ns: u64,
    /// Time it had the GIL.
    holding_ns: u64,
    /// Time it wanted the GIL and had not got it.
    waiting_ns: u64,
    /// Time it did not want the GIL.
    detached_ns: u64,
    /// The part of waiting_ns in which nobody held the GIL.
    handoff_ns: u64,
    /// Waiting of other threads while this one held the GIL.
    caused_ns: u64,
    /// How often it got the GIL; None, as all counts are, where the profile is sampled.
    acquisitions: Option<u64>,
    /// How often it got the GIL after a wait.
    contended: Option<u64>,
    /// How often it began to wait.
    waits: Option<u64>,
    /// How often its wait timed out and it asked the holder to let go.
    drop_requests: Option<u64>,
    /// The part of waiting_ns spent after a release until another had taken the GIL.
    switch_wait_ns: u64,
    /// The part of waiting_ns in waits in which it asked a holder of another interpreter to
    /// let go, which up to Python 3.12 does not hear that.
    foreign_wait_ns: Option<u64>,
    /// How many of its holds overran: they went on, after a waiter had asked for the GIL,
    /// for at least as long again as that had waited before it asked.
    overruns: Option<u64>,
    /// For how long such holds went on after they were asked to end.
    overrun_ns: Option<u64>,
    /// The part of caused_ns in such holds, from their beginning.
    overrun_caused_ns: Option<u64>,
    /// Time it was on a CPU, up to the last reading of its CPU clock. This and what
    /// follows is None where not known.
    cpu_ns: Option<u64>,
    /// The part of holding_ns that was on a CPU. With the preempted and the blocked part
    /// it comes to holding_ns up to the last reading: the rest is younger.
    holding_cpu_ns: Option<u64>,
    /// The part of holding_ns in which it was ready to run and had no CPU.
    holding_preempted_ns: Option<u64>,
    /// The part of holding_ns in which it waited for something else than a CPU.
    holding_blocked_ns: Option<u64>,
    /// The part of detached_ns that was on a CPU; it was blocked for the rest.
    detached_cpu_ns: Option<u64>,
    /// How often it gave its CPU up, to wait for something.
    voluntary_switches: Option<u64>,
    /// How often its CPU was taken away.
    involuntary_switches: Option<u64>,
    /// Instructions that it has executed, the kernel's left out, in counted_ns (option
    /// counters="hardware"). This and the next two are None where the machine does not count.
    instructions: Option<u64>,
    /// Clock cycles that it took for them.
    cycles: Option<u64>,
    /// The part of its time on a CPU in which that was counted.
    counted_ns: Option<u64>,
    /// Its state when the profile was taken.
    state: &'static str,
    /// Durations of its holds that have ended.
    hold: Py<Distribution>,
    /// Durations of its waits that have ended.
    wait: Py<Distribution>,
    /// For each of those waits, the part in which nobody held the GIL.
    handoff: Py<Distribution>,
}

impl Thread {
    /// `counts`: whether events were counted.
    pub(crate) fn new(py: Python<'_>, row: &core::Thread, counts: bool) -> PyResult<Py<Self>> {
        let counted = |count| counts.then_some(count);
        let thread = Thread {
            id: row.id,
            native_id: row.native_id,
            name: row.name.clone(),
            ended: row.ended,
            members: row.members,
            pid: row.pid,
            gil: row.gil,
            lifetime_ns: row.lifetime_ns,
            holding_ns: row.holding_ns,
            waiting_ns: row.waiting_ns,
            detached_ns: row.detached_ns,
            handoff_ns: row.handoff_ns,
            caused_ns: row.caused_ns,
            acquisitions: counted(row.acquisitions),
            contended: counted(row.contended),
            waits: counted(row.waits),
            drop_requests: counted(row.drop_requests),
            switch_wait_ns: row.switch_wait_ns,
            foreign_wait_ns: counted(row.foreign_wait_ns),
            overruns: counted(row.overrun.holds),
            overrun_ns: counted(row.overrun.after_ns),
            overrun_caused_ns: counted(row.overrun.caused_ns),
            cpu_ns: row.cpu_ns,
            holding_cpu_ns: row.holding_cpu_ns,
            holding_preempted_ns: row.holding_preempted_ns,
            holding_blocked_ns: row.holding_blocked_ns,
            detached_cpu_ns: row.detached_cpu_ns,
            voluntary_switches: row.voluntary_switches,
            involuntary_switches: row.involuntary_switches,
            instructions: row.instructions,
            cycles: row.cycles,
            counted_ns: row.counted_ns,
            state: row.state.as_str(),
            hold: Distribution::new(py, &row.hold)?,
            wait: Distribution::new(py, &row.wait)?,
            handoff: Distribution::new(py, &row.handoff)?,
        };
        Py::new(py, thread)
    }
}

#[pymethods]
impl Thread {
    fn __repr__(&self) -> String {
        format!(
            "<Thread {:?} holding={} waiting={} detached={} {}>",
            self.name,
            seconds(self.holding_ns),
            seconds(self.waiting_ns),
            seconds(self.detached_ns),
            self.state,
        )
    }
}

/// What one GIL went through.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Gil {
    /// Its index, by which threads, blame and holds name it.
    index: u32,
    /// Its process.
    pid: u32,
    /// The interpreter it belongs to; None where not known.
    interpreter_id: Option<i64>,
    /// Time a thread held it.
    holding_ns: u64,
    /// Time nobody held it.
    free_ns: u64,
    /// Time threads waited for it, summed over the threads.
    waiting_ns: u64,
    /// The part of waiting_ns in which another thread held it.
    caused_ns: u64,
    /// The part of waiting_ns in which nobody held it.
    handoff_ns: u64,
    /// How often a thread got it; None where the profile is sampled.
    acquisitions: Option<u64>,
    /// How often a thread got it that was not the last to hold it.
    switches: u64,
    /// How often a waiter timed out and asked for it.
    drop_requests: Option<u64>,
    /// The most threads that waited for it at one time.
    waiters_max: u32,
    /// Time it was held while so many threads waited for it: while nobody did at 0. The
    /// 64th stands for that many or more.
    held_by_waiters_ns: Vec<u64>,
    /// Time nobody held it though somebody waited.
    passing_ns: u64,
    /// Durations of the holds that have ended.
    hold: Py<Distribution>,
    /// Durations of the waits that have ended.
    wait: Py<Distribution>,
    /// For each of those waits, the part in which nobody held the GIL.
    handoff: Py<Distribution>,
    /// Whether a Python that can do without it has it on; None for one that always has,
    /// and where that is not known.
    enabled: Option<bool>,
    /// The imported modules that do not say that they can do without it, in such a Python.
    needed_by: Vec<String>,
}

impl Gil {
    /// `counts`: whether events were counted.
    pub(crate) fn new(py: Python<'_>, row: &core::Gil, counts: bool) -> PyResult<Py<Self>> {
        let counted = |count| counts.then_some(count);
        let gil = Gil {
            index: row.index,
            pid: row.pid,
            interpreter_id: row.interpreter_id,
            holding_ns: row.holding_ns,
            free_ns: row.free_ns,
            waiting_ns: row.waiting_ns,
            caused_ns: row.caused_ns,
            handoff_ns: row.handoff_ns,
            acquisitions: counted(row.acquisitions),
            switches: row.switches,
            drop_requests: counted(row.drop_requests),
            waiters_max: row.waiters_max,
            held_by_waiters_ns: row.demand.held_ns.clone(),
            passing_ns: row.demand.passing_ns,
            hold: Distribution::new(py, &row.hold)?,
            wait: Distribution::new(py, &row.wait)?,
            handoff: Distribution::new(py, &row.handoff)?,
            enabled: row.enabled,
            needed_by: row.needed_by.clone(),
        };
        Py::new(py, gil)
    }
}

#[pymethods]
impl Gil {
    fn __repr__(&self) -> String {
        format!(
            "<Gil {} holding={} free={} waiting={} acquisitions={}>",
            self.index,
            seconds(self.holding_ns),
            seconds(self.free_ns),
            seconds(self.waiting_ns),
            self.acquisitions
                .map_or_else(|| String::from("n/a"), |count| count.to_string()),
        )
    }
}

/// How long one thread waited while another held the GIL.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Blame {
    /// The thread that waited.
    pub(crate) waiter: Py<Thread>,
    /// The thread that held the GIL meanwhile.
    pub(crate) holder: Py<Thread>,
    /// Index of the GIL.
    pub(crate) gil: u32,
    /// Time the one waited while the other held.
    pub(crate) waiting_ns: u64,
    /// How many waits of the one overlapped holds of the other; None where
    /// the profile is sampled.
    pub(crate) waits: Option<u64>,
    /// The most of a single wait that the other's holds took; None where the profile is
    /// sampled.
    pub(crate) longest_ns: Option<u64>,
}

#[pymethods]
impl Blame {
    fn __repr__(&self) -> String {
        format!(
            "<Blame {:?} waited {} for {:?}>",
            self.waiter.get().name,
            duration(self.waiting_ns),
            self.holder.get().name,
        )
    }
}

/// One hold of the GIL, kept because it cost the others much.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Hold {
    /// The thread that held.
    pub(crate) thread: Py<Thread>,
    /// Index of the GIL.
    pub(crate) gil: u32,
    /// When it began, on the recording's clock.
    pub(crate) start_ns: u64,
    /// How long it lasted.
    pub(crate) duration_ns: u64,
    /// How many threads waited at its start.
    pub(crate) waiters_start: u32,
    /// The most threads that waited at one time during it.
    pub(crate) waiters_max: u32,
    /// What it cost the others: their waiting during it, summed.
    pub(crate) waiter_time_ns: u64,
    /// For how long anybody waited during it.
    pub(crate) contended_ns: u64,
    /// Whether a waiter had asked for the GIL before the release.
    pub(crate) requested: bool,
}

#[pymethods]
impl Hold {
    fn __repr__(&self) -> String {
        format!(
            "<Hold {:?} duration={} cost={}>",
            self.thread.get().name,
            duration(self.duration_ns),
            duration(self.waiter_time_ns),
        )
    }
}

/// What threads went through inside of the spans of one label.
///
/// holding_ns + waiting_ns + detached_ns == wall_ns. A span within another one is in both;
/// one within another of the same label counts once.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct SpanRow {
    /// What the spans are called; "(others)" where there was no place left for a label.
    label: String,
    /// How many have ended.
    spans: u64,
    /// The time in them.
    wall_ns: u64,
    /// Time their threads had the GIL.
    holding_ns: u64,
    /// Time their threads wanted the GIL and had not got it.
    waiting_ns: u64,
    /// Time their threads did not want the GIL.
    detached_ns: u64,
    /// Waiting of other threads while these had the GIL.
    caused_ns: u64,
    /// How often their threads got the GIL.
    acquisitions: u64,
    /// How often their threads began to wait for it.
    waits: u64,
}

impl From<&core::SpanRow> for SpanRow {
    fn from(row: &core::SpanRow) -> Self {
        SpanRow {
            label: row.label.clone(),
            spans: row.spans,
            wall_ns: row.wall_ns,
            holding_ns: row.holding_ns,
            waiting_ns: row.waiting_ns,
            detached_ns: row.detached_ns,
            caused_ns: row.caused_ns,
            acquisitions: row.acquisitions,
            waits: row.waits,
        }
    }
}

#[pymethods]
impl SpanRow {
    fn __repr__(&self) -> String {
        format!(
            "<SpanRow {:?} spans={} wall={} holding={} waiting={} caused={}>",
            self.label,
            self.spans,
            duration(self.wall_ns),
            duration(self.holding_ns),
            duration(self.waiting_ns),
            duration(self.caused_ns),
        )
    }
}

/// How many samples a profile is made of, and how far off its times may be.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Samples {
    /// How often the process was looked at.
    count: u64,
    /// Looks that were given up, as the GIL changed hands while it was read.
    torn: u64,
    /// Looks that came half a millisecond late or more, for want of a CPU.
    late: u64,
    /// Times that somebody waited and it was not seen who.
    unplaced: u64,
    /// Standard error of the time that GILs were held.
    holding_error_ns: f64,
    /// Standard error of the time that threads waited, summed over the threads.
    waiting_error_ns: f64,
}

impl From<&core::Samples> for Samples {
    fn from(samples: &core::Samples) -> Self {
        Samples {
            count: samples.count,
            torn: samples.torn,
            late: samples.late,
            unplaced: samples.unplaced,
            holding_error_ns: samples.holding_error_ns,
            waiting_error_ns: samples.waiting_error_ns,
        }
    }
}

#[pymethods]
impl Samples {
    fn __repr__(&self) -> String {
        format!("<Samples count={}>", self.count)
    }
}
