//! One thread's exact sums, in place.

use crate::cpu::CpuCell;
use crate::due::Due;
use crate::hist::{HistCell, add};
use crate::name::NameCell;
use crate::stacks::Weights;
use crate::sync::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// The place of a thread in the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub(crate) u32);

impl Slot {
    /// A thread that found no place.
    pub const NONE: Slot = Slot(u32::MAX);

    /// The slot with this number, as it was stored elsewhere.
    pub fn from_index(index: u32) -> Self {
        Slot(index)
    }

    /// The number of this slot.
    pub fn index(self) -> u32 {
        self.0
    }
}

/// The states as they are stored; zero is a slot that nobody uses.
pub(crate) mod state {
    pub(crate) const FREE: u32 = 0;
    pub(crate) const DETACHED: u32 = 1;
    pub(crate) const WAITING: u32 = 2;
    pub(crate) const HOLDING: u32 = 3;
    pub(crate) const ENDED: u32 = 4;
}

/// One thread, or one group of ended threads. Written by that thread under
/// the mutex of the GIL it deals with, and after its end by whoever holds
/// the mutex of the GIL it used last: one writer at any time.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct ThreadCell {
    pub(crate) id: AtomicU32,
    pub(crate) native_id: AtomicU32,
    pub(crate) state: AtomicU32,
    pub(crate) gil: AtomicU32,
    pub(crate) since_ns: AtomicU64,
    pub(crate) holding_ns: AtomicU64,
    pub(crate) detached_ns: AtomicU64,
    /// From when on an event reads the thread's CPU clock.
    pub(crate) cpu_due_ns: AtomicU64,
    pub(crate) acquisitions: AtomicU64,
    /// The switch wait since its last event: when it began, or 0 where there was
    /// none, and when it ended, or 0 while it lasts. The thread itself writes
    /// them, outside the GIL's mutex; its next event books them.
    pub(crate) switch_began_ns: AtomicU64,
    pub(crate) switch_ended_ns: AtomicU64,
    /// When stacks are taken: of holds, and of the times away from the GIL.
    pub(crate) hold_due: Due,
    pub(crate) detached_due: Due,

    pub(crate) caused_due: Due,
    pub(crate) waiting_due: Due,
    pub(crate) waiting_ns: AtomicU64,
    pub(crate) handoff_ns: AtomicU64,
    pub(crate) caused_ns: AtomicU64,
    pub(crate) contended: AtomicU64,
    pub(crate) waits: AtomicU64,
    pub(crate) drop_requests: AtomicU64,
    pub(crate) switch_wait_ns: AtomicU64,
    /// Σ of the waits in which it asked a holder of another interpreter.
    pub(crate) foreign_wait_ns: AtomicU64,
    /// The interpreter of the holder that it has asked in its present wait; 0 for none.
    pub(crate) asked_of: AtomicU64,
    /// How long the GIL had been free in all when the wait began.
    pub(crate) free_at_wait_ns: AtomicU64,
    pub(crate) born_ns: AtomicU64,
    pub(crate) end_ns: AtomicU64,
    /// Σ of the lifetimes of a group's threads.
    pub(crate) group_lifetime_ns: AtomicU64,
    /// How many ended threads this row stands for; 0 and 1 are one thread.
    pub(crate) members: AtomicU64,
    /// The next in a list of ended threads: slot + 1, 0 at the end.
    pub(crate) next: AtomicU32,
    /// 1 for a thread that was there at the start and has done nothing since;
    /// [`HOLDS_ALREADY`](crate::slots::HOLDS_ALREADY) if it has had the GIL since then.
    pub(crate) adopted: AtomicU32,
    pub(crate) name: NameCell,
    pub(crate) cpu: CpuCell,

    pub(crate) hold: HistCell,
    pub(crate) wait: HistCell,
    pub(crate) handoff: HistCell,
}

