//! The scalars of a cell, as they were read.

use crate::cpu::{CpuCell, LastReading};
use crate::gil::{GilCell, NOBODY};
use crate::sync::Ordering::Relaxed;
use crate::thread::ThreadCell;

/// The scalars of a thread's cell, as they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) state: u32,
    pub(super) since_ns: u64,
    /// The part of its detached time that no event has booked as a switch wait.
    pub(super) switch_open_ns: u64,
    pub(super) thread: ThreadSums,
    pub(super) cpu: CpuSums,
    /// The last reading of its CPU clock.
    pub(super) last: Option<LastReading>,
}

/// The sums of readings, in the order of `CpuCell`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct CpuSums {
    pub(super) stretches: u64,
    pub(super) cpu_ns: u64,
    pub(super) holding_cpu_ns: u64,
    pub(super) holding_preempted_ns: u64,
    pub(super) holding_blocked_ns: u64,
    pub(super) detached_cpu_ns: u64,
    pub(super) voluntary: u64,
    pub(super) involuntary: u64,
}

impl CpuSums {
    fn read(cell: &CpuCell) -> Self {
        CpuSums {
            stretches: cell.stretches.load(Relaxed),
            cpu_ns: cell.cpu_ns.load(Relaxed),
            holding_cpu_ns: cell.holding_cpu_ns.load(Relaxed),
            holding_preempted_ns: cell.holding_preempted_ns.load(Relaxed),
            holding_blocked_ns: cell.holding_blocked_ns.load(Relaxed),
            detached_cpu_ns: cell.detached_cpu_ns.load(Relaxed),
            voluntary: cell.voluntary.load(Relaxed),
            involuntary: cell.involuntary.load(Relaxed),
        }
    }

    /// `None` before the first stretch.
    pub(super) fn known(&self, sum: u64) -> Option<u64> {
        (self.stretches > 0).then_some(sum)
    }
}

/// The sums proper, in the order of [`ThreadCell`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ThreadSums {
    pub(super) id: u32,
    pub(super) gil: u32,
    pub(super) holding_ns: u64,
    pub(super) waiting_ns: u64,
    pub(super) detached_ns: u64,
    pub(super) handoff_ns: u64,
    pub(super) caused_ns: u64,
    pub(super) acquisitions: u64,
    pub(super) contended: u64,
    pub(super) waits: u64,
    pub(super) drop_requests: u64,
    pub(super) switch_wait_ns: u64,
    pub(super) foreign_wait_ns: u64,
    pub(super) free_at_wait_ns: u64,
    pub(super) born_ns: u64,
    pub(super) group_lifetime_ns: u64,
    pub(super) members: u64,
}

impl Sums {
    /// Whether the thread has done nothing in between.
    pub(super) fn is_same(&self, later: &Self) -> bool {
        let unopened = |sums: &Self| Sums {
            switch_open_ns: 0,
            ..*sums
        };
        unopened(self) == unopened(later)
    }

    pub(super) fn read(cell: &ThreadCell) -> Self {
        Sums {
            state: cell.state.load(Relaxed),
            since_ns: cell.since_ns.load(Relaxed),
            switch_open_ns: 0,
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
                foreign_wait_ns: cell.foreign_wait_ns.load(Relaxed),
                free_at_wait_ns: cell.free_at_wait_ns.load(Relaxed),
                born_ns: cell.born_ns.load(Relaxed),
                group_lifetime_ns: cell.group_lifetime_ns.load(Relaxed),
                members: cell.members.load(Relaxed),
            },
            cpu: CpuSums::read(&cell.cpu),
            last: cell.last_cpu_reading(),
        }
    }
}

/// The scalars of a GIL's cell, as they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct GilSums {
    pub(super) holder: u32,
    pub(super) last_ns: u64,
    pub(super) turned_ns: u64,
    pub(super) waiters: u64,
    pub(super) hold_cost_ns: u64,
    pub(super) holding_ns: u64,
    pub(super) born_ns: u64,
    /// Derived when the cut is closed: its life less what it was held.
    pub(super) free_ns: u64,
    pub(super) caused_ns: u64,
    pub(super) handoff_ns: u64,
    pub(super) switch_wait_ns: u64,
    pub(super) acquisitions: u64,
    pub(super) switches: u64,
    pub(super) drop_requests: u64,
    pub(super) waiters_max: u64,
    pub(super) anomalies: u64,
}

impl GilSums {
    pub(super) fn read(cell: &GilCell) -> Self {
        GilSums {
            holder: cell.holder.load(Relaxed),
            last_ns: cell.last_ns.load(Relaxed),
            turned_ns: cell.turned_ns.load(Relaxed),
            waiters: cell.waiters.load(Relaxed),
            hold_cost_ns: cell.hold_cost_ns.load(Relaxed),
            holding_ns: cell.holding_ns.load(Relaxed),
            born_ns: cell.born_ns.load(Relaxed),
            free_ns: 0,
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

    pub(super) fn is_held(&self) -> bool {
        self.holder != NOBODY
    }

    /// When the last event was, as far as it matters for what is open.
    pub(super) fn latest_ns(&self) -> u64 {
        match self.waiters {
            0 => self.turned_ns,
            _ => self.turned_ns.max(self.last_ns),
        }
    }

    /// Closes the open interval at `now`.
    pub(super) fn close(mut self, now: u64) -> Self {
        let cost = self
            .waiters
            .saturating_mul(now.saturating_sub(self.last_ns));
        let spent = now.saturating_sub(self.turned_ns);
        if self.is_held() {
            self.hold_cost_ns = self.hold_cost_ns.saturating_add(cost);
            self.holding_ns = self.holding_ns.saturating_add(spent);
        } else {
            self.handoff_ns = self.handoff_ns.saturating_add(cost);
        }
        let life = now.saturating_sub(self.born_ns);
        self.free_ns = life.saturating_sub(self.holding_ns);
        self
    }
}
