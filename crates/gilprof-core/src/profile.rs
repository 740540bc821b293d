//! All that is known of a recording at one instant.

mod samples;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::blame::Blame;
use crate::blocked::Blocked;
use crate::frame::Frame;
use crate::gil::Gil;
use crate::history::History;
use crate::hold::Hold;
use crate::on_cpu::CpuSource;
use crate::process::Process;
use crate::samples::Samples;
use crate::site::Site;
use crate::span::SpanRow;
use crate::thread::Thread;
use crate::timeline::Timeline;

/// How the numbers of a profile were got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every transition of every thread was seen.
    #[default]
    Exact,
    /// The process was looked at now and then, from outside.
    Sampled,
}

impl Mode {
    /// Whether events were counted. Where they were not, counts of acquisitions, waits
    /// and drop requests, and distributions, are not known; what says 0 of them or is
    /// empty means nothing.
    pub fn counts(self) -> bool {
        self == Self::Exact
    }
}

/// The clock durations were measured with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// The processor's time-stamp counter, scaled.
    Tsc,
    /// The kernel's monotonic clock.
    #[default]
    Monotonic,
}

/// How the recording had ended when the profile was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ended {
    /// It had not.
    #[default]
    Running,
    /// It was stopped.
    Stopped,
    /// The program ended by itself while it was recorded.
    Exited,
    /// The program was killed while it was recorded.
    Killed,
}

/// What a [`Profile`] is put together from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ProfileParts {
    /// Name of the recording, unlike that of any other.
    pub recording: String,
    /// The recorded process.
    pub pid: u32,
    /// The name of its program, without its arguments; empty where not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub program: String,
    /// Version of the recorded Python, as in `3.12.1`.
    pub python: String,
    /// How the numbers were got.
    pub mode: Mode,
    /// How many samples there are and how far off; `None` where all was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<Samples>,
    /// The clock durations were measured with.
    pub clock: Clock,
    /// Begin of the recording, ns since 1970 (UTC).
    pub started_at: u64,
    /// Begin of the recording, in ns on its own clock.
    pub start_ns: u64,
    /// Duration of the recording, in ns; of a difference, that between the two.
    pub wall_ns: u64,
    /// Python's switch interval, in ns.
    pub switch_interval_ns: u64,
    /// How many CPUs the process could use at the start of the recording, by its
    /// affinity and its quota; `None` where not known.
    #[serde(default)]
    pub cpus: Option<u32>,
    /// For how long the host kept CPUs from this (virtual) machine meanwhile, in ns, all
    /// CPUs together: it is in no thread's CPU time. The most of any that were merged;
    /// `None` where not known.
    #[serde(default)]
    pub stolen_ns: Option<u64>,
    /// How many events were folded into blame and history.
    pub events: u64,
    /// How many events were lost: times of threads and GILs stay exact, blame and
    /// history lack them.
    pub dropped: u64,
    /// What the recording cost, in ns of its threads' time; `None` where not known.
    pub overhead_ns: Option<u64>,
    /// Where the CPU time of threads that do not touch the GIL comes from.
    #[serde(default)]
    pub cpu_source: CpuSource,
    /// Threads there was no room for: they are in no row.
    pub unaccounted_threads: u64,
    /// How the recording had ended.
    pub ended_how: Ended,
    /// What the profile does not cover, one sentence each.
    pub notes: Vec<String>,
    /// What each thread did.
    pub threads: Vec<Thread>,
    /// What each GIL went through.
    pub gils: Vec<Gil>,
    /// Who waited for whom.
    pub blame: Vec<Blame>,
    /// The holds that cost the others most, worst first.
    pub holds: Vec<Hold>,
    /// What happened when.
    pub history: History,
    /// The latest events; `None` where none were kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
    /// The frames that stacks are made of.
    #[serde(default)]
    pub frames: Vec<Frame>,
    /// Where in the code time went.
    #[serde(default)]
    pub sites: Vec<Site>,
    /// Why there are no stacks, as in `n/a (…)`; `None` where they were recorded.
    #[serde(default)]
    pub stacks_missing: Option<String>,
    /// Samples of stacks that were lost: their time is in no site.
    #[serde(default)]
    pub stacks_lost: u64,
    /// Why no native functions are in the sites, as in `n/a (…)`; `None` where they
    /// were recorded.
    #[serde(default = "not_saved")]
    pub native_missing: Option<String>,
    /// Why nothing was counted by the CPUs' own counters, as in `n/a (…)`; `None` where it was,
    /// or was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters_missing: Option<String>,
    /// What threads were blocked on.
    #[serde(default)]
    pub blocked: Vec<Blocked>,
    /// Why it is not known what threads were blocked on, as in `n/a (…)`; `None` where
    /// it was recorded.
    #[serde(default = "not_saved")]
    pub blocked_missing: Option<String>,
    /// What happened inside of spans, a row a label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<SpanRow>,
    /// The processes, where several were merged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<Process>,
}

