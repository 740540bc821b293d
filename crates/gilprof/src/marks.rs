//! Windows that begin and end between two readings of the events. Who opens or gives up one
//! says so here, and neither reads events nor waits for those who do.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use gilprof_region::Region;

use crate::engine::lock;

/// The number of a window, which no other window of this process has.
pub(crate) fn fresh_number() -> u64 {
    // The child of a fork goes on counting: it may have the users of its parent's.
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}

/// How much had been posted to a region at some time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heads {
    pub(crate) stacks: u64,
    /// Events, by GIL.
    pub(crate) events: Vec<u64>,
}

impl Heads {
    pub(crate) fn of(region: &Region) -> Self {
        // A thread's last stack is posted before its row is folded.
        let stacks = region.stacks().posted();
        let rings = (0..region.gils()).map(|gil| region.ring(gil));
        let events = rings.map(|ring| ring.map_or(0, |ring| ring.posted()));
        Heads {
            stacks,
            events: events.collect(),
        }
    }

    /// Whether it has no event that the other one has not.
    fn is_within(&self, other: &Heads) -> bool {
        let others = other.events.iter().copied().chain(std::iter::repeat(0));
        self.events
            .iter()
            .zip(others)
            .all(|(&own, other)| own <= other)
    }
}

/// Where a window begins.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) number: u64,
    pub(crate) heads: Heads,
    /// When, on the recording's clock.
    pub(crate) at_ns: u64,
}

/// What happened to windows since the events were read last.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// In the order of time.
    pub(crate) begun: Vec<Mark>,
    /// The numbers of those that nobody asks for any more.
    pub(crate) given_up: Vec<u64>,
}

/// Where windows of the recording begin.
#[derive(Debug, Default)]
pub(crate) struct Marks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// What this process reads, if it reads anything.
    region: Option<&'static Region>,
    changes: Changes,
}

impl Marks {
    /// From now on, somebody reads this region.
    pub(crate) fn follow(&self, region: &'static Region) {
        *lock(&self.0) = State {
            region: Some(region),
            changes: Changes::default(),
        };
    }

    /// Nobody reads any more: windows that are open end without an answer.
    pub(crate) fn forget(&self) {
        *lock(&self.0) = State::default();
    }

    /// The number of a window that begins now; `None` where nobody reads.
    pub(crate) fn begin(&self) -> Option<u64> {
        let mut state = lock(&self.0);
        let region = state.region?;
        let mark = Mark {
            number: fresh_number(),
            heads: Heads::of(region),
            at_ns: region.clock().now_ns(),
        };
        let number = mark.number;
        state.changes.begun.push(mark);
        Some(number)
    }

    /// Nobody wants to know of this window any more.
    pub(crate) fn give_up(&self, number: u64) {
        let mut state = lock(&self.0);
        let begun = &mut state.changes.begun;
        match begun.iter().position(|mark| mark.number == number) {
            Some(at) => drop(begun.remove(at)),
            None if state.region.is_some() => state.changes.given_up.push(number),
            None => (),
        }
    }

    /// What happened since this was asked last. Windows that begin behind `heads` are left
    /// for the next time.
    pub(crate) fn take(&self, heads: &Heads) -> Changes {
        let changes = &mut lock(&self.0).changes;
        // They are in the order of time.
        let begun = &mut changes.begun;
        let within = begun.partition_point(|mark| mark.heads.is_within(heads));
        Changes {
            begun: begun.drain(..within).collect(),
            given_up: std::mem::take(&mut changes.given_up),
        }
    }
}

#[cfg(test)]
mod tests {
    use gilprof_region::{Moment, Sizes, Weights, Writer};

    use super::*;

    fn region() -> &'static Region {
        let region = Box::leak(Box::new(Region::own(Sizes::default()).unwrap()));
        region.new_gil();
        region
    }

    /// A stack and an event.
    fn post(region: &Region) {
        let none = std::iter::empty();
        let stacks = region.stacks();
        stacks.post(1, Moment::Acquire, Weights::default(), none);
        let writer = Writer::new(region, 0).unwrap();
        writer.cell().enter();
        writer.born(1);
        writer.cell().leave();
    }

    fn begun(changes: &Changes) -> Vec<(Option<u64>, u64)> {
        let begun = changes.begun.iter();
        begun
            .map(|mark| (Some(mark.number), mark.heads.stacks))
            .collect()
    }

    #[test]
    fn a_window_begins_at_what_had_been_posted() {
        let (marks, region) = (Marks::default(), region());
        marks.follow(region);
        post(region);
        let first = marks.begin();
        post(region);
        let second = marks.begin();
        let now = Heads::of(region);
        assert_eq!(begun(&marks.take(&now)), [(first, 1), (second, 2)]);
        assert_eq!(begun(&marks.take(&now)), []);
    }

    #[test]
    fn one_that_begins_behind_what_is_read_is_left_for_the_next_time() {
        let (marks, region) = (Marks::default(), region());
        marks.follow(region);
        let first = marks.begin();
        let then = Heads::of(region);
        post(region);
        let second = marks.begin();
        assert_eq!(begun(&marks.take(&then)), [(first, 0)]);
        assert_eq!(begun(&marks.take(&Heads::of(region))), [(second, 1)]);
    }

    #[test]
    fn one_that_is_given_up_before_it_is_seen_never_begins() {
        let (marks, region) = (Marks::default(), region());
        marks.follow(region);
        let (first, second) = (marks.begin().unwrap(), marks.begin().unwrap());
        marks.give_up(first);
        let changes = marks.take(&Heads::of(region));
        assert_eq!((changes.begun.len(), changes.given_up.len()), (1, 0));
        marks.give_up(second);
        assert_eq!(marks.take(&Heads::default()).given_up, [second]);
    }

    #[test]
    fn where_nobody_reads_no_window_begins() {
        let (marks, region) = (Marks::default(), region());
        assert_eq!(marks.begin(), None);
        marks.follow(region);
        let number = marks.begin().unwrap();
        marks.forget();
        marks.give_up(number);
        let changes = marks.take(&Heads::of(region));
        assert!(changes.begun.is_empty() && changes.given_up.is_empty());
        assert_eq!(marks.begin(), None);
    }
}
