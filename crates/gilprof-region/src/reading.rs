//! A few of the sums, read in nanoseconds of time: for measuring a stretch of
//! code from inside of it.

use crate::gil::GilCell;
use crate::region::Region;
use crate::sync::{Ordering, Ordering::Relaxed, fence};
use crate::thread::{Slot, ThreadCell, state};

/// Sums up to an instant; two of them subtract to what lies between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The instant, in the recording's time.
    pub at_ns: u64,
    /// Time the GIL was held.
    pub holding_ns: u64,
    /// Time spent wanting the GIL.
    pub waiting_ns: u64,
    /// Time spent without wanting it; zero for a whole process, where it means
    /// nothing.
    pub detached_ns: u64,
    /// Time others waited while it had the GIL, summed over the others.
    pub caused_ns: u64,
    /// How often the GIL was taken.
    pub acquisitions: u64,
    /// How many waits began.
    pub waits: u64,
}

impl Reading {
    /// What happened since an earlier reading of the same sums.
    pub fn since(&self, earlier: &Reading) -> Reading {
        Reading {
            at_ns: self.at_ns.saturating_sub(earlier.at_ns),
            holding_ns: self.holding_ns.saturating_sub(earlier.holding_ns),
            waiting_ns: self.waiting_ns.saturating_sub(earlier.waiting_ns),
            detached_ns: self.detached_ns.saturating_sub(earlier.detached_ns),
            caused_ns: self.caused_ns.saturating_sub(earlier.caused_ns),
            acquisitions: self.acquisitions.saturating_sub(earlier.acquisitions),
            waits: self.waits.saturating_sub(earlier.waits),
        }
    }

    fn add(self, other: Reading) -> Reading {
        Reading {
            at_ns: self.at_ns.max(other.at_ns),
            holding_ns: self.holding_ns + other.holding_ns,
            waiting_ns: self.waiting_ns + other.waiting_ns,
            detached_ns: 0,
            caused_ns: self.caused_ns + other.caused_ns,
            acquisitions: self.acquisitions + other.acquisitions,
            waits: self.waits + other.waits,
        }
    }
}

impl Region {
    /// The sums of the calling thread, whose slot this is, while it is in no
    /// hook: nobody else writes them. Its three states add up to its lifetime so far.
    pub fn own_reading(&self, slot: Slot, now: impl Fn() -> u64) -> Option<Reading> {
        let thread = self.thread(slot)?;
        let held = thread.is_holding().then(|| thread.gil.load(Relaxed));
        let held = held.and_then(|gil| self.gil(gil));
        let (now_ns, cost_ns) = held.map_or_else(|| (now(), 0), |gil| gil.hold_cost(slot, &now));
        let mut reading = thread.reading(now_ns);
        reading.caused_ns += cost_ns;
        Some(reading)
    }

    /// The sums over all GILs.
    pub fn process_reading(&self, now: impl Fn() -> u64) -> Reading {
        (0..self.gils())
            .filter_map(|gil| self.gil(gil))
            .map(|cell| cell.reading(&now))
            .fold(Reading::default(), Reading::add)
    }
}

impl ThreadCell {
    fn reading(&self, now_ns: u64) -> Reading {
        // An event can be a little ahead of the clock of another CPU.
        let since_ns = self.since_ns.load(Relaxed);
        let at_ns = now_ns.max(since_ns);
        let open = at_ns - since_ns;
        let mut reading = Reading {
            at_ns,
            holding_ns: self.holding_ns.load(Relaxed),
            waiting_ns: self.waiting_ns.load(Relaxed),
            detached_ns: self.detached_ns.load(Relaxed),
            caused_ns: self.caused_ns.load(Relaxed),
            acquisitions: self.acquisitions.load(Relaxed),
            waits: self.waits.load(Relaxed),
        };
        match self.state.load(Relaxed) {
            state::HOLDING => reading.holding_ns += open,
            state::WAITING => reading.waiting_ns += open,
            _ => {
                // Its next event books it so, too.
                let switch = self.switch_wait_until(at_ns).min(open);
                reading.waiting_ns += switch;
                reading.detached_ns += open - switch;
            }
        }
        reading
    }
}

impl GilCell {
    fn reading(&self, now: &impl Fn() -> u64) -> Reading {
        self.between_events(|| self.try_reading(now()))
    }

    /// The time, and what the hold in progress has cost the others by then, if the thread
    /// in `slot` has the GIL.
    fn hold_cost(&self, slot: Slot, now: &impl Fn() -> u64) -> (u64, u64) {
        self.between_events(|| {
            let now_ns = now();
            let own = self.holder.load(Relaxed) == slot.0.wrapping_add(1);
            let since = now_ns.saturating_sub(self.last_ns.load(Relaxed));
            let waited = self.waiters.load(Relaxed).saturating_mul(since);
            let cost = self.hold_cost_ns.load(Relaxed).saturating_add(waited);
            (now_ns, if own { cost } else { 0 })
        })
    }

    /// What `read` reads while no event comes in. Retried; the last try is taken as it is.
    fn between_events<T>(&self, read: impl Fn() -> T) -> T {
        const TRIES: usize = 1_000;
        let mut tries = 0;
        loop {
            // Pairs with the release store in `leave`.
            let before = self.sequence.load(Ordering::Acquire);
            let found = read();
            // Pairs with the release fence in `enter`.
            fence(Ordering::Acquire);
            let is_whole = before.is_multiple_of(2) && self.sequence.load(Relaxed) == before;
            tries += 1;
            if is_whole || tries == TRIES {
                return found;
            }
        }
    }

    fn try_reading(&self, now_ns: u64) -> Reading {
        let held = self.is_held();
        let open = now_ns.saturating_sub(self.turned_ns.load(Relaxed));
        let since = now_ns.saturating_sub(self.last_ns.load(Relaxed));
        let waited = self.waiters.load(Relaxed).saturating_mul(since);
        let caused_ns = self.caused_ns.load(Relaxed) + self.hold_cost_ns.load(Relaxed);
        Reading {
            at_ns: now_ns,
            holding_ns: self.holding_ns.load(Relaxed) + if held { open } else { 0 },
            waiting_ns: caused_ns
                + self.handoff_ns.load(Relaxed)
                + self.switch_wait_ns.load(Relaxed)
                + waited,
            detached_ns: 0,
            caused_ns: caused_ns + if held { waited } else { 0 },
            acquisitions: self.acquisitions.load(Relaxed),
            waits: self.waits.load(Relaxed),
        }
    }
}
