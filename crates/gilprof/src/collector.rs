//! Follows the events of a region and puts profiles together: the same for a
//! region of this process and for one that another process writes.

use std::time::{Duration, Instant};

use gilprof_core::{Charges, Ended, EventKind, Ledger, Mode, Profile, ProfileParts, Timeline};
use gilprof_native::Native;
use gilprof_region::{Cursor, Cut, Former, Next, Recording, Region};

use crate::blamed::Blamed;
use crate::blocks::Blocks;
use crate::hardware::Hardware;
use crate::lookout::Lookout;
use crate::marks::{Heads, Marks, fresh_number};
use crate::on_cpu::OnCpu;
use crate::options::Options;
use crate::own_thread::thread_cpu_ns;
use crate::pace::Pace;
use crate::program::Program;
use crate::stacks::Stacks;
use crate::stolen::Stolen;

/// A reader of one region.
#[derive(Debug)]
pub(crate) struct Collector {
    /// Whether another one reads the region, too, and is the one who is rung for.
    is_visitor: bool,
    pace: Pace,
    /// When the events are to be read again.
    due: Instant,
    /// How often the bell had rung at the last turn.
    rung: u32,
    /// How long after the last look the holder is to be looked at again.
    look_again: Option<Duration>,
    /// What this thread's CPU clock said when it last looked and did nothing else.
    looked_at_cpu_ns: Option<u64>,
    /// The last cut that was taken.
    former: Former,
    cursors: Vec<Cursor>,
    ledgers: Vec<Ledger>,
    /// The numbers of the windows of time whose holds and samples are kept apart.
    windows: Vec<u64>,
    /// Where more of them begin.
    marks: Option<&'static Marks>,
    stacks: Stacks,
    timeline: Option<Timeline>,
    blocks: Blocks,
    /// The native functions of the process, once it is known.
    native: Option<Native>,
    events: u64,
    dropped: u64,
    /// What program the process runs.
    pub(crate) program: Program,
    /// CPU time that reading has cost this process.
    pub(crate) reading_ns: u64,
    /// What Linux knows of threads that no hook sees.
    pub(crate) on_cpu: OnCpu,
    /// What the CPUs' counters say, where that was asked for.
    hardware: Option<Hardware>,
    stolen: Stolen,
    /// Those who are told of long holds.
    lookouts: Vec<Lookout>,
}

impl Default for Collector {
    fn default() -> Self {
        Collector {
            is_visitor: false,
            pace: Pace::new(),
            due: Instant::now(),
            rung: 0,
            look_again: None,
            looked_at_cpu_ns: None,
            former: Former::default(),
            cursors: Vec::new(),
            ledgers: Vec::new(),
            windows: Vec::new(),
            marks: None,
            stacks: Stacks::default(),
            timeline: None,
            blocks: Blocks::default(),
            native: None,
            program: Program::default(),
            events: 0,
            dropped: 0,
            reading_ns: 0,
            on_cpu: OnCpu::default(),
            hardware: None,
            stolen: Stolen::new(),
            lookouts: Vec::new(),
        }
    }
}

impl Collector {
    /// A reader that does what these options ask of it.
    pub(crate) fn of(options: &Options) -> Self {
        Collector {
            timeline: options.timeline(),
            hardware: options.counters.then(Hardware::new),
            ..Collector::default()
        }
    }

    /// Opens and closes the windows that are noted there, too.
    pub(crate) fn heeding(self, marks: &'static Marks) -> Self {
        Collector {
            marks: Some(marks),
            ..self
        }
    }

    /// One who reads along with the reader, and writes nothing to the region.
    pub(crate) fn visiting(options: &Options) -> Self {
        Collector {
            is_visitor: true,
            stacks: Stacks::of_visitor(),
            ..Collector::of(options)
        }
    }

