//! Events of one GIL, folded into exact sums.
//!
//! Each thread is in one state at a time, and each event ends an interval of one and
//! begins another. Waiting is charged when a hold ends: each open wait is charged to
//! the holder for the part that overlaps the hold. What is left of a wait when it
//! ends was hand-off. Time is booked into the slice of the history in progress, and
//! goes to the sums when the slice ends.

mod account;
mod book;
mod pairs;
mod record;
mod spans;
mod tally;
mod timeline;
mod worst;

pub use account::{Account, Charges};

use crate::event::{Event, EventKind, FLAG_REQUESTED};
use crate::state::State;
use book::{Book, UNKNOWN};
use record::Record;
use rustc_hash::FxHashMap;
pub(crate) use spans::Spans;
use tally::Tallies;

/// No record.
const NONE: u32 = u32::MAX;

/// Events of one GIL, folded into exact sums. Give it every event of the GIL in the
/// order of the ring, and ask it with [`Ledger::at`].
///
/// Whether the GIL is held is unknown until its first acquire, release or rebirth.
#[derive(Debug)]
pub struct Ledger {
    book: Book,
    /// Durations, by record.
    tallies: Vec<Tallies>,
    /// The record of the thread in each slot.
    slots: Vec<u32>,
    /// Records of threads that have ended and are not folded.
    ended: FxHashMap<u64, u32>,
    /// Records of groups.
    groups: FxHashMap<u64, u32>,
    /// Records that are free.
    free: Vec<u32>,
}

impl Ledger {
    /// A ledger for the GIL of this index.
    pub fn new(gil: u32) -> Self {
        Self {
            book: Book::new(gil),
            tallies: vec![Tallies::new()],
            slots: Vec::new(),
            ended: FxHashMap::default(),
            groups: FxHashMap::default(),
            free: Vec::new(),
        }
    }

    /// A ledger that lists each hold and each wait; see [`Ledger::into_spans`].
    pub(crate) fn listing(gil: u32) -> Self {
        let mut ledger = Self::new(gil);
        ledger.book.spans = Some(Spans::default());
        ledger
    }

    /// The holds and waits that have ended, in that order, and began among the events.
    pub(crate) fn into_spans(self) -> Spans {
        self.book.spans.unwrap_or_default()
    }

    /// Folds in the next event. One that contradicts what is known is counted as
    /// ignored; one whose time runs backwards counts at the latest time seen.
    #[inline]
    pub fn apply(&mut self, event: Event) {
        self.book.events += 1;
        if event.thread == 0 && event.kind != EventKind::Reborn {
            return self.book.ignored += 1;
        }
        match event.kind {
            EventKind::Wait => self.wait(event),
            EventKind::Acquire => self.acquire(event),
            EventKind::Release => self.release(event),
            EventKind::DropRequest => self.drop_request(event),
            EventKind::SwitchWait => self.switch_wait(event),
            EventKind::ThreadEnd => self.thread_end(event),
            EventKind::Fold => self.fold(event),
            EventKind::Reborn => self.reborn(event),
            EventKind::Begin => self.begin(event),
        }
    }

    /// Notes that events were lost here: states are unknown until threads are seen
    /// again, and the time until then is in no sum.
    pub fn lost(&mut self, count: u64) {
        let now = self.book.latest;
        self.book.lost += count;
        self.book.charge(now);
        while let Some(&waiter) = self.book.waiters.last() {
            self.end_wait(waiter, now, State::Unknown);
        }
        if let Some(holder) = self.book.holder.filter(|&holder| holder != UNKNOWN) {
            self.book.records[holder as usize].partial = true;
            self.end_hold(holder, now, false);
        }
        self.book.hide(now);
    }

    /// What is known at `now_ns`, open intervals closed there. An instant before the
    /// latest event counts as that.
    pub fn at(&self, now_ns: u64) -> Account {
        let mut book = self.book.clone();
        book.settle(now_ns);
        book.account(&self.tallies)
    }

    /// Who waited for whom until `now_ns`, without what each thread did by itself: a
    /// part of [`Ledger::at`], in a fraction of its time. Its holds are those of the window
    /// of this number, if it is open, and its history begins with the slice in which that
    /// was opened; else they are those of the whole time.
    pub fn charges_at(&self, now_ns: u64, window: Option<u64>) -> Charges {
        let mut book = self.book.copy_in(window);
        book.settle(now_ns);
        book.charges(window)
    }

