//! The sums of a ledger, without its distributions: what a snapshot copies.

use std::sync::Arc;

use super::pairs::Pairs;
use super::record::Record;
use super::spans::Spans;
use super::timeline::Timeline;
use super::worst::Worst;
use crate::gil::Gil;
use crate::history::{Slice, SliceBlame, SliceThread};
use crate::hold::Hold;
use crate::overrun::Asked;
use crate::state::State;
use crate::wait::Wait;

/// The record that stands for a holder that is not known.
pub(crate) const UNKNOWN: u32 = 0;

/// Times from here on, 4.5 years, are damage: they count as this, so that sums over
/// threads stay far from overflow.
const LAST_NS: u64 = 1 << 57;

/// A stretch of time whose worst holds are kept, too.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) number: u64,
    /// The latest event's time when it began.
    began_ns: u64,
    /// For how long the hold in progress had kept others waiting when it began.
    before_ns: u64,
    /// For how long a hold has kept others waiting in it, at most.
    longest_ns: u64,
    pub(super) worst: Worst,
}

/// The sums of a ledger, without its distributions.
#[derive(Clone, Debug)]
pub(crate) struct Book {
    pub(super) gil: Gil,
    pub(crate) records: Vec<Record>,
    /// Records that wait, in no order.
    pub(crate) waiters: Vec<u32>,
    /// The record that holds; [`UNKNOWN`], or `None` while nobody holds.
    pub(crate) holder: Option<u32>,
    last_holder: u64,
    /// Up to when waiters are charged to the holder, or since when the GIL is free.
    charged: u64,
    hold: Hold,
    /// Whether the present hold was asked to end.
    asked: Option<Asked>,
    pub(super) pairs: Pairs,
    pub(super) worst: Worst,
    /// The windows that are open.
    pub(super) windows: Vec<Window>,
    /// Each hold and wait, where they are listed.
    pub(super) spans: Option<Spans>,
    /// Shared with copies, which seldom change it.
    pub(super) timeline: Option<Arc<Timeline>>,
    /// Up to when it is booked how many threads want the GIL.
    demanded: u64,
    /// Before this, nothing about slices needs to be done.
    edge: u64,
    /// The latest time seen.
    pub(crate) latest: u64,
    pub(crate) events: u64,
    pub(crate) lost: u64,
    pub(crate) ignored: u64,
}

impl Book {
    pub(crate) fn new(gil: u32) -> Self {
        Self {
            gil: Gil {
                index: gil,
                ..Gil::default()
            },
            // The unknown holder; id 0 is no thread's.
            records: vec![Record::default()],
            waiters: Vec::new(),
            holder: Some(UNKNOWN),
            last_holder: 0,
            charged: 0,
            hold: Hold::default(),
            asked: None,
            pairs: Pairs::default(),
            worst: Worst::default(),
            windows: Vec::new(),
            spans: None,
            timeline: None,
            demanded: 0,
            edge: 0,
            latest: 0,
            events: 0,
            lost: 0,
            ignored: 0,
        }
    }

    /// Goes on to `time_ns`, or stays where it is before the latest time; says which
    /// time it is now.
    #[inline]
    pub(crate) fn advance(&mut self, time_ns: u64) -> u64 {
        let time_ns = time_ns.min(LAST_NS);
        if time_ns >= self.edge {
            self.turn_slices(time_ns);
        }
        self.latest = self.latest.max(time_ns);
        self.latest
    }

    #[cold]
    fn turn_slices(&mut self, time_ns: u64) {
        if self.timeline.is_none() {
            self.timeline = Some(Arc::new(Timeline::new(time_ns)));
        }
        while let Some(edge) = self.timeline.as_ref().map(|t| t.edge) {
            self.edge = edge;
            if time_ns < edge {
                break;
            }
            let slice = self.slice_until(edge);
            if let Some(timeline) = self.timeline_mut() {
                timeline.close(slice);
            }
        }
    }

    /// Books everybody up to `now`; the rows of the slice in progress, which begins
    /// anew.
    pub(super) fn slice_until(&mut self, now: u64) -> Slice {
        self.charge(now);
        let mut slice = Slice::default();
        for (waiter, holder, waiting_ns) in self.pairs.drain_slice() {
            self.records[waiter as usize].charged += waiting_ns;
            if holder != UNKNOWN {
                slice.blame.push(SliceBlame {
                    waiter: self.records[waiter as usize].id,
                    holder: self.records[holder as usize].id,
                    gil: self.gil.index,
                    waiting_ns,
                });
            }
        }
        for record in &mut self.records {
            record.book(now);
            slice.threads.push(row(record));
            record.closed.absorb(std::mem::take(&mut record.slice));
            record.charged = 0;
        }
        slice.normalize();
        slice
    }

