//! What is being booked for one thread.

use crate::overrun::Overrun;
use crate::state::State;

/// Nanoseconds in each state.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    pub(crate) holding: u64,
    pub(crate) waiting: u64,
    pub(crate) detached: u64,
}

impl Times {
    #[inline]
    pub(crate) fn add(&mut self, state: State, ns: u64) {
        match state {
            State::Holding => self.holding += ns,
            State::Waiting => self.waiting += ns,
            State::Detached => self.detached += ns,
            State::Ended | State::Unknown => {}
        }
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        self.holding += other.holding;
        self.waiting += other.waiting;
        self.detached += other.detached;
    }

    pub(crate) fn total(self) -> u64 {
        self.holding + self.waiting + self.detached
    }
}

/// How often a thread did what.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) acquisitions: u64,
    pub(crate) contended: u64,
    pub(crate) waits: u64,
    pub(crate) drop_requests: u64,
    pub(crate) switch_wait_ns: u64,
}

/// What is being booked for one thread, or for a group of ended ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    pub(crate) id: u64,
    /// Its slot; `None` for a group.
    pub(crate) slot: Option<u16>,
    pub(crate) state: State,
    /// When the state began.
    pub(crate) since: u64,
    /// Up to when time is booked; at least the begin of the slice in progress.
    pub(crate) mark: u64,
    /// Whether the state began unseen, so that its duration is not known.
    pub(crate) partial: bool,
    /// Where in the list of waiters it stands while it waits.
    pub(crate) place: u32,
    /// Times of the slice in progress.
    pub(crate) slice: Times,
    /// Of `slice.waiting`, what was charged to holders; set when a slice is closed.
    pub(crate) charged: u64,
    /// Times of the slices that are closed.
    pub(crate) closed: Times,
    pub(crate) counts: Counts,
    pub(crate) overrun: Overrun,
    /// The last detached interval that has ended, less its switch wait.
    pub(crate) detached: (u64, u64),
    /// Cells its open wait was charged to.
    pub(crate) touched: Vec<u32>,
    /// Cells it is the waiter or the holder of.
    pub(crate) cells: Vec<u32>,
    pub(crate) ended: bool,
    pub(crate) members: u64,
}

impl Record {
    pub(crate) fn new(id: u64, state: State, since: u64) -> Self {
        Self {
            id,
            state,
            since,
            mark: since,
            members: 1,
            ..Self::default()
        }
    }

    /// Books the time up to `now` on the present state.
    #[inline]
    pub(crate) fn book(&mut self, now: u64) {
        self.slice.add(self.state, now.saturating_sub(self.mark));
        self.mark = now;
    }

    /// Books up to `now`, then begins another state there.
    #[inline]
    pub(crate) fn turn(&mut self, state: State, now: u64) {
        self.book(now);
        if self.state == State::Detached {
            self.detached = (self.since, now);
        }
        self.state = state;
        self.since = now;
        self.partial = false;
    }

    pub(crate) fn times(&self) -> Times {
        let mut times = self.closed;
        times.absorb(self.slice);
        times
    }

    /// Adds the sums of a thread that is folded into this group.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.slice.absorb(other.slice);
        self.closed.absorb(other.closed);
        self.counts.acquisitions += other.counts.acquisitions;
        self.counts.contended += other.counts.contended;
        self.counts.waits += other.counts.waits;
        self.counts.drop_requests += other.counts.drop_requests;
        self.counts.switch_wait_ns += other.counts.switch_wait_ns;
        self.overrun.add(other.overrun);
        self.members += other.members;
    }
}
