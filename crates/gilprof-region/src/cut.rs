//! A consistent view of all sums at one instant, taken without stopping anyone.
//!
//! Each GIL's sums are guarded by its sequence number. A pass reads everything,
//! and where a number moved meanwhile, the next pass reads again only what the
//! events posted in between can have changed. Passes get shorter until one
//! sees no event, and the time read within it is the time of the cut.

mod former;
mod rows;
mod sums;

use std::collections::BTreeMap;
use std::time::Duration;

use gilprof_core::{CpuReading, EventKind, Gil, Thread};

use crate::clock::Clock;
use crate::gil::GilCell;
use crate::region::Region;
use crate::ring::{Cursor, Next};
use crate::sync::{Ordering, Ordering::Relaxed, fence};
use crate::thread::{Slot, state};
pub use former::Former;
use rows::{derive_first, gil_row, thread_row, unread};
use sums::{GilSums, Sums};

/// How often a pass is repeated before the cut is taken as it is.
const PASSES: usize = 20_000;
/// How often a writer that is in the middle of an event is waited for. It needs
/// some tens of nanoseconds once it runs, but it may be preempted: the CPU is
/// offered to it first, then time, a second in all.
const STUCK: usize = 10_000;
const STUCK_YIELDS: usize = 100;
const STUCK_PAUSE: Duration = Duration::from_micros(50);

/// All sums at one instant.
#[derive(Debug)]
pub struct Cut {
    /// The instant, in the recording's time.
    pub at_ns: u64,
    /// How many events each GIL had posted by then.
    pub posted: Vec<u64>,
    /// Every thread and every group of ended threads.
    pub threads: Vec<Thread>,
    /// Every GIL that was ever entered.
    pub gils: Vec<Gil>,
    /// Whether no event fell into the last pass. Only a writer that was killed
    /// or preempted in the middle of an event, or one that posts millions of
    /// events a second without a pause, prevents that.
    pub consistent: bool,
    /// Takes and releases that did not alternate.
    pub anomalies: u64,
    /// How many readings of CPU clocks are in the sums.
    pub cpu_readings: u64,
    /// What threads that are away from the GIL have done since their last reading.
    pub unread: Vec<Unread>,
}

/// What a detached thread's row lacks of its CPU time: it has touched no GIL since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The place of its row in [`Cut::threads`].
    pub row: usize,
    /// Its last reading.
    pub last: CpuReading,
    /// Time since then that it had the GIL.
    pub holding_ns: u64,
    /// Time since then that it did not want the GIL.
    pub detached_ns: u64,
}

/// A GIL's sequence number and head before a pass.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    sequence: u64,
    posted: u64,
}

impl Mark {
    fn of(gil: &GilCell) -> Self {
        Mark {
            // Pairs with the release store in `leave`.
            sequence: gil.sequence.load(Ordering::Acquire),
            posted: gil.head.load(Ordering::Acquire),
        }
    }
}

impl Cut {
    /// Takes a cut. The time is read from `clock`; a recording that is over is
    /// cut at `end_ns`.
    pub fn take(region: &Region, clock: &Clock, end_ns: Option<u64>) -> Self {
        Self::take_after(&mut Former::default(), region, clock, end_ns)
    }

    /// The same, after a former one of the same recording: of threads that have done nothing
    /// since, the distributions are not read again.
    pub fn take_after(
        former: &mut Former,
        region: &Region,
        clock: &Clock,
        end_ns: Option<u64>,
    ) -> Self {
        Pass::new(region).run(former, clock, end_ns)
    }
}

/// What was read so far.
struct Pass<'r> {
    region: &'r Region,
    gils: Vec<(&'r GilCell, GilSums)>,
    threads: BTreeMap<u32, Sums>,
    cursors: Vec<Cursor>,
}

impl<'r> Pass<'r> {
    fn new(region: &'r Region) -> Self {
        Pass {
            region,
            gils: Vec::new(),
            threads: BTreeMap::new(),
            cursors: Vec::new(),
        }
    }

    fn run(mut self, former: &mut Former, clock: &Clock, end_ns: Option<u64>) -> Cut {
        let mut marks = self.marks();
        self.read_all(&marks);
        let mut stuck = 0;
        for _ in 0..PASSES {
            let at_ns = end_ns.unwrap_or_else(|| clock.now_ns());
            self.read_switch_waits(at_ns);
            // Pairs with the release fence in `enter`.
            fence(Ordering::Acquire);
            let now = self.marks();
            if now != marks {
                self.read_changed(&marks, &now);
                marks = now;
                continue;
            }
            if now.iter().all(|mark| mark.sequence % 2 == 0) {
                return self.finish(former, at_ns, &now, true);
            }
            stuck += 1;
            // A recording that is over has no writer to wait for.
            if stuck > STUCK || end_ns.is_some() {
                break;
            }
            match stuck {
                ..=STUCK_YIELDS => std::thread::yield_now(),
                _ => std::thread::sleep(STUCK_PAUSE),
            }
        }
        let at_ns = end_ns.unwrap_or_else(|| clock.now_ns());
        self.finish(former, at_ns, &marks, false)
    }