    /// Charges the waiters to the holder, up to `now`.
    #[inline]
    pub(crate) fn charge(&mut self, now: u64) {
        let Some(holder) = self.holder else { return };
        let from = std::mem::replace(&mut self.charged, now);
        for &waiter in &self.waiters {
            let since = self.records[waiter as usize].since.max(from);
            let ns = now.saturating_sub(since);
            if ns > 0 {
                self.hold.waiter_time_ns += ns;
                self.pairs.charge(&mut self.records, waiter, holder, ns);
            }
        }
    }

    /// Books up to `now` how many threads want the GIL; before any of them comes or goes.
    #[inline]
    fn weigh(&mut self, now: u64) {
        let ns = now - std::mem::replace(&mut self.demanded, now);
        match (self.holder, self.waiters.len()) {
            (Some(UNKNOWN), _) | (None, 0) => {}
            (None, _) => self.gil.demand.passing_ns += ns,
            (Some(_), waiters) => {
                self.gil.demand.hold(waiters, ns);
                self.hold.contended_ns += if waiters > 0 { ns } else { 0 };
            }
        }
    }

    #[inline]
    pub(crate) fn begin_wait(&mut self, at: u32, now: u64) {
        self.weigh(now);
        let record = &mut self.records[at as usize];
        record.turn(State::Waiting, now);
        record.place = self.waiters.len() as u32;
        self.waiters.push(at);
        let count = self.waiters.len() as u32;
        self.gil.waiters_max = self.gil.waiters_max.max(count);
        self.hold.waiters_max = self.hold.waiters_max.max(count);
    }

    /// Ends a wait that is charged up to now: its duration and its hand-off, unless it
    /// began unseen.
    #[inline]
    pub(crate) fn end_wait(&mut self, at: u32, now: u64, next: State) -> Option<(u64, u64)> {
        self.weigh(now);
        let record = &mut self.records[at as usize];
        let wait_ns = now - record.since;
        let known = !record.partial;
        let charged = self.pairs.close(&mut record.touched);
        let handoff_ns = wait_ns.saturating_sub(charged);
        if let Some(spans) = self
            .spans
            .as_mut()
            .filter(|_| known && next != State::Unknown)
        {
            spans.waits.push(Wait {
                thread: record.id,
                gil: self.gil.index,
                start_ns: record.since,
                duration_ns: wait_ns,
                handoff_ns,
            });
        }
        let place = record.place as usize;
        record.turn(next, now);
        self.waiters.swap_remove(place);
        if let Some(&moved) = self.waiters.get(place) {
            self.records[moved as usize].place = place as u32;
        }
        known.then_some((wait_ns, handoff_ns))
    }

    #[inline]
    pub(crate) fn begin_hold(&mut self, at: u32, now: u64) {
        self.weigh(now);
        if self.holder.is_none() {
            self.gil.free_ns += now - self.charged;
        }
        let record = &mut self.records[at as usize];
        record.turn(State::Holding, now);
        record.counts.acquisitions += 1;
        self.gil.acquisitions += 1;
        if self.last_holder != record.id {
            self.last_holder = record.id;
            self.gil.switches += 1;
        }
        let waiters = self.waiters.len() as u32;
        self.hold = Hold {
            thread: record.id,
            gil: self.gil.index,
            start_ns: now,
            duration_ns: 0,
            waiters_start: waiters,
            waiters_max: waiters,
            waiter_time_ns: 0,
            contended_ns: 0,
            requested: false,
        };
        self.asked = None;
        self.holder = Some(at);
        self.charged = now;
    }

    /// A waiter asks for the GIL; the first to do so counts.
    pub(crate) fn ask(&mut self, waiter: u32, now: u64) {
        let holder = self.holder.filter(|&holder| holder != UNKNOWN);
        let Some(holder) = holder.filter(|_| self.asked.is_none()) else {
            return;
        };
        let [waiter, holder] = [waiter, holder].map(|at| &self.records[at as usize]);
        if waiter.state == State::Waiting && !waiter.partial && !holder.partial {
            self.asked = Some(Asked::new(now, waiter.since, holder.since));
        }
    }