    /// Looks at the holder, and reads what is new where that is due; says how
    /// long the caller may wait before the next time.
    pub(crate) fn turn(&mut self, region: &Region) -> Duration {
        let now = Instant::now();
        let cpu_ns = thread_cpu_ns();
        if let Some(before_ns) = self.looked_at_cpu_ns.take() {
            let cost_ns = cpu_ns.saturating_sub(before_ns);
            self.stacks.look_cost(Duration::from_nanos(cost_ns));
        }
        let rung = region.rung();
        let has_rung = std::mem::replace(&mut self.rung, rung) != rung;
        let filling = region.is_filling();
        if has_rung && !filling {
            // Somebody has to wait for long.
            self.stacks.was_asked_for();
        }
        let pid = region.recording().pid;
        if self.native.is_none() {
            self.program.read(pid);
        }
        let native = self.native.get_or_insert_with(|| Native::new(pid));
        self.look_again = self.stacks.look(region, native);
        let mut told_ended = false;
        self.lookouts.retain(|lookout| !lookout.is_given_up());
        for lookout in &mut self.lookouts {
            told_ended |= lookout.notes_ends(region);
            let next = lookout.look(region, &mut self.stacks, native);
            self.look_again = Some(self.look_again.map_or(next, |look| look.min(next)));
        }
        self.blocks.look(region, native);
        if let Some(hardware) = &mut self.hardware {
            hardware.look(region);
        }
        if now >= self.due || filling || told_ended {
            let events = self.drain(region);
            self.due = now + self.pace.pause(events, region.sizes().relaxed_batch());
        } else {
            self.looked_at_cpu_ns = Some(cpu_ns);
        }
        let left = self.due.saturating_duration_since(now);
        self.look_again.map_or(left, |look| look.min(left))
    }

    /// From now on, this one is told of long holds.
    pub(crate) fn look_out(&mut self, lookout: Lookout) {
        self.lookouts.push(lookout);
    }

    /// Closes the files that looking at threads takes, until it goes on.
    pub(crate) fn pause(&mut self) {
        self.on_cpu.pause();
        self.stacks.pause();
        if let Some(hardware) = &mut self.hardware {
            hardware.pause();
        }
    }

    /// Folds all events that were posted since the last time; says how many.
    pub(crate) fn drain(&mut self, region: &Region) -> u64 {
        self.stacks.begin_drain(region);
        let read = self.read_up_to(region, &Heads::of(region));
        self.stacks.end_drain(region);
        read
    }

    /// Reads up to there, and no event more, with the begins of windows where they are; says
    /// how many events.
    fn read_up_to(&mut self, region: &Region, heads: &Heads) -> u64 {
        let changes = self
            .marks
            .map(|marks| marks.take(heads))
            .unwrap_or_default();
        for number in changes.given_up {
            self.close_window(number);
        }
        let mut read = 0;
        for mark in changes.begun {
            read += self.fold_up_to(region, &mark.heads);
            self.begin_window(mark.number, mark.at_ns);
        }
        read + self.fold_up_to(region, heads)
    }

    fn fold_up_to(&mut self, region: &Region, heads: &Heads) -> u64 {
        self.stacks.read(region, heads.stacks);
        let events = (0..region.gils()).zip(&heads.events);
        events
            .map(|(gil, &limit)| self.fold_gil(region, gil, limit))
            .sum()
    }

    fn fold_gil(&mut self, region: &Region, gil: u32, limit: u64) -> u64 {
        let Some(ring) = region.ring(gil) else {
            return 0;
        };
        let index = gil as usize;
        while self.ledgers.len() <= index {
            self.cursors.push(Cursor::default());
            let mut ledger = Ledger::new(self.ledgers.len() as u32);
            self.windows
                .iter()
                .for_each(|&open| ledger.open_window(open, 0));
            self.ledgers.push(ledger);
        }
        let (ledger, cursor) = (&mut self.ledgers[index], &mut self.cursors[index]);
        let before = cursor.position();
        let (mut lost, mut asked_for) = (0, false);
        while let Some(next) = cursor.next(&ring, limit) {
            match next {
                Next::Event(event) => {
                    ledger.apply(event);
                    for lookout in &mut self.lookouts {
                        lookout.saw(gil, event);
                    }
                    if let Some(timeline) = &mut self.timeline {
                        timeline.push(gil, event);
                    }
                    match event.kind {
                        // The event's time is the number of the group.
                        EventKind::Fold => {
                            let group = event.time_ns as u32;
                            self.stacks.fold(event.thread, group);
                            self.blocks.fold(event.thread, group);
                            if let Some(hardware) = &mut self.hardware {
                                hardware.fold(event.thread, group);
                            }
                        }
                        EventKind::DropRequest => asked_for = true,
                        _ => (),
                    }
                }
                Next::Lost(count) => {
                    lost += count;
                    ledger.lost(count);
                    if let Some(timeline) = &mut self.timeline {
                        timeline.lost(gil, count);
                    }
                }
            }
        }
        let passed = cursor.position() - before;
        if !self.is_visitor {
            region.has_read(gil, cursor.position());
        }
        if asked_for {
            self.stacks.was_asked_for();
        }
        self.events += passed - lost;
        self.dropped += lost;
        passed
    }

