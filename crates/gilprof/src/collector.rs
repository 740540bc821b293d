//! Follows the events of a region and puts profiles together: the same for a
//! region of this process and for one that another process writes.

use gilprof_core::{Charges, Ended, Ledger, Mode, Profile, ProfileParts};
use gilprof_region::{Cursor, Cut, Next, Recording, Region};

/// A reader of one region.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    cursors: Vec<Cursor>,
    ledgers: Vec<Ledger>,
    events: u64,
    dropped: u64,
    /// CPU time that reading has cost this process.
    pub(crate) reading_ns: u64,
}

impl Collector {
    /// Folds all events that were posted since the last time; says how many.
    pub(crate) fn drain(&mut self, region: &Region) -> u64 {
        (0..region.gils())
            .map(|gil| self.drain_gil(region, gil, None))
            .sum()
    }

    fn drain_gil(&mut self, region: &Region, gil: u32, until: Option<u64>) -> u64 {
        let Some(ring) = region.ring(gil) else {
            return 0;
        };
        let index = gil as usize;
        while self.ledgers.len() <= index {
            self.cursors.push(Cursor::default());
            self.ledgers.push(Ledger::new(self.ledgers.len() as u32));
        }
        let (ledger, cursor) = (&mut self.ledgers[index], &mut self.cursors[index]);
        let limit = until.unwrap_or_else(|| ring.posted());
        let before = cursor.position();
        let mut lost = 0;
        while let Some(next) = cursor.next(&ring, limit) {
            match next {
                Next::Event(event) => ledger.apply(event),
                Next::Lost(count) => {
                    lost += count;
                    ledger.lost(count);
                }
            }
        }
        let passed = cursor.position() - before;
        self.events += passed - lost;
        self.dropped += lost;
        passed
    }

    /// The profile at this instant, or at `end_ns` of a recording that is over.
    pub(crate) fn profile(&mut self, region: &Region, end: Option<(u64, Ended)>) -> Profile {
        // Little is left to do between the cut and its position.
        self.drain(region);
        let recording = region.recording();
        let cut = Cut::take(region, &recording.clock, end.map(|(at_ns, _)| at_ns));
        for (gil, &posted) in (0..).zip(&cut.posted) {
            self.drain_gil(region, gil, Some(posted));
        }
        let ledgers = self.ledgers.iter();
        let charges: Vec<Charges> = ledgers.map(|l| l.charges_at(cut.at_ns)).collect();
        let ended = end.map_or(Ended::Running, |(_, ended)| ended);
        self.assemble(region, &recording, cut, charges, ended)
    }

    fn assemble(
        &self,
        region: &Region,
        recording: &Recording,
        cut: Cut,
        charges: Vec<Charges>,
        ended_how: Ended,
    ) -> Profile {
        let [major, minor, patch] = recording.python;
        let events: u64 = cut.posted.iter().sum();
        let mut parts = ProfileParts {
            recording: format!(
                "{}-{}-{}",
                recording.pid,
                recording.started_unix_ns,
                region.epoch()
            ),
            pid: recording.pid,
            python: format!("{major}.{minor}.{patch}"),
            mode: Mode::Exact,
            clock: recording.clock.kind(),
            started_at: recording.started_unix_ns,
            start_ns: recording.started_ns,
            wall_ns: cut.at_ns.saturating_sub(recording.started_ns),
            switch_interval_ns: recording.switch_interval_ns,
            events,
            dropped: self.dropped,
            overhead_ns: self.overhead_ns(recording, events),
            unaccounted_threads: region.unaccounted_threads().into(),
            ended_how,
            notes: notes(region, &cut),
            stacks_missing: Some(String::from("n/a (this version records none)")),
            ..ProfileParts::default()
        };
        for charged in charges {
            parts.blame.extend(charged.blame);
            parts.holds.extend(charged.holds);
            parts.history.merge(charged.history);
        }
        parts.threads = cut.threads;
        parts.gils = cut.gils;
        Profile::assemble(parts)
    }

    /// What the hooks cost, as measured at the start, and what reading cost.
    fn overhead_ns(&self, recording: &Recording, events: u64) -> Option<u64> {
        let event_ps = Some(recording.event_cost_ps).filter(|&cost| cost != 0)?;
        Some(events.saturating_mul(event_ps) / 1_000 + self.reading_ns)
    }
}

/// What this profile does not cover, a sentence each.
fn notes(region: &Region, cut: &Cut) -> Vec<String> {
    let counted = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
    [
        counted(
            region.unaccounted_threads().into(),
            "threads found no slot (option threads): they are in their GIL's row only",
        ),
        counted(
            region.unaccounted_gils().into(),
            "GILs of subinterpreters found no room: they are in no row",
        ),
        counted(
            region.turned_away().into(),
            "other Python processes started under this run and were not recorded",
        ),
        counted(
            cut.anomalies,
            "takes and releases of the GIL did not alternate",
        ),
        (!cut.consistent).then(|| {
            String::from(
                "the numbers were read while an event was being booked: sums may be off by that one",
            )
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}