    /// Books whether the present hold, which is charged up to now, overran.
    fn book_overrun(&mut self, holder: u32, now: u64) {
        if let Some(asked) = self.asked.take() {
            let overrun = asked.overrun(now, self.hold.waiter_time_ns);
            self.records[holder as usize].overrun.add(overrun);
        }
    }

    /// Ends a hold that is charged up to now: its duration, unless it began unseen or
    /// its end was lost.
    #[inline]
    pub(crate) fn end_hold(&mut self, at: u32, now: u64, requested: bool) -> Option<u64> {
        self.weigh(now);
        let record = &mut self.records[at as usize];
        let hold_ns = now - record.since;
        let known = !record.partial;
        record.turn(State::Detached, now);
        match known {
            true => self.book_overrun(at, now),
            false => self.asked = None,
        }
        self.gil.holding_ns += hold_ns;
        self.hold.duration_ns = hold_ns;
        self.hold.requested = requested;
        if let Some(spans) = self.spans.as_mut().filter(|_| known) {
            spans.holds.push(self.hold.clone());
        }
        let hold = std::mem::take(&mut self.hold);
        self.offer(hold);
        self.holder = None;
        self.charged = now;
        known.then_some(hold_ns)
    }

    #[inline]
    fn offer(&mut self, hold: Hold) {
        for window in &mut self.windows {
            let before_ns = std::mem::take(&mut window.before_ns);
            let own_ns = hold.contended_ns.saturating_sub(before_ns);
            window.longest_ns = window.longest_ns.max(own_ns);
            window.worst.offer(hold.clone());
        }
        self.worst.offer(hold);
    }

    /// The GIL, of which it was not known who held it, is free from now on.
    pub(crate) fn set_free(&mut self, now: u64) {
        self.weigh(now);
        self.holder = None;
        self.charged = now;
        self.hold = Hold::default();
    }

    /// Nothing is known from now on.
    pub(crate) fn hide(&mut self, now: u64) {
        if self.holder.is_none() {
            self.gil.free_ns += now - self.charged;
        }
        self.set_free(now);
        self.holder = Some(UNKNOWN);
        for record in self.records.iter_mut().filter(|r| r.state != State::Ended) {
            record.turn(State::Unknown, now);
            record.detached = (0, 0);
        }
    }

    /// Books a detached thread that began before the slice in progress.
    pub(crate) fn catch_up(&mut self, at: u32) {
        let begin = self.slice_begin();
        let record = &mut self.records[at as usize];
        let since = record.since;
        if since < begin {
            record.closed.detached += begin - since;
            record.mark = begin;
            self.amend(at, since, begin, |row, ns| row.detached_ns += ns);
        }
    }

    /// Ends a thread. One that is detached may have ended in the past.
    pub(crate) fn end(&mut self, at: u32, end_ns: u64) {
        let latest = self.latest;
        let record = &mut self.records[at as usize];
        let (since, detached) = (record.since, record.state == State::Detached);
        record.turn(State::Ended, latest);
        record.ended = true;
        if detached {
            let end = end_ns.clamp(since, latest);
            record.detached = (since, end);
            self.cut(at, end);
        }
    }

    /// Takes the detached time from `end` on from a thread's books.
    fn cut(&mut self, at: u32, end: u64) {
        let (begin, latest) = (self.slice_begin(), self.latest);
        let record = &mut self.records[at as usize];
        record.slice.detached -= latest.saturating_sub(end.max(begin));
        record.closed.detached -= begin.saturating_sub(end);
        self.amend(at, end, begin, |row, ns| {
            row.detached_ns = row.detached_ns.saturating_sub(ns);
        });
    }

    /// Turns the first `spent_ns` of a thread's last detached interval into waiting.
    pub(crate) fn switch_wait(&mut self, at: u32, spent_ns: u64) {
        let record = &self.records[at as usize];
        let (from, to) = match record.state {
            State::Unknown => return self.ignored += 1,
            State::Detached => (
                record.since,
                record.since.saturating_add(spent_ns).min(LAST_NS),
            ),
            _ => {
                let (start, end) = record.detached;
                (start, end.min(start.saturating_add(spent_ns)))
            }
        };
        let now = self.advance(to);
        let record = &mut self.records[at as usize];
        record.book(now);
        record.counts.switch_wait_ns += to - from;
        match record.state {
            State::Detached => record.since = to,
            _ => record.detached.0 = to,
        }
        self.reclassify(at, from, to);
    }

