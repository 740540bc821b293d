//! A consistent view of all sums at one instant, taken without stopping anyone.
//!
//! Each GIL's sums are guarded by its sequence number. A pass reads everything,
//! and where a number moved meanwhile, the next pass reads again only what the
//! events posted in between can have changed. Passes get shorter until one
//! sees no event, and the time read within it is the time of the cut.

use std::collections::BTreeMap;

use gilprof_core::{Distribution, Gil, State, Thread};

use crate::clock::Clock;
use crate::gil::GilCell;
use crate::region::Region;
use crate::ring::{Cursor, Next};
use crate::sync::{Ordering, Ordering::Relaxed, fence};
use crate::thread::{Slot, ThreadCell, state};

/// How often a pass is repeated before the cut is taken as it is.
const PASSES: usize = 20_000;
/// How often the CPU is offered to a writer that is in the middle of an event,
/// which takes it some tens of nanoseconds once it runs.
const STUCK: usize = 20_000;

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

/// The scalars of a thread's cell, as they were read.
#[derive(Clone, Copy, Default)]
struct Sums {
    state: u32,
    since_ns: u64,
    thread: ThreadSums,
}

/// The sums proper, in the order of [`ThreadCell`].
#[derive(Clone, Copy, Default)]
struct ThreadSums {
    id: u32,
    gil: u32,
    holding_ns: u64,
    waiting_ns: u64,
    detached_ns: u64,
    handoff_ns: u64,
    caused_ns: u64,
    acquisitions: u64,
    contended: u64,
    waits: u64,
    drop_requests: u64,
    switch_wait_ns: u64,
    free_at_wait_ns: u64,
    born_ns: u64,
    group_lifetime_ns: u64,
    members: u64,
}

impl Sums {
    fn read(cell: &ThreadCell) -> Self {
        Sums {
            state: cell.state.load(Relaxed),
            since_ns: cell.since_ns.load(Relaxed),
            thread: ThreadSums {
                id: cell.id.load(Relaxed),
                gil: cell.gil.load(Relaxed),
                holding_ns: cell.holding_ns.load(Relaxed),
                waiting_ns: cell.waiting_ns.load(Relaxed),
                detached_ns: cell.detached_ns.load(Relaxed),
                handoff_ns: cell.handoff_ns.load(Relaxed),
                caused_ns: cell.caused_ns.load(Relaxed),
                acquisitions: cell.acquisitions.load(Relaxed),
                contended: cell.contended.load(Relaxed),
                waits: cell.waits.load(Relaxed),
                drop_requests: cell.drop_requests.load(Relaxed),
                switch_wait_ns: cell.switch_wait_ns.load(Relaxed),
                free_at_wait_ns: cell.free_at_wait_ns.load(Relaxed),
                born_ns: cell.born_ns.load(Relaxed),
                group_lifetime_ns: cell.group_lifetime_ns.load(Relaxed),
                members: cell.members.load(Relaxed),
            },
        }
    }
}

/// The scalars of a GIL's cell, as they were read.
#[derive(Clone, Copy, Default)]
struct GilSums {
    holder: u32,
    last_ns: u64,
    turned_ns: u64,
    waiters: u64,
    hold_cost_ns: u64,
    holding_ns: u64,
    free_ns: u64,
    caused_ns: u64,
    handoff_ns: u64,
    switch_wait_ns: u64,
    acquisitions: u64,
    switches: u64,
    drop_requests: u64,
    waiters_max: u64,
    anomalies: u64,
}

impl GilSums {
    fn read(cell: &GilCell) -> Self {
        GilSums {
            holder: cell.holder.load(Relaxed),
            last_ns: cell.last_ns.load(Relaxed),
            turned_ns: cell.turned_ns.load(Relaxed),
            waiters: cell.waiters.load(Relaxed),
            hold_cost_ns: cell.hold_cost_ns.load(Relaxed),
            holding_ns: cell.holding_ns.load(Relaxed),
            free_ns: cell.free_ns.load(Relaxed),
            caused_ns: cell.caused_ns.load(Relaxed),
            handoff_ns: cell.handoff_ns.load(Relaxed),
            switch_wait_ns: cell.switch_wait_ns.load(Relaxed),
            acquisitions: cell.acquisitions.load(Relaxed),
            switches: cell.switches.load(Relaxed),
            drop_requests: cell.drop_requests.load(Relaxed),
            waiters_max: cell.waiters_max.load(Relaxed),
            anomalies: cell.anomalies.load(Relaxed),
        }
    }