    /// From `at_ns` on, until it is closed, the worst holds of a window are kept, too.
    pub fn open_window(&mut self, number: u64, at_ns: u64) {
        self.book.open_window(number, at_ns);
    }

    /// For how long in ns a hold kept others waiting in an open window, at most, of those that
    /// ended in it; `None` if there is no such window.
    pub fn worst_hold_ns(&self, window: u64) -> Option<u64> {
        self.book.worst_hold_ns(window)
    }

    /// Forgets the holds of a window.
    pub fn close_window(&mut self, number: u64) {
        self.book.windows.retain(|open| open.number != number);
    }

    /// The record of the event's thread, which is made where there is none.
    #[inline]
    fn record_of(&mut self, event: Event) -> u32 {
        if let Some(at) = self.in_slot(event) {
            return at;
        }
        self.admit(event, State::Unknown, self.book.latest)
    }

    /// Puts a new thread into its slot, whose former thread has ended.
    #[cold]
    fn admit(&mut self, event: Event, state: State, since: u64) -> u32 {
        let slot = event.slot as usize;
        if slot >= self.slots.len() {
            self.slots.resize(slot + 1, NONE);
        }
        let former = self.slots[slot];
        if former != NONE {
            self.end(former, self.book.latest);
        }
        let mut record = Record::new(event.thread.into(), state, since);
        record.slot = Some(event.slot);
        let at = self.allot(record);
        self.slots[slot] = at;
        at
    }

    fn allot(&mut self, record: Record) -> u32 {
        match self.free.pop() {
            Some(at) => {
                self.book.records[at as usize] = record;
                at
            }
            None => {
                self.book.records.push(record);
                self.tallies.push(Tallies::new());
                self.book.records.len() as u32 - 1
            }
        }
    }

    #[inline]
    fn wait(&mut self, event: Event) {
        let now = self.book.advance(event.time_ns);
        let at = self.record_of(event);
        match self.book.records[at as usize].state {
            State::Waiting | State::Ended => return self.book.ignored += 1,
            State::Holding => {
                self.book.charge(now);
                self.end_hold(at, now, false);
            }
            State::Detached | State::Unknown => {}
        }
        self.book.begin_wait(at, now);
        self.book.records[at as usize].counts.waits += 1;
    }

    #[inline]
    fn acquire(&mut self, event: Event) {
        let now = self.book.advance(event.time_ns);
        let at = self.record_of(event);
        let state = self.book.records[at as usize].state;
        if matches!(state, State::Holding | State::Ended) {
            return self.book.ignored += 1;
        }
        self.book.charge(now);
        if let Some(other) = self.book.holder.filter(|&other| other != UNKNOWN) {
            self.end_hold(other, now, false);
        }
        if state == State::Waiting {
            self.book.records[at as usize].counts.contended += 1;
            self.end_wait(at, now, State::Holding);
        }
        self.book.begin_hold(at, now);
    }

    #[inline]
    fn release(&mut self, event: Event) {
        let now = self.book.advance(event.time_ns);
        let at = self.record_of(event);
        if self.book.holder == Some(at) {
            self.book.charge(now);
            self.end_hold(at, now, event.flags & FLAG_REQUESTED != 0);
        } else {
            self.release_unseen(at, now);
        }
    }

    /// A release of a hold that began unseen.
    #[cold]
    fn release_unseen(&mut self, at: u32, now: u64) {
        let record = &mut self.book.records[at as usize];
        let state = record.state;
        if state == State::Unknown {
            record.turn(State::Detached, now);
        }
        let plausible = matches!(state, State::Unknown | State::Detached);
        if plausible && self.book.holder == Some(UNKNOWN) {
            self.book.charge(now);
            self.book.set_free(now);
        } else {
            self.book.ignored += 1;
        }
    }

    fn drop_request(&mut self, event: Event) {
        let now = self.book.advance(event.time_ns);
        let at = self.record_of(event);
        let record = &mut self.book.records[at as usize];
        record.counts.drop_requests += 1;
        if record.state == State::Unknown {
            self.book.begin_wait(at, now);
            self.book.records[at as usize].partial = true;
        }
        self.book.ask(at, now);
    }

