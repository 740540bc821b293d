//! What one thread did.

use serde::{Deserialize, Serialize};

use crate::distribution::Distribution;
use crate::state::State;

/// What one thread did, or what a group of ended threads did together.
///
/// `holding_ns + waiting_ns + detached_ns == lifetime_ns`, and `handoff_ns` is part of
/// `waiting_ns`. All times are wall time in ns and exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Our number of the thread, never reused within a recording.
    pub id: u64,
    /// The kernel's number of the thread; `None` for a group, or where not known.
    pub native_id: Option<u32>,
    /// Its name; for a group, what the names have in common.
    pub name: String,
    /// Whether it has ended.
    pub ended: bool,
    /// 1, or how many ended threads this row stands for.
    pub members: u64,
    /// Its process.
    pub pid: u32,
    /// Index of the GIL it used last.
    pub gil: u32,
    /// Time it was observed.
    pub lifetime_ns: u64,
    /// Time it had the GIL.
    pub holding_ns: u64,
    /// Time it wanted the GIL and had not got it.
    pub waiting_ns: u64,
    /// Time it did not want the GIL.
    pub detached_ns: u64,
    /// The part of `waiting_ns` in which nobody held the GIL, `switch_wait_ns`
    /// included.
    pub handoff_ns: u64,
    /// Waiting of other threads while this one held the GIL.
    pub caused_ns: u64,
    /// How often it got the GIL.
    pub acquisitions: u64,
    /// How often it got the GIL after a wait.
    pub contended: u64,
    /// How often it began to wait.
    pub waits: u64,
    /// How often its wait timed out and it asked the holder to let go.
    pub drop_requests: u64,
    /// The part of `waiting_ns` spent after a release until another thread had taken
    /// the GIL.
    pub switch_wait_ns: u64,
    /// Its state when the profile was taken.
    pub state: State,
    /// Durations of its holds that have ended.
    pub hold: Distribution,
    /// Durations of its waits that got the GIL or ended with the thread. With
    /// `switch_wait_ns` they total `waiting_ns`, but for a wait that is still open.
    pub wait: Distribution,
    /// For each of those waits, the part in which nobody held the GIL, where there
    /// was one.
    pub handoff: Distribution,
}

impl Thread {
    /// Takes away what an earlier row has. Where that has more, because it was read
    /// while an event was being booked, nothing is left.
    ///
    /// A switch wait becomes known when it is over, and an end when it is past: time the
    /// earlier row has as detached can be waiting by now, or after the end. As far as
    /// that lies before the earlier row was taken, it is not in the difference.
    pub(crate) fn subtract(&mut self, earlier: &Self) {
        let less = |own: &mut u64, old: u64| *own = own.saturating_sub(old);
        let revised = earlier.detached_ns.saturating_sub(self.detached_ns);
        let switched = self.switch_wait_ns.saturating_sub(earlier.switch_wait_ns);
        let moved = revised.min(switched);
        less(&mut self.waiting_ns, moved);
        less(&mut self.handoff_ns, moved);
        less(&mut self.switch_wait_ns, moved);
        self.lifetime_ns = self.lifetime_ns.saturating_add(revised - moved);
        less(&mut self.lifetime_ns, earlier.lifetime_ns);
        less(&mut self.holding_ns, earlier.holding_ns);
        less(&mut self.waiting_ns, earlier.waiting_ns);
        less(&mut self.detached_ns, earlier.detached_ns);
        less(&mut self.handoff_ns, earlier.handoff_ns);
        less(&mut self.caused_ns, earlier.caused_ns);
        less(&mut self.acquisitions, earlier.acquisitions);
        less(&mut self.contended, earlier.contended);
        less(&mut self.waits, earlier.waits);
        less(&mut self.drop_requests, earlier.drop_requests);
        less(&mut self.switch_wait_ns, earlier.switch_wait_ns);
        self.hold = Distribution::excess(&self.hold, &earlier.hold);
        self.wait = Distribution::excess(&self.wait, &earlier.wait);
        self.handoff = Distribution::excess(&self.handoff, &earlier.handoff);
    }
}