    fn marks(&self) -> Vec<Mark> {
        (0..self.region.gils())
            .filter_map(|index| self.region.gil(index))
            .map(Mark::of)
            .collect()
    }

    fn read_all(&mut self, marks: &[Mark]) {
        self.read_gils();
        for slot in self.region.slots().chain(self.region.groups()) {
            self.read_thread(slot);
        }
        self.cursors = marks.iter().map(|mark| Cursor::at(mark.posted)).collect();
    }

    /// What no event has booked yet: the switch waits up to the instant. Read
    /// after it, so that one which began later is seen to have done so.
    fn read_switch_waits(&mut self, at_ns: u64) {
        for (&slot, sums) in &mut self.threads {
            let cell = self.region.thread(Slot(slot));
            let open = cell.map_or(0, |cell| cell.switch_wait_until(at_ns));
            sums.switch_open_ns = match sums.state {
                state::DETACHED => open.min(at_ns.saturating_sub(sums.since_ns)),
                _ => 0,
            };
        }
    }

    fn read_gils(&mut self) {
        self.gils = (0..self.region.gils())
            .filter_map(|index| self.region.gil(index))
            .map(|cell| (cell, GilSums::read(cell)))
            .collect();
    }

    fn read_thread(&mut self, slot: Slot) {
        let Some(cell) = self.region.thread(slot) else {
            return;
        };
        // Most are free, and each of their words is a cache miss.
        let sums = (cell.state.load(Relaxed) != state::FREE).then(|| Sums::read(cell));
        match sums.filter(|sums| sums.state != state::FREE) {
            Some(sums) => self.threads.insert(slot.0, sums),
            None => self.threads.remove(&slot.0),
        };
    }

    /// Reads again what the events between two marks can have changed. An
    /// event in progress has posted nothing yet: it is read the next time.
    fn read_changed(&mut self, before: &[Mark], now: &[Mark]) {
        if before.len() != now.len() {
            return self.read_all(now);
        }
        self.read_gils();
        for gil in 0..now.len() {
            let Some(ring) = self.region.ring(gil as u32) else {
                continue;
            };
            while let Some(next) = self.cursors[gil].next(&ring, now[gil].posted) {
                match next {
                    Next::Event(event) if event.kind != EventKind::Fold => {
                        self.read_thread(Slot(event.slot.into()));
                    }
                    _ => return self.read_all(now),
                }
            }
        }
    }

    fn finish(self, former: &mut Former, at_ns: u64, marks: &[Mark], consistent: bool) -> Cut {
        let latest = self.gils.iter().map(|(_, sums)| sums.latest_ns()).max();
        let at_ns = at_ns.max(latest.unwrap_or(0));
        let mut closed: Vec<GilSums> = self
            .gils
            .iter()
            .map(|(_, sums)| sums.close(at_ns))
            .collect();
        for sums in self.threads.values() {
            if let Some(gil) = closed.get_mut(sums.thread.gil as usize) {
                gil.switch_wait_ns = gil.switch_wait_ns.saturating_add(sums.switch_open_ns);
            }
        }
        let pid = self.region.header().pid.load(Relaxed);
        let (threads, read): (Vec<Thread>, Vec<&Sums>) = self
            .threads
            .iter()
            .filter_map(|(&slot, sums)| {
                let cell = self.region.thread(Slot(slot))?;
                let durations = former.durations(slot, sums, cell);
                let row = thread_row(cell, *sums, durations, &closed, slot, at_ns, pid);
                Some((row, sums))
            })
            .unzip();
        // What was being booked may be in the distributions and not in the sums.
        former.retain(|slot| consistent && self.threads.contains_key(&slot));
        let mut gils: Vec<Gil> = (0..)
            .zip(&self.gils)
            .zip(&closed)
            .map(|((index, (cell, _)), sums)| gil_row(cell, sums, index, pid))
            .collect();
        derive_first(&mut gils, &threads);
        let rows = threads.iter().zip(&read).enumerate();
        let unread = rows.filter_map(|(row, (thread, sums))| unread(row, thread, sums));
        let counted = read.iter().map(|sums| sums.cpu.stretches);
        Cut {
            at_ns,
            cpu_readings: counted.fold(0, u64::saturating_add),
            unread: unread.collect(),
            posted: marks.iter().map(|mark| mark.posted).collect(),
            threads,
            gils,
            consistent,
            anomalies: closed
                .iter()
                .fold(0, |all, gil| all.saturating_add(gil.anomalies)),
        }
    }
}