    fn switch_wait(&mut self, event: Event) {
        let at = self.record_of(event);
        self.book.switch_wait(at, event.time_ns);
    }

    fn thread_end(&mut self, event: Event) {
        let at = self.record_of(event);
        self.end(at, event.time_ns);
    }

    /// Ends a thread, if it has not ended. One that is detached may have ended in the
    /// past; a wait or a hold lasts until now.
    fn end(&mut self, at: u32, end_ns: u64) {
        let now = self.book.advance(end_ns);
        match self.book.records[at as usize].state {
            State::Ended => return,
            State::Waiting => {
                self.book.charge(now);
                self.end_wait(at, now, State::Ended);
            }
            State::Holding => {
                self.book.charge(now);
                self.end_hold(at, now, false);
            }
            State::Detached | State::Unknown => {}
        }
        self.book.end(at, end_ns);
        self.ended.insert(self.book.records[at as usize].id, at);
    }

    fn reborn(&mut self, event: Event) {
        let now = self.book.advance(event.time_ns);
        self.book.charge(now);
        while let Some(&waiter) = self.book.waiters.last() {
            self.end_wait(waiter, now, State::Detached);
        }
        match self.book.holder {
            Some(UNKNOWN) => self.book.set_free(now),
            Some(holder) => self.end_hold(holder, now, false),
            None => {}
        }
    }

    fn begin(&mut self, event: Event) {
        self.book.advance(event.time_ns);
        if self.in_slot(event).is_some() {
            return self.book.ignored += 1;
        }
        let at = self.admit(event, State::Detached, event.time_ns.min(self.book.latest));
        self.book.catch_up(at);
    }

    /// Adds an ended thread's sums to its group, and forgets the thread.
    fn fold(&mut self, event: Event) {
        let id = u64::from(event.thread);
        if let Some(living) = self.in_slot(event) {
            self.end(living, self.book.latest);
        }
        let Some(at) = self.ended.remove(&id) else {
            return self.book.ignored += 1;
        };
        self.vacate(at);
        let group = self.group(event.time_ns);
        self.book.fold(at, group);
        let thread = std::mem::replace(&mut self.tallies[at as usize], Tallies::new());
        self.tallies[group as usize].absorb(&thread);
        self.free.push(at);
    }

    /// The record of the event's thread, where it still has its slot.
    #[inline]
    fn in_slot(&self, event: Event) -> Option<u32> {
        let at = *self.slots.get(event.slot as usize)?;
        let record = self.book.records.get(at as usize)?;
        (record.id == u64::from(event.thread)).then_some(at)
    }

    /// Takes a record out of its slot, unless another thread has that by now.
    fn vacate(&mut self, at: u32) {
        let slot = self.book.records[at as usize].slot;
        let entry = slot.and_then(|slot| self.slots.get_mut(slot as usize));
        if let Some(entry) = entry.filter(|entry| **entry == at) {
            *entry = NONE;
        }
    }

    fn group(&mut self, id: u64) -> u32 {
        if let Some(&at) = self.groups.get(&id) {
            return at;
        }
        let mut record = Record::new(id, State::Ended, self.book.latest);
        record.ended = true;
        record.members = 0;
        let at = self.allot(record);
        self.groups.insert(id, at);
        at
    }

    /// Ends a wait that is charged up to now.
    #[inline]
    fn end_wait(&mut self, at: u32, now: u64, next: State) {
        let ended = self.book.end_wait(at, now, next);
        if let Some((wait_ns, handoff_ns)) = ended.filter(|_| next != State::Unknown) {
            let tallies = &mut self.tallies[at as usize];
            tallies.wait.record(wait_ns);
            if handoff_ns > 0 {
                tallies.handoff.record(handoff_ns);
            }
        }
    }

    /// Ends a hold that is charged up to now.
    #[inline]
    fn end_hold(&mut self, at: u32, now: u64, requested: bool) {
        if let Some(hold_ns) = self.book.end_hold(at, now, requested) {
            self.tallies[at as usize].hold.record(hold_ns);
        }
    }
}
