//! Random scripts of events, and the naive account of them: intervals are listed, and
//! every wait is laid over every hold.

use std::collections::BTreeMap;

use gilprof_core::{Event, EventKind, FLAG_REQUESTED};
use proptest::prelude::*;

/// Ids of groups begin here.
pub(crate) const GROUPS: u64 = 1 << 40;

/// What a random choice makes happen: an event, or a loss of events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Event(Event),
    Lost,
}

/// Choices a script is made from: action, actor, time passed.
pub(crate) fn choices() -> impl Strategy<Value = Vec<(u8, u8, u64)>> {
    let pause = prop_oneof![
        4 => Just(0u64),
        20 => 1u64..1_000,
        8 => 1_000u64..20_000_000,
        1 => 20_000_000u64..3_000_000_000,
    ];
    prop::collection::vec((0u8..100, 0u8..6, pause), 1..150)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Now {
    Detached,
    Waiting,
    Holding,
    Unknown,
}

#[derive(Clone, Copy, Debug)]
struct Actor {
    id: u32,
    now: Now,
    since: u64,
    /// The last detached interval, until a switch wait was put into it.
    detached: Option<(u64, u64)>,
}

/// Makes a valid script of any choices.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    time: u64,
    next_id: u32,
    actors: [Option<Actor>; 6],
    holder: Option<usize>,
    held_by_unknown: bool,
    ended: Vec<(u32, u16)>,
    script: Vec<Step>,
}

impl Writer {
    pub(crate) fn write(choices: &[(u8, u8, u64)], losses: bool) -> Vec<Step> {
        let mut writer = Writer {
            time: 1_000_003,
            held_by_unknown: true,
            ..Writer::default()
        };
        for &(action, actor, pause) in choices {
            writer.time += pause;
            writer.step(action, actor as usize, losses);
        }
        writer.script
    }

    fn post(&mut self, slot: usize, id: u32, kind: EventKind, time_ns: u64) {
        self.script.push(Step::Event(Event {
            time_ns,
            thread: id,
            slot: slot as u16,
            kind,
            flags: FLAG_REQUESTED * u8::from(time_ns.is_multiple_of(2)),
        }));
    }

    fn step(&mut self, action: u8, slot: usize, losses: bool) {
        let Some(actor) = self.actors[slot] else {
            return self.begin(slot, action);
        };
        match action {
            0..=74 => self.proceed(slot, actor),
            75..=79 if actor.now == Now::Waiting => {
                self.post(slot, actor.id, EventKind::DropRequest, self.time);
            }
            80..=87 => self.switch_wait(slot, actor),
            88..=92 => self.end(slot, actor, action),
            93..=96 => self.fold(),
            97 => self.reborn(),
            98 if losses => self.lose(),
            _ => {}
        }
    }

    fn begin(&mut self, slot: usize, action: u8) {
        self.next_id += 1;
        // Some threads were first seen before the latest event.
        let since = self.time - u64::from(action) % 2 * (self.time / 3);
        self.actors[slot] = Some(Actor {
            id: self.next_id,
            now: Now::Detached,
            since,
            detached: None,
        });
        self.post(slot, self.next_id, EventKind::Begin, since);
    }

    /// The thread's next natural transition.
    fn proceed(&mut self, slot: usize, actor: Actor) {
        let free = self.holder.is_none() && !self.held_by_unknown;
        let (kind, now) = match actor.now {
            Now::Detached | Now::Waiting if free => (EventKind::Acquire, Now::Holding),
            Now::Unknown if self.holder.is_none() => (EventKind::Acquire, Now::Holding),
            Now::Detached | Now::Unknown => (EventKind::Wait, Now::Waiting),
            Now::Waiting if self.held_by_unknown => (EventKind::Acquire, Now::Holding),
            Now::Waiting => return,
            Now::Holding => (EventKind::Release, Now::Detached),
        };
        match kind {
            EventKind::Acquire => self.holder = Some(slot),
            EventKind::Release => self.holder = None,
            _ => {}
        }
        if kind != EventKind::Wait {
            self.held_by_unknown = false;
        }
        self.turn(slot, now);
        self.post(slot, actor.id, kind, self.time);
    }

    fn turn(&mut self, slot: usize, now: Now) {
        let time = self.time;
        if let Some(actor) = &mut self.actors[slot] {
            if actor.now == Now::Detached {
                actor.detached = Some((actor.since, time));
            }
            (actor.now, actor.since) = (now, time);
        }
    }

    fn switch_wait(&mut self, slot: usize, actor: Actor) {
        let interval = match actor.now {
            Now::Unknown => return,
            Now::Detached => Some((actor.since, self.time)),
            _ => actor.detached,
        };
        let Some((from, to)) = interval else { return };
        let spent = (to - from) / 2;
        if let Some(actor) = &mut self.actors[slot] {
            match actor.now {
                Now::Detached => actor.since += spent,
                _ => actor.detached = None,
            }
        }
        self.post(slot, actor.id, EventKind::SwitchWait, spent);
    }

