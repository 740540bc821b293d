//! The processes of a merged profile, and the profile of one of them.

use serde::{Deserialize, Serialize};

use crate::on_cpu::CpuSource;
use crate::profile::{Ended, Profile, ProfileParts};

/// A process of a profile: which it was, for how long it was recorded, and which GILs are
/// its own. What it did is in the profile of it alone: [`Profile::of_process`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Name of its recording, unlike that of any other.
    pub recording: String,
    /// Its id. Of processes of several machines, or one after the other, several may have
    /// the same.
    pub pid: u32,
    /// The name of its program, without its arguments; empty where not known.
    pub program: String,
    /// Version of its Python, as in `3.12.1`.
    pub python: String,
    /// Begin of its recording, ns since 1970 (UTC).
    pub started_at: u64,
    /// Duration of its recording, in ns.
    pub wall_ns: u64,
    /// How its recording had ended.
    pub ended_how: Ended,
    /// Where the CPU time of its threads comes from while they do not touch the GIL.
    pub cpu_source: CpuSource,
    /// The indexes of its GILs, by which its threads name them.
    pub gils: Vec<u32>,
}

impl Profile {
    /// The processes that were recorded, in the order of their merging; one where nothing
    /// was merged.
    pub fn processes(&self) -> Vec<Process> {
        if !self.merged().is_empty() {
            return self.merged().to_vec();
        }
        let named = self.threads().iter().map(|row| row.gil);
        let rows = self.gils().iter().map(|row| row.index);
        let blamed = self.blame().iter().map(|row| row.gil);
        let mut gils: Vec<u32> = rows.chain(named).chain(blamed).collect();
        gils.sort_unstable();
        gils.dedup();
        vec![Process {
            recording: self.recording().into(),
            pid: self.pid(),
            program: self.program().into(),
            python: self.python().into(),
            started_at: self.started_at(),
            wall_ns: self.wall_ns(),
            ended_how: self.ended_how(),
            cpu_source: self.cpu_source().clone(),
            gils,
        }]
    }

    /// What one of its [processes](Self::processes) did: the rows of its threads and GILs,
    /// as they stand here. Counts of events and losses, and what the profile does not
    /// cover, are known of all processes together only; they stay as they are. Spans are
    /// added up by their labels: they are left out.
    #[must_use]
    pub fn of_process(&self, process: &Process) -> Self {
        if self.merged().is_empty() {
            return self.clone();
        }
        let mut parts = self.clone().into_parts();
        let own = |gil: u32| process.gils.contains(&gil);
        parts.threads.retain(|row| own(row.gil));
        parts.gils.retain(|row| own(row.index));
        parts.blame.retain(|row| own(row.gil));
        // Sites and what was blocked are those of the threads that are left.
        Self::assemble(ProfileParts {
            recording: process.recording.clone(),
            pid: process.pid,
            program: process.program.clone(),
            python: process.python.clone(),
            started_at: process.started_at,
            start_ns: process.started_at.saturating_sub(self.started_at()),
            wall_ns: process.wall_ns,
            ended_how: process.ended_how,
            cpu_source: process.cpu_source.clone(),
            spans: Vec::new(),
            processes: Vec::new(),
            ..parts
        })
    }
}

/// The processes between two profiles of the same ones: for how long each was recorded in
/// that time.
pub(crate) fn between(later: Vec<Process>, earlier: &[Process]) -> Vec<Process> {
    let since = |mut row: Process| {
        let old = earlier.iter().find(|old| old.recording == row.recording);
        let old_ns = old.map_or(0, |old| old.wall_ns);
        row.wall_ns = row.wall_ns.saturating_sub(old_ns);
        row.started_at = row.started_at.saturating_add(old_ns);
        row
    };
    later.into_iter().map(since).collect()
}