/// What a profile says of what it was saved without.
fn not_saved() -> Option<String> {
    Some(String::from("n/a (saved by a version without it)"))
}

/// All that is known of a recording at one instant; immutable.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    format: u32,
    #[serde(flatten)]
    parts: ProfileParts,
}

impl Profile {
    /// Newest version of the format profiles are saved in.
    pub const FORMAT: u32 = 3;
    /// That of what is exact: all that knows no [`Mode::Sampled`] can read it.
    const EXACT_FORMAT: u32 = 2;

    /// Puts a profile together. Blame, holds, sites and what was blocked of threads that
    /// have no row are left out: after losses it can be unknown what became of a thread.
    ///
    /// Frames stay in their order, each once and only where a stack has it. Equal
    /// sites, and equal rows of what was blocked, are added up, those without weight
    /// left out; a stack that names a frame that is not there becomes one that is not
    /// known.
    pub fn assemble(mut parts: ProfileParts) -> Self {
        let ids: BTreeSet<u64> = parts.threads.iter().map(|row| row.id).collect();
        let known = |id| ids.contains(&id);
        parts
            .blame
            .retain(|row| known(row.waiter) && known(row.holder));
        parts.holds.retain(|row| known(row.thread));
        parts
            .spans
            .sort_by(|one, other| one.label.cmp(&other.label));
        samples::normalise(&mut parts, known);
        Self {
            format: match parts.mode {
                Mode::Exact => Self::EXACT_FORMAT,
                Mode::Sampled => Self::FORMAT,
            },
            parts,
        }
    }

    /// What it was put together from.
    pub fn into_parts(self) -> ProfileParts {
        self.parts
    }

    /// Name of the recording, unlike that of any other.
    pub fn recording(&self) -> &str {
        &self.parts.recording
    }

    /// The recorded process.
    pub fn pid(&self) -> u32 {
        self.parts.pid
    }

    /// The name of the process's program, without its arguments; empty where not known,
    /// and where processes of several were merged.
    pub fn program(&self) -> &str {
        &self.parts.program
    }

    /// The processes that were merged, if any were.
    pub(crate) fn merged(&self) -> &[Process] {
        &self.parts.processes
    }

    /// Version of the recorded Python, as in `3.12.1`.
    pub fn python(&self) -> &str {
        &self.parts.python
    }

    /// How the numbers were got.
    pub fn mode(&self) -> Mode {
        self.parts.mode
    }

    /// How many samples there are and how far off they may be; `None` where all was seen.
    pub fn samples(&self) -> Option<&Samples> {
        self.parts.samples.as_ref()
    }

    /// The clock durations were measured with.
    pub fn clock(&self) -> Clock {
        self.parts.clock
    }

    /// Begin of the recording, ns since 1970 (UTC).
    pub fn started_at(&self) -> u64 {
        self.parts.started_at
    }

    /// Begin of the recording, in ns on its own clock.
    pub fn start_ns(&self) -> u64 {
        self.parts.start_ns
    }

    /// Duration of the recording, in ns.
    pub fn wall_ns(&self) -> u64 {
        self.parts.wall_ns
    }

    /// Python's switch interval, in ns.
    pub fn switch_interval_ns(&self) -> u64 {
        self.parts.switch_interval_ns
    }

    /// How many CPUs the process could use at the start of the recording, by its
    /// affinity and its quota; `None` where not known.
    pub fn cpus(&self) -> Option<u32> {
        self.parts.cpus
    }

