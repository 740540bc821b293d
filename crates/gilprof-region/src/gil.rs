//! One GIL's exact sums and its present state, in place.

use crate::hist::{HistCell, add};
use crate::ring::Head;
use crate::sync::{AtomicU32, AtomicU64, Ordering, Ordering::Relaxed, fence};

/// `GilCell::holder` when nobody holds the GIL; else the holder's slot + 1.
pub(crate) const NOBODY: u32 = 0;
/// `GilCell::holder` when a thread that has no slot holds the GIL.
pub(crate) const STRANGER: u32 = u32::MAX;

/// One GIL. Written under that GIL's mutex.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct GilCell {
    /// Odd while an event is being booked.
    pub(crate) sequence: AtomicU64,
    /// How many events were posted to this GIL's ring.
    pub(crate) head: Head,
    /// From which head on the reader is to be woken; it sets it.
    pub(crate) ring_at: AtomicU64,
    pub(crate) holder: AtomicU32,
    /// Whether a waiter has asked for the GIL during the present hold.
    pub(crate) requested: AtomicU32,
    /// The thread id of the last holder.
    pub(crate) last_holder: AtomicU32,
    /// Slot + 1 of the thread that ended last and is not booked yet.
    pub(crate) ended_inbox: AtomicU32,
    /// Up to when the waiting is booked; means nothing while nobody waits.
    pub(crate) last_ns: AtomicU64,
    /// When the GIL was last taken or released.
    pub(crate) turned_ns: AtomicU64,
    pub(crate) waiters: AtomicU64,
    /// ∫ waiters dt over the present hold.
    pub(crate) hold_cost_ns: AtomicU64,
    pub(crate) holding_ns: AtomicU64,
    pub(crate) acquisitions: AtomicU64,
    pub(crate) switches: AtomicU64,

    /// ∫ waiters dt over the holds that are over.
    pub(crate) caused_ns: AtomicU64,
    /// ∫ waiters dt while the GIL was free.
    pub(crate) handoff_ns: AtomicU64,
    /// Σ of its threads' switch waits.
    pub(crate) switch_wait_ns: AtomicU64,
    pub(crate) drop_requests: AtomicU64,
    pub(crate) waits: AtomicU64,
    pub(crate) waiters_max: AtomicU64,
    /// Zero for a GIL that is not in use.
    pub(crate) born_ns: AtomicU64,
    /// Takes without a release between them, and the other way round.
    pub(crate) anomalies: AtomicU64,
    /// The first and the last ended thread that still has its own row:
    /// slot + 1, 0 for none. Linked through `ThreadCell::next`.
    pub(crate) ended_first: AtomicU32,
    pub(crate) ended_last: AtomicU32,
    /// How many they are.
    pub(crate) ended_kept: AtomicU32,

    pub(crate) hold: HistCell,
    pub(crate) wait: HistCell,
    pub(crate) handoff: HistCell,
}

impl GilCell {
    #[inline(always)]
    pub(crate) fn is_held(&self) -> bool {
        self.holder.load(Relaxed) != NOBODY
    }

    /// Whether nobody waits and no thread's end is left to be booked.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn is_calm(&self) -> bool {
        self.waiters.load(Relaxed) == 0 && self.ended_inbox.load(Relaxed) == 0
    }

    /// Marks the cell as being written.
    ///
    /// The store is followed by a compiler fence only: a thread that wants to
    /// know that no writer is at work stops new ones first and then has the
    /// kernel issue a barrier on all of them (`membarrier`).
    // Must not allocate.
    #[inline(always)]
    pub fn enter(&self) {
        // Whatever a killed or a forked writer has left here becomes odd.
        let sequence = self.sequence.load(Relaxed) | 1;
        self.sequence.store(sequence, Relaxed);
        // Pairs with the acquire fence in `Cut`: whoever sees a store made
        // from here on also sees the odd number.
        fence(Ordering::Release);
    }

    /// Ends what [`GilCell::enter`] began.
    // Must not allocate.
    #[inline(always)]
    pub fn leave(&self) {
        let sequence = self.sequence.load(Relaxed);
        // Pairs with the acquire load of `sequence` in `Cut`.
        self.sequence
            .store(sequence.wrapping_add(1), Ordering::Release);
    }

    /// Whether a writer is between `enter` and `leave`.
    pub fn is_entered(&self) -> bool {
        // Pairs with the release store in `leave`.
        self.sequence.load(Ordering::Acquire) % 2 == 1
    }

    /// For how long the GIL was free in all, up to `now_ns`.
    pub(crate) fn free_until(&self, now_ns: u64) -> u64 {
        let held = match self.is_held() {
            true => now_ns - self.turned_ns.load(Relaxed),
            false => 0,
        };
        let life = now_ns - self.born_ns.load(Relaxed);
        life - self.holding_ns.load(Relaxed) - held
    }

    /// Books ∫ waiters dt up to `now_ns`; gives back the time of the event,
    /// which is never before the last one's.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn tick(&self, now_ns: u64) -> u64 {
        let now = now_ns.max(self.turned_ns.load(Relaxed));
        match self.waiters.load(Relaxed) {
            0 => now,
            waiters => self.charge_waiters(waiters, now),
        }
    }

    fn charge_waiters(&self, waiters: u64, now: u64) -> u64 {
        let last = self.last_ns.load(Relaxed);
        let now = now.max(last);
        let sum = match self.is_held() {
            true => &self.hold_cost_ns,
            false => &self.handoff_ns,
        };
        add(sum, waiters * (now - last));
        self.last_ns.store(now, Relaxed);
        now
    }
}