    /// Turns booked detached time into hand-off.
    fn reclassify(&mut self, at: u32, from: u64, to: u64) {
        let begin = self.slice_begin();
        let record = &mut self.records[at as usize];
        let recent = to
            .saturating_sub(from.max(begin))
            .min(record.slice.detached);
        record.slice.detached -= recent;
        record.slice.waiting += recent;
        let old = to
            .min(begin)
            .saturating_sub(from)
            .min(record.closed.detached);
        record.closed.detached -= old;
        record.closed.waiting += old;
        self.amend(at, from, to, |row, ns| {
            let ns = ns.min(row.detached_ns);
            row.detached_ns -= ns;
            row.waiting_ns += ns;
            row.handoff_ns += ns;
        });
    }

    fn slice_begin(&self) -> u64 {
        self.timeline.as_ref().map_or(0, |t| t.begin)
    }

    fn amend(&mut self, at: u32, from: u64, to: u64, change: impl FnMut(&mut SliceThread, u64)) {
        let id = self.records[at as usize].id;
        if let Some(timeline) = self.timeline_mut() {
            timeline.amend(id, from, to, change);
            self.edge = timeline.edge;
        }
    }

    /// Adds the record of an ended thread to that of its group, and frees it.
    pub(crate) fn fold(&mut self, at: u32, group: u32) {
        self.pairs.fold(&mut self.records, at, group);
        let thread = std::mem::take(&mut self.records[at as usize]);
        let group = &mut self.records[group as usize];
        group.absorb(&thread);
        let windows = self.windows.iter_mut().map(|window| &mut window.worst);
        for worst in windows.chain([&mut self.worst]) {
            worst.rename(thread.id, group.id);
        }
        let id = group.id;
        if let Some(timeline) = self.timeline_mut() {
            timeline.fold(thread.id, id);
        }
    }

    fn timeline_mut(&mut self) -> Option<&mut Timeline> {
        self.timeline.as_mut().map(Arc::make_mut)
    }

    /// From `at_ns` on, which may be behind the latest event, the worst holds of this window
    /// are kept, too.
    pub(super) fn open_window(&mut self, number: u64, at_ns: u64) {
        let unweighed_ns = match (self.holder, self.waiters.len()) {
            (None | Some(UNKNOWN), _) | (_, 0) => 0,
            _ => at_ns.saturating_sub(self.demanded),
        };
        self.windows.push(Window {
            number,
            began_ns: self.latest,
            before_ns: self.hold.contended_ns + unweighed_ns,
            longest_ns: 0,
            worst: Worst::default(),
        });
    }

    /// For how long a hold has kept others waiting in a window, at most, of those that ended.
    pub(super) fn worst_hold_ns(&self, window: u64) -> Option<u64> {
        let window = self.windows.iter().find(|open| open.number == window)?;
        Some(window.longest_ns)
    }

    /// A copy, without the history before this window, if it is open.
    pub(super) fn copy_in(&self, window: Option<u64>) -> Self {
        let mut copy = self.clone();
        let open = self.windows.iter().find(|it| Some(it.number) == window);
        if let Some((timeline, open)) = copy.timeline.as_mut().zip(open) {
            *timeline = Arc::new(timeline.since(open.began_ns));
        }
        copy
    }

    /// Closes what is open, at `now` or at the latest event.
    pub(crate) fn settle(&mut self, now: u64) {
        let now = self.advance(now);
        self.charge(now);
        self.weigh(now);
        self.records.iter_mut().for_each(|record| record.book(now));
        match self.holder {
            None => self.gil.free_ns += now - self.charged,
            Some(UNKNOWN) => {}
            Some(holder) => {
                let held = now - self.records[holder as usize].since;
                self.gil.holding_ns += held;
                self.hold.duration_ns = held;
                self.offer(self.hold.clone());
                self.book_overrun(holder, now);
            }
        }
        for &waiter in &self.waiters {
            let mut touched = std::mem::take(&mut self.records[waiter as usize].touched);
            self.pairs.close(&mut touched);
        }
    }
}

/// What a thread did in the slice in progress.
fn row(record: &Record) -> SliceThread {
    SliceThread {
        thread: record.id,
        holding_ns: record.slice.holding,
        waiting_ns: record.slice.waiting,
        detached_ns: record.slice.detached,
        handoff_ns: record.slice.waiting.saturating_sub(record.charged),
    }
}