    fn is_held(&self) -> bool {
        self.holder != crate::gil::NOBODY
    }

    /// When the last event was, as far as it matters for what is open.
    fn latest_ns(&self) -> u64 {
        match self.waiters {
            0 => self.turned_ns,
            _ => self.turned_ns.max(self.last_ns),
        }
    }

    /// Closes the open interval at `now`.
    fn close(mut self, now: u64) -> Self {
        let cost = self
            .waiters
            .saturating_mul(now.saturating_sub(self.last_ns));
        let spent = now.saturating_sub(self.turned_ns);
        match self.is_held() {
            true => {
                self.hold_cost_ns = self.hold_cost_ns.saturating_add(cost);
                self.holding_ns = self.holding_ns.saturating_add(spent);
            }
            false => {
                self.handoff_ns = self.handoff_ns.saturating_add(cost);
                self.free_ns = self.free_ns.saturating_add(spent);
            }
        }
        self
    }
}

impl Cut {
    /// Takes a cut. The time is read from `clock`; a recording that is over is
    /// cut at `end_ns`.
    pub fn take(region: &Region, clock: &Clock, end_ns: Option<u64>) -> Self {
        Pass::new(region).run(clock, end_ns)
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

    fn run(mut self, clock: &Clock, end_ns: Option<u64>) -> Cut {
        let mut marks = self.marks();
        self.read_all(&marks);
        let mut stuck = 0;
        for _ in 0..PASSES {
            let at_ns = end_ns.unwrap_or_else(|| clock.now_ns());
            // Pairs with the release fence in `enter`.
            fence(Ordering::Acquire);
            let now = self.marks();
            if now != marks {
                self.read_changed(&marks, &now);
                marks = now;
                continue;
            }
            if now.iter().all(|mark| mark.sequence % 2 == 0) {
                return self.finish(at_ns, &now, true);
            }
            stuck += 1;
            // A recording that is over has no writer to wait for.
            if stuck > STUCK || end_ns.is_some() {
                break;
            }
            std::thread::yield_now();
        }
        self.finish(end_ns.unwrap_or_else(|| clock.now_ns()), &marks, false)
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
        match Sums::read(cell) {
            Sums {
                state: state::FREE, ..
            } => self.threads.remove(&slot.0),
            sums => self.threads.insert(slot.0, sums),
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
                    Next::Event(event) if event.kind != gilprof_core::EventKind::Fold => {
                        self.read_thread(Slot(event.slot.into()));
                    }
                    _ => return self.read_all(now),
                }
            }
        }
    }

    fn finish(self, at_ns: u64, marks: &[Mark], consistent: bool) -> Cut {
        let latest = self.gils.iter().map(|(_, sums)| sums.latest_ns()).max();
        let at_ns = at_ns.max(latest.unwrap_or(0));
        let closed: Vec<GilSums> = self
            .gils
            .iter()
            .map(|(_, sums)| sums.close(at_ns))
            .collect();
        let pid = self.region.header().pid.load(Relaxed);
        let threads: Vec<Thread> = self
            .threads
            .iter()
            .filter_map(|(&slot, sums)| {
                let cell = self.region.thread(Slot(slot))?;
                Some(thread_row(cell, *sums, &closed, slot, at_ns, pid))
            })
            .collect();
        let mut gils: Vec<Gil> = (0..)
            .zip(&self.gils)
            .zip(&closed)
            .map(|((index, (cell, _)), sums)| gil_row(cell, sums, index, pid))
            .collect();
        derive_first(&mut gils, &threads);
        Cut {
            at_ns,
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

fn state_of(code: u32) -> State {
    match code {
        state::HOLDING => State::Holding,
        state::WAITING => State::Waiting,
        state::ENDED => State::Ended,
        _ => State::Detached,
    }
}

/// A thread's row, with its open interval closed at the cut.
fn thread_row(
    cell: &ThreadCell,
    sums: Sums,
    gils: &[GilSums],
    slot: u32,
    at_ns: u64,
    pid: u32,
) -> Thread {
    let open = at_ns.saturating_sub(sums.since_ns);
    let mut thread = sums.thread;
    let state = state_of(sums.state);
    let gil = gils.get(thread.gil as usize).copied().unwrap_or_default();
    let sum = match state {
        State::Holding => Some(&mut thread.holding_ns),
        State::Waiting => Some(&mut thread.waiting_ns),
        State::Detached => Some(&mut thread.detached_ns),
        State::Ended | State::Unknown => None,
    };
    if let Some(sum) = sum {
        *sum = sum.saturating_add(open);
    }
    if state == State::Waiting {
        let handoff = gil.free_ns.saturating_sub(thread.free_at_wait_ns);
        thread.handoff_ns = thread.handoff_ns.saturating_add(handoff);
    }
    if gil.holder == slot.wrapping_add(1) {
        thread.caused_ns = thread.caused_ns.saturating_add(gil.hold_cost_ns);
    }
    let lifetime_ns = match (state, thread.group_lifetime_ns) {
        (State::Ended, 0) => sums.since_ns.saturating_sub(thread.born_ns),
        (State::Ended, group) => group,
        _ => at_ns.max(sums.since_ns).saturating_sub(thread.born_ns),
    };
    Thread {
        id: thread.id.into(),
        native_id: Some(cell.native_id()).filter(|&id| id != 0),
        name: cell.name.read(),
        ended: state == State::Ended,
        members: thread.members.max(1),
        pid,
        gil: thread.gil,
        lifetime_ns,
        holding_ns: thread.holding_ns,
        waiting_ns: thread.waiting_ns,
        detached_ns: thread.detached_ns,
        handoff_ns: thread.handoff_ns,
        caused_ns: thread.caused_ns,
        acquisitions: thread.acquisitions,
        contended: thread.contended,
        waits: thread.waits,
        drop_requests: thread.drop_requests,
        switch_wait_ns: thread.switch_wait_ns,
        state,
        hold: cell.hold.read(),
        wait: cell.wait.read(),
        handoff: cell.handoff.read(),
    }
}

/// A GIL's row.
fn gil_row(cell: &GilCell, sums: &GilSums, index: u32, pid: u32) -> Gil {
    let caused_ns = sums.caused_ns.saturating_add(sums.hold_cost_ns);
    let handoff_ns = sums.handoff_ns.saturating_add(sums.switch_wait_ns);
    Gil {
        index,
        pid,
        // The first GIL is the one the main interpreter calibrated.
        interpreter_id: (index == 0).then_some(0),
        holding_ns: sums.holding_ns,
        free_ns: sums.free_ns,
        waiting_ns: caused_ns.saturating_add(handoff_ns),
        caused_ns,
        handoff_ns,
        acquisitions: sums.acquisitions,
        switches: sums.switches,
        drop_requests: sums.drop_requests,
        waiters_max: u32::try_from(sums.waiters_max).unwrap_or(u32::MAX),
        hold: cell.hold.read(),
        wait: cell.wait.read(),
        handoff: cell.handoff.read(),
    }
}

/// The first GIL's histograms are not booked on their own, which saves every
/// uncontended hold a part of its cost: they are what all threads recorded,
/// less what was recorded for the other GILs, and with what was recorded for
/// threads without a slot, which is all that its own cell has.
fn derive_first(gils: &mut [Gil], threads: &[Thread]) {
    let Some((first, others)) = gils.split_first_mut() else {
        return;
    };
    let derive = |own: &mut Distribution,
                  thread: fn(&Thread) -> &Distribution,
                  gil: fn(&Gil) -> &Distribution| {
        threads.iter().for_each(|row| own.merge(thread(row)));
        for other in others.iter() {
            // Read at slightly different moments, the one may be ahead.
            if let Ok(rest) = Distribution::difference(own, gil(other)) {
                *own = rest;
            }
        }
    };
    derive(&mut first.hold, |row| &row.hold, |gil| &gil.hold);
    derive(&mut first.wait, |row| &row.wait, |gil| &gil.wait);
    derive(&mut first.handoff, |row| &row.handoff, |gil| &gil.handoff);
}