impl ThreadCell {
    /// Books the time since the last turn and enters `state`.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn turn(&self, now_ns: u64, state: u32) {
        let since = self.since_ns.load(Relaxed);
        let spent = now_ns.saturating_sub(since);
        let sum = match self.state.load(Relaxed) {
            state::HOLDING => &self.holding_ns,
            state::WAITING => &self.waiting_ns,
            _ => &self.detached_ns,
        };
        add(sum, spent);
        self.since_ns.store(since + spent, Relaxed);
        self.state.store(state, Relaxed);
    }

    /// [`ThreadCell::turn`] for a thread that waits or is detached, at a time
    /// that is not before its last turn.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn turn_to_holding(&self, now_ns: u64) {
        let spent = now_ns - self.since_ns.load(Relaxed);
        let sum = match self.is_waiting() {
            true => &self.waiting_ns,
            false => &self.detached_ns,
        };
        add(sum, spent);
        self.since_ns.store(now_ns, Relaxed);
        self.state.store(state::HOLDING, Relaxed);
    }

    /// [`ThreadCell::turn`] for the holder: it has held for as long as the GIL
    /// was held.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn turn_from_holding(&self, held_ns: u64, now_ns: u64) {
        add(&self.holding_ns, held_ns);
        self.since_ns.store(now_ns, Relaxed);
        self.state.store(state::DETACHED, Relaxed);
    }

    /// Whether it is detached and no switch wait is left to be booked.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn is_calm(&self) -> bool {
        self.state.load(Relaxed) == state::DETACHED && !self.has_switch_wait()
    }

    #[inline(always)]
    pub(crate) fn is_holding(&self) -> bool {
        self.state.load(Relaxed) == state::HOLDING
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.state.load(Relaxed) == state::WAITING
    }

    /// The thread's own number, never reused within a recording.
    pub fn id(&self) -> u32 {
        self.id.load(Relaxed)
    }

    /// The name, to be written by the thread itself or by one that has
    /// agreed with all others who would.
    pub fn name(&self) -> &NameCell {
        &self.name
    }

    /// The operating system's id of the thread.
    pub fn native_id(&self) -> u32 {
        self.native_id.load(Relaxed)
    }

    /// This thread begins to wait for somebody to take the GIL that it released.
    /// Only the thread itself may call it.
    // Must not allocate.
    pub fn begin_switch_wait(&self, now_ns: u64) {
        self.switch_began_ns.store(now_ns, Relaxed);
    }

    /// Ends what [`ThreadCell::begin_switch_wait`] began.
    // Must not allocate.
    pub fn end_switch_wait(&self, now_ns: u64) {
        self.switch_ended_ns.store(now_ns, Relaxed);
    }

    /// Whether there was a switch wait since the last event.
    #[inline(always)]
    pub(crate) fn has_switch_wait(&self) -> bool {
        self.switch_began_ns.load(Relaxed) != 0
    }

    /// The part of that switch wait up to `now_ns`.
    pub(crate) fn switch_wait_until(&self, now_ns: u64) -> u64 {
        let began = self.switch_began_ns.load(Relaxed);
        let ended = match self.switch_ended_ns.load(Relaxed) {
            0 => now_ns,
            ended => ended.min(now_ns),
        };
        match began {
            0 => 0,
            began => ended.saturating_sub(began),
        }
    }

    pub(crate) fn forget_switch_wait(&self) {
        self.switch_began_ns.store(0, Relaxed);
        self.switch_ended_ns.store(0, Relaxed);
    }

    /// Begins to take stacks whenever a sum has grown by about `every_ns`.
    // Must not allocate.
    pub(crate) fn take_stacks(&self, every_ns: u64, now_ns: u64) {
        let dues = [
            &self.hold_due,
            &self.detached_due,
            &self.caused_due,
            &self.waiting_due,
        ];
        for (salt, due) in (0..).zip(dues) {
            due.begin(every_ns, now_ns ^ salt);
        }
    }

    /// What a stack taken at an acquire would stand for.
    // Must not allocate.
    pub(crate) fn due_at_acquire(&self, every_ns: u64, now_ns: u64) -> Weights {
        Weights {
            waiting_ns: self
                .waiting_due
                .pass(self.waiting_ns.load(Relaxed), every_ns, now_ns),
            spent_ns: self
                .detached_due
                .pass(self.detached_ns.load(Relaxed), every_ns, now_ns),
            ..Weights::default()
        }
    }

    /// What a stack taken at a release would stand for.
    // Must not allocate.
    pub(crate) fn due_at_release(&self, every_ns: u64, began_ns: u64, now_ns: u64) -> Weights {
        Weights {
            waiting_ns: self
                .caused_due
                .pass(self.caused_ns.load(Relaxed), every_ns, now_ns),
            spent_ns: self
                .hold_due
                .pass(self.holding_ns.load(Relaxed), every_ns, now_ns),
            began_ns,
            held_ns: now_ns.saturating_sub(began_ns),
        }
    }

    /// Empties the cell for its next user. The histograms are empty already.
    pub(crate) fn clear(&self) {
        let others = [
            &self.since_ns,
            &self.switch_began_ns,
            &self.switch_ended_ns,
            &self.asked_of,
            &self.free_at_wait_ns,
            &self.born_ns,
            &self.end_ns,
            &self.cpu_due_ns,
        ];
        let cells = others.into_iter().chain(self.sums());
        for cell in cells.chain(self.cpu.marks()) {
            cell.store(0, Relaxed);
        }
        for cell in [
            &self.id,
            &self.native_id,
            &self.state,
            &self.next,
            &self.adopted,
        ] {
            cell.store(0, Relaxed);
        }
        self.name.write(core::iter::empty());
    }

    /// Adds this ended thread to the group `into`, and empties the cell.
    // Must not allocate.
    pub(crate) fn drain_into(&self, into: &ThreadCell) {
        for (from, to) in self.sums().zip(into.sums()) {
            add(to, from.load(Relaxed));
        }
        let lifetime = self.end_ns.load(Relaxed) - self.born_ns.load(Relaxed);
        add(&into.group_lifetime_ns, lifetime);
        add(&into.members, 1);
        self.hold.drain_into(&into.hold);
        self.wait.drain_into(&into.wait);
        self.handoff.drain_into(&into.handoff);
        self.clear();
    }

    fn sums(&self) -> impl Iterator<Item = &AtomicU64> {
        let states = [
            &self.holding_ns,
            &self.waiting_ns,
            &self.detached_ns,
            &self.acquisitions,
            &self.handoff_ns,
            &self.caused_ns,
            &self.contended,
            &self.waits,
            &self.drop_requests,
            &self.switch_wait_ns,
            &self.foreign_wait_ns,
        ];
        states.into_iter().chain(self.cpu.sums())
    }
}