    /// For how long the host kept CPUs from this (virtual) machine meanwhile ("steal"), in
    /// ns, all CPUs together: it is in no thread's CPU time, so up to as much of what
    /// threads seem to be blocked for may be that. Of merged profiles the most of any;
    /// `None` where not known.
    pub fn stolen_ns(&self) -> Option<u64> {
        self.parts.stolen_ns
    }

    /// How many events were folded into blame and history.
    pub fn events(&self) -> u64 {
        self.parts.events
    }

    /// How many events were lost to blame and history.
    pub fn dropped(&self) -> u64 {
        self.parts.dropped
    }

    /// What the recording cost, in ns of its threads' time; `None` where not known.
    pub fn overhead_ns(&self) -> Option<u64> {
        self.parts.overhead_ns
    }

    /// Where the CPU time of threads that do not touch the GIL comes from.
    pub fn cpu_source(&self) -> &CpuSource {
        &self.parts.cpu_source
    }

    /// Threads there was no room for: they are in no row.
    pub fn unaccounted_threads(&self) -> u64 {
        self.parts.unaccounted_threads
    }

    /// How the recording had ended.
    pub fn ended_how(&self) -> Ended {
        self.parts.ended_how
    }

    /// What the profile does not cover, one sentence each.
    pub fn notes(&self) -> &[String] {
        &self.parts.notes
    }

    /// What each thread did.
    pub fn threads(&self) -> &[Thread] {
        &self.parts.threads
    }

    /// What each GIL went through.
    pub fn gils(&self) -> &[Gil] {
        &self.parts.gils
    }

    /// Whether all of it ran without a GIL.
    pub fn is_without_gil(&self) -> bool {
        let gils = self.gils();
        !gils.is_empty() && gils.iter().all(|gil| gil.enabled == Some(false))
    }

    /// Who waited for whom.
    pub fn blame(&self) -> &[Blame] {
        &self.parts.blame
    }

    /// The holds that cost the others most, worst first.
    pub fn holds(&self) -> &[Hold] {
        &self.parts.holds
    }

    /// What happened inside of spans, a row a label, in the order of their labels.
    pub fn spans(&self) -> &[SpanRow] {
        &self.parts.spans
    }

    /// What happened when.
    pub fn history(&self) -> &History {
        &self.parts.history
    }

    /// The latest events; `None` where none were kept.
    pub fn timeline(&self) -> Option<&Timeline> {
        self.parts.timeline.as_ref()
    }

    /// The row of a thread; `None` where there is none of this id.
    pub fn thread(&self, id: u64) -> Option<&Thread> {
        self.threads().iter().find(|thread| thread.id == id)
    }

    /// Time threads wanted the GIL and had not got it, in ns, summed over the threads.
    pub fn waiting_ns(&self) -> u64 {
        self.sum(|thread| thread.waiting_ns)
    }

    /// Time threads had a GIL, in ns, summed over the threads.
    pub fn holding_ns(&self) -> u64 {
        self.sum(|thread| thread.holding_ns)
    }

    /// The part of the waiting in which nobody held the GIL, in ns.
    pub fn handoff_ns(&self) -> u64 {
        self.sum(|thread| thread.handoff_ns)
    }

    /// The part of the waiting in which another thread held the GIL, in ns.
    pub fn caused_ns(&self) -> u64 {
        self.sum(|thread| thread.caused_ns)
    }

    /// The part of the waiting that is neither blamed on a holder nor hand-off, in ns:
    /// who held the GIL then was lost with dropped events or never seen.
    pub fn unattributed_ns(&self) -> u64 {
        let blamed = self.blame().iter().map(|row| row.waiting_ns);
        let known = blamed.fold(self.handoff_ns(), u64::saturating_add);
        self.waiting_ns().saturating_sub(known)
    }

    /// How much of the time in which threads wanted to run Python they waited:
    /// waiting / (waiting + holding), in 0.0..=1.0; `None` where there was neither.
    pub fn contention(&self) -> Option<f64> {
        let waiting = self.waiting_ns() as f64;
        let wanted = waiting + self.holding_ns() as f64;
        (wanted > 0.0).then(|| waiting / wanted)
    }

    fn sum(&self, part: impl Fn(&Thread) -> u64) -> u64 {
        self.threads().iter().map(part).fold(0, u64::saturating_add)
    }
}