    /// From now on, until it is closed, the worst holds and the samples of a window are kept
    /// apart, too; gives its number.
    pub(crate) fn open_window(&mut self, region: &Region) -> u64 {
        let number = fresh_number();
        self.begin_window(number, region.clock().now_ns());
        number
    }

    fn begin_window(&mut self, number: u64, at_ns: u64) {
        self.windows.push(number);
        for ledger in &mut self.ledgers {
            ledger.open_window(number, at_ns);
        }
        self.stacks.open_window(number, at_ns);
        self.blocks.open_window(number, at_ns);
    }

    pub(crate) fn close_window(&mut self, number: u64) {
        self.windows.retain(|&open| open != number);
        for ledger in &mut self.ledgers {
            ledger.close_window(number);
        }
        self.stacks.close_window(number);
        self.blocks.close_window(number);
    }

    /// Has an open window begin anew where this profile ends, which has just been made; gives
    /// what is to be subtracted from its later ones.
    pub(crate) fn renew_window(
        &mut self,
        region: &Region,
        number: u64,
        profile: &Profile,
    ) -> Profile {
        self.close_window(number);
        self.begin_window(number, profile.start_ns() + profile.wall_ns());
        let mut parts = profile.clone().into_parts();
        let mut table = self
            .stacks
            .sites(region, self.native.as_ref(), Some(number));
        parts.blocked = table.blocked(self.blocks.rows(Some(number)));
        (parts.frames, parts.sites) = (table.frames, table.sites);
        parts.holds.clear();
        Profile::assemble(parts)
    }

    /// Who has made others wait in an open window up to now.
    pub(crate) fn blamed(&mut self, region: &Region, window: u64) -> Option<Blamed> {
        self.drain(region);
        if !self.windows.contains(&window) {
            return None;
        }
        let ledgers = self.ledgers.iter();
        let worst_ns = ledgers.filter_map(|ledger| ledger.worst_hold_ns(window));
        let blamed = Blamed {
            worst_hold_ns: worst_ns.max().unwrap_or(0),
            ..self.stacks.blamed(region, self.native.as_ref(), window)
        };
        Some(blamed)
    }

    /// The profile at this instant, or at `end_ns` of a recording that is over.
    pub(crate) fn profile(&mut self, region: &Region, end: Option<(u64, Ended)>) -> Profile {
        self.profile_in(region, end, None)
    }

    /// The same, but for holds, sites and what threads were blocked on: they are those of
    /// an open window.
    pub(crate) fn profile_in(
        &mut self,
        region: &Region,
        end: Option<(u64, Ended)>,
        window: Option<u64>,
    ) -> Profile {
        // Little is left to do between the cut and its position.
        self.drain(region);
        let recording = region.recording();
        let end_ns = end.map(|(at_ns, _)| at_ns);
        let mut cut = Cut::take_after(&mut self.former, region, &recording.clock, end_ns);
        let heads = Heads {
            events: cut.posted.clone(),
            ..Heads::default()
        };
        self.read_up_to(region, &heads);
        let ledgers = self.ledgers.iter();
        let charges: Vec<Charges> = ledgers.map(|l| l.charges_at(cut.at_ns, window)).collect();
        let ended = end.map_or(Ended::Running, |(_, ended)| ended);
        self.on_cpu.complete(&mut cut, region, ended);
        if let Some(hardware) = &mut self.hardware {
            hardware.complete(&mut cut);
        }
        self.blocks.settle(region, cut.at_ns);
        self.assemble(region, &recording, cut, charges, ended, window)
    }