    fn end(&mut self, slot: usize, actor: Actor, action: u8) {
        if actor.now == Now::Holding {
            return;
        }
        let late = actor.now == Now::Detached && action.is_multiple_of(2);
        let ago = if late {
            (self.time - actor.since) / 2
        } else {
            0
        };
        self.post(slot, actor.id, EventKind::ThreadEnd, self.time - ago);
        self.ended.push((actor.id, slot as u16));
        self.actors[slot] = None;
    }

    fn fold(&mut self) {
        if let Some((id, slot)) = self.ended.pop() {
            let group = GROUPS + u64::from(id % 2);
            self.post(slot.into(), id, EventKind::Fold, group);
        }
    }

    fn reborn(&mut self) {
        self.post(0, 0, EventKind::Reborn, self.time);
        (self.holder, self.held_by_unknown) = (None, false);
        for slot in 0..self.actors.len() {
            let now = self.actors[slot].map(|actor| actor.now);
            if matches!(now, Some(Now::Waiting | Now::Holding)) {
                self.turn(slot, Now::Detached);
            }
        }
    }

    fn lose(&mut self) {
        self.script.push(Step::Lost);
        (self.holder, self.held_by_unknown) = (None, true);
        for actor in self.actors.iter_mut().flatten() {
            (actor.now, actor.detached) = (Now::Unknown, None);
        }
    }
}

/// What a thread does during an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Doing {
    Holding,
    /// Since when and with which number; whether begin and end were seen.
    Waiting {
        seen: bool,
    },
    Switching,
    Detached,
}

/// One interval of one thread. Thread 0 holds where the holder is not known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    pub(crate) thread: u64,
    pub(crate) doing: Doing,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// Sums of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) holding: u64,
    pub(crate) waiting: u64,
    pub(crate) detached: u64,
    pub(crate) handoff: u64,
    pub(crate) caused: u64,
    pub(crate) waits_closed: u64,
    pub(crate) waits_total: u64,
    pub(crate) handoff_closed: u64,
}

/// The naive account: every interval there was, up to `now`.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) intervals: Vec<Interval>,
    open: BTreeMap<u64, (Doing, u64)>,
    closed_waits: Vec<usize>,
    folded: BTreeMap<u64, u64>,
    holder: Option<u64>,
    unknown_since: u64,
    time: u64,
}

impl Oracle {
    pub(crate) fn of(script: &[Step], now: u64) -> Self {
        let mut oracle = Oracle {
            holder: Some(0),
            ..Oracle::default()
        };
        for &step in script {
            match step {
                Step::Event(event) => oracle.apply(event),
                Step::Lost => oracle.lose(),
            }
        }
        oracle.time = oracle.time.max(now);
        oracle.close_all();
        oracle
    }

    fn close_all(&mut self) {
        let threads: Vec<u64> = self.open.keys().copied().collect();
        threads
            .into_iter()
            .for_each(|thread| self.close(thread, self.time));
        self.see_holder(None);
    }

    /// Ends the open interval of a thread.
    fn close(&mut self, thread: u64, to: u64) {
        if let Some((doing, from)) = self.open.remove(&thread) {
            self.intervals.push(Interval {
                thread,
                doing,
                from,
                to,
            });
        }
    }

    fn turn(&mut self, thread: u64, doing: Doing) {
        let open = self.open.get(&thread);
        let waited = matches!(open, Some((Doing::Waiting { seen: true }, _)));
        self.close(thread, self.time);
        if waited {
            self.closed_waits.push(self.intervals.len() - 1);
        }
        self.open.insert(thread, (doing, self.time));
    }

    fn see_holder(&mut self, holder: Option<u64>) {
        if self.holder == Some(0) {
            self.intervals.push(Interval {
                thread: 0,
                doing: Doing::Holding,
                from: self.unknown_since,
                to: self.time,
            });
        }
        self.holder = holder;
    }

    fn apply(&mut self, event: Event) {
        let thread = u64::from(event.thread);
        match event.kind {
            EventKind::SwitchWait => return self.switch(thread, event.time_ns),
            EventKind::Fold => {
                self.folded.insert(thread, event.time_ns);
                return;
            }
            _ => self.time = self.time.max(event.time_ns),
        }
        match event.kind {
            EventKind::Wait => self.turn(thread, Doing::Waiting { seen: true }),
            EventKind::Acquire => {
                self.turn(thread, Doing::Holding);
                self.see_holder(Some(thread));
            }
            EventKind::Release => {
                self.turn(thread, Doing::Detached);
                self.see_holder(None);
            }
            EventKind::ThreadEnd => self.end(thread, event.time_ns),
            EventKind::Begin => {
                self.open.insert(thread, (Doing::Detached, event.time_ns));
            }
            EventKind::Reborn => self.rebear(),
            _ => {}
        }
    }

    fn end(&mut self, thread: u64, at: u64) {
        match self.open.get(&thread) {
            Some((Doing::Detached, _)) => self.close(thread, at),
            Some(_) => {
                self.turn(thread, Doing::Detached);
                self.open.remove(&thread);
            }
            None => {}
        }
    }

    fn rebear(&mut self) {
        let busy = self
            .open
            .iter()
            .filter(|(_, (doing, _))| *doing != Doing::Detached);
        let busy: Vec<u64> = busy.map(|(&thread, _)| thread).collect();
        busy.into_iter()
            .for_each(|thread| self.turn(thread, Doing::Detached));
        self.see_holder(None);
    }

    fn lose(&mut self) {
        for (doing, _) in self.open.values_mut() {
            if let Doing::Waiting { seen } = doing {
                *seen = false;
            }
        }
        self.close_all();
        (self.holder, self.unknown_since) = (Some(0), self.time);
    }

    /// Cuts the begin of the last detached interval off as a switch wait.
    fn switch(&mut self, thread: u64, spent: u64) {
        let from = match self.open.get_mut(&thread) {
            Some((Doing::Detached, since)) => {
                *since += spent;
                // The wait was over when it was posted, so this time has been reached.
                self.time = self.time.max(*since);
                *since - spent
            }
            _ => {
                let of_thread =
                    |i: &&mut Interval| i.thread == thread && i.doing == Doing::Detached;
                let Some(last) = self.intervals.iter_mut().rev().find(of_thread) else {
                    return;
                };
                last.from += spent;
                last.from - spent
            }
        };
        self.intervals.push(Interval {
            thread,
            doing: Doing::Switching,
            from,
            to: from + spent,
        });
    }

    pub(crate) fn name(&self, thread: u64) -> u64 {
        self.folded.get(&thread).copied().unwrap_or(thread)
    }

    /// Ns that a wait was charged to each holder, 0 for the unknown.
    fn charges(&self, wait: &Interval, from: u64, to: u64) -> BTreeMap<u64, u64> {
        let mut charges = BTreeMap::new();
        for hold in self.intervals.iter().filter(|i| i.doing == Doing::Holding) {
            let begin = hold.from.max(wait.from).max(from);
            let end = hold.to.min(wait.to).min(to);
            if begin < end {
                *charges.entry(hold.thread).or_default() += end - begin;
            }
        }
        charges
    }

    /// Sums of each thread between two instants.
    pub(crate) fn sums(&self, from: u64, to: u64) -> BTreeMap<u64, Sums> {
        let mut all: BTreeMap<u64, Sums> = BTreeMap::new();
        for (at, interval) in self.intervals.iter().enumerate() {
            let ns = interval.to.min(to).saturating_sub(interval.from.max(from));
            let sums = all.entry(self.name(interval.thread)).or_default();
            match interval.doing {
                Doing::Holding => sums.holding += ns,
                Doing::Detached => sums.detached += ns,
                Doing::Switching => {
                    sums.waiting += ns;
                    sums.handoff += ns;
                }
                Doing::Waiting { .. } => {
                    let charges = self.charges(interval, from, to);
                    let handoff = ns - charges.values().sum::<u64>();
                    sums.waiting += ns;
                    sums.handoff += handoff;
                    if self.closed_waits.contains(&at) {
                        sums.waits_closed += 1;
                        sums.waits_total += ns;
                        sums.handoff_closed += handoff;
                    }
                    for (holder, ns) in charges {
                        all.entry(self.name(holder)).or_default().caused += ns;
                    }
                }
            }
        }
        all
    }

    /// Ns for which a known thread held while so many waited, and ns for which nobody
    /// held though some waited.
    pub(crate) fn demand(&self) -> (BTreeMap<usize, u64>, u64) {
        let mut edges: Vec<u64> = self.intervals.iter().flat_map(|i| [i.from, i.to]).collect();
        edges.sort_unstable();
        edges.dedup();
        let (mut held_ns, mut passing_ns) = (BTreeMap::new(), 0);
        for edge in edges.windows(2) {
            let over = |i: &&Interval| i.from <= edge[0] && edge[1] <= i.to;
            let here: Vec<&Interval> = self.intervals.iter().filter(over).collect();
            let holder = here.iter().find(|i| i.doing == Doing::Holding);
            let waits = |i: &&&Interval| matches!(i.doing, Doing::Waiting { .. });
            let (waiters, ns) = (here.iter().filter(waits).count(), edge[1] - edge[0]);
            match holder.map(|hold| hold.thread) {
                Some(0) => {}
                Some(_) => *held_ns.entry(waiters).or_default() += ns,
                None if waiters > 0 => passing_ns += ns,
                None => {}
            }
        }
        (held_ns, passing_ns)
    }

    /// Waiter and holder → ns, waits, longest; 0 for the unknown holder.
    pub(crate) fn blame(&self, from: u64, to: u64) -> BTreeMap<(u64, u64), (u64, u64, u64)> {
        let mut blame: BTreeMap<(u64, u64), (u64, u64, u64)> = BTreeMap::new();
        let waits = self
            .intervals
            .iter()
            .filter(|i| matches!(i.doing, Doing::Waiting { .. }));
        for wait in waits {
            for (holder, ns) in self.charges(wait, from, to) {
                let pair = (self.name(wait.thread), self.name(holder));
                let row = blame.entry(pair).or_default();
                *row = (row.0 + ns, row.1 + 1, row.2.max(ns));
            }
        }
        blame
    }
}