    fn assemble(
        &self,
        region: &Region,
        recording: &Recording,
        mut cut: Cut,
        charges: Vec<Charges>,
        ended_how: Ended,
        window: Option<u64>,
    ) -> Profile {
        let [major, minor, patch] = recording.python;
        let events: u64 = cut.posted.iter().sum();
        let mut table = self.stacks.sites(region, self.native.as_ref(), window);
        let blocked = table.blocked(self.blocks.rows(window));
        let stacks_missing = Some(region.stacks_missing()).filter(|text| !text.is_empty());
        let native_missing = self.stacks.native_missing();
        let mut parts = ProfileParts {
            recording: format!(
                "{}-{}-{}",
                recording.pid,
                recording.started_unix_ns,
                region.epoch()
            ),
            pid: recording.pid,
            program: self.program.name().into(),
            python: format!("{major}.{minor}.{patch}"),
            mode: Mode::Exact,
            clock: recording.clock.kind(),
            started_at: recording.started_unix_ns,
            start_ns: recording.started_ns,
            wall_ns: cut.at_ns.saturating_sub(recording.started_ns),
            switch_interval_ns: recording.switch_interval_ns,
            cpus: Some(recording.cpus).filter(|&count| count > 0),
            stolen_ns: self.stolen.since_then_ns(),
            events,
            dropped: self.dropped,
            overhead_ns: self.overhead_ns(recording, events, cut.cpu_readings),
            cpu_source: self.on_cpu.source(),
            unaccounted_threads: region.unaccounted_threads().into(),
            ended_how,
            native_missing: native_missing.or_else(|| stacks_missing.clone()),
            stacks_missing,
            stacks_lost: self.stacks.lost(),
            frames: table.frames,
            sites: table.sites,
            blocked,
            blocked_missing: self.blocks.missing(),
            spans: region.spans(),
            counters_missing: self.hardware.as_ref().and_then(Hardware::missing),
            timeline: self.timeline.clone(),
            notes: notes(region, &cut),
            ..ProfileParts::default()
        };
        for (charged, gil) in charges.into_iter().zip(0..) {
            if let Some(row) = cut.gils.iter_mut().find(|row| row.index == gil) {
                row.demand = charged.demand;
            }
            for (id, overrun) in charged.overruns {
                if let Some(row) = cut.threads.iter_mut().find(|row| row.id == id) {
                    row.overrun.add(overrun);
                }
            }
            parts.blame.extend(charged.blame);
            parts.holds.extend(charged.holds);
            parts.history.merge(charged.history);
        }
        parts.threads = cut.threads;
        parts.gils = cut.gils;
        Profile::assemble(parts)
    }

    /// What the hooks cost, as measured at the start, and what reading cost.
    fn overhead_ns(&self, recording: &Recording, events: u64, readings: u64) -> Option<u64> {
        let event_ps = Some(recording.event_cost_ps).filter(|&cost| cost != 0)?;
        let events_ps = events.saturating_mul(event_ps);
        let readings_ps = readings.saturating_mul(recording.reading_cost_ps);
        let hooks_ns = events_ps.saturating_add(readings_ps) / 1_000;
        Some(hooks_ns.saturating_add(self.reading_ns))
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

#[cfg(test)]
mod tests {
    use gilprof_region::{Sizes, Slot, Writer};

    use super::*;

    /// The first thread holds for so long, and the second one waits for it.
    fn holds(region: &Region, [holder, waiter]: [Slot; 2], began_ns: u64, held_ns: u64) {
        let writer = Writer::new(region, 0).unwrap();
        writer.cell().enter();
        writer.acquire(holder, began_ns);
        writer.wait(waiter, began_ns + 1);
        writer.release(began_ns + held_ns);
        writer.acquire(waiter, began_ns + held_ns + 1);
        writer.release(began_ns + held_ns + 2);
        writer.cell().leave();
    }

    #[test]
    fn a_window_begins_at_its_mark_however_late_that_is_read() {
        let region: &'static Region =
            Box::leak(Box::new(Region::private(Sizes::default()).unwrap()));
        region.new_gil();
        let writer = Writer::new(region, 0).unwrap();
        let threads = [1, 2].map(|id| writer.admit(id, 0).unwrap());
        let marks: &'static Marks = Box::leak(Box::default());
        marks.follow(region);
        let mut collector = Collector::of(&Options::default()).heeding(marks);
        holds(region, threads, 1_000, 900_000);
        let first = marks.begin().unwrap();
        holds(region, threads, 2_000_000, 500_000);
        let second = marks.begin().unwrap();
        holds(region, threads, 3_000_000, 100_000);
        let mut worst = |window| {
            let blamed = collector.blamed(region, window);
            blamed.map(|blamed| blamed.worst_hold_ns)
        };
        assert_eq!(worst(first), Some(499_999));
        assert_eq!(worst(second), Some(99_999));
        marks.give_up(first);
        assert_eq!(worst(first), None);
        assert_eq!(worst(second), Some(99_999));
    }
}
