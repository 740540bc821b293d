//! Booking what happens to a GIL: exact sums, histograms and the event ring.
//!
//! Every function here runs inside a hook, under the mutex of the GIL it
//! books for. Nothing allocates, locks or formats.

use gilprof_core::{CpuReading, Event, EventKind, FLAG_REQUESTED};

use crate::gil::{GilCell, NOBODY, STRANGER};
use crate::hist::add;
use crate::region::Region;
use crate::ring::Ring;
use crate::stacks::Weights;
use crate::sync::Ordering::Relaxed;
use crate::thread::{Slot, ThreadCell, state};

/// Books for one GIL. Each call must come between [`GilCell::enter`] and
/// [`GilCell::leave`], from a thread that holds the GIL's mutex.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'r> {
    pub(crate) region: &'r Region,
    pub(crate) gil: u32,
    pub(crate) cell: &'r GilCell,
    pub(crate) ring: Ring<'r>,
}

impl<'r> Writer<'r> {
    /// A writer for the GIL with this index, or `None` past the last.
    #[inline]
    pub fn new(region: &'r Region, gil: u32) -> Option<Self> {
        Some(Writer {
            region,
            gil,
            cell: region.gil(gil)?,
            ring: region.ring(gil)?,
        })
    }

    /// The GIL's index.
    pub fn gil(&self) -> u32 {
        self.gil
    }

    /// The GIL's cell.
    pub fn cell(&self) -> &'r GilCell {
        self.cell
    }

    /// The GIL was made, or made anew at the same place: nobody holds it and
    /// nobody waits for it.
    pub fn born(&self, now_ns: u64) {
        let cell = self.cell;
        let now = self.tick(now_ns);
        match cell.born_ns.load(Relaxed) {
            0 => cell.born_ns.store(now.max(1), Relaxed),
            _ => self.close_gil(now),
        }
        cell.turned_ns.store(now, Relaxed);
        cell.waiters.store(0, Relaxed);
        self.post(EventKind::Reborn, 0, now, Slot(0), 0);
    }

    fn close_gil(&self, now: u64) {
        if self.cell.is_held() {
            let held = now - self.cell.turned_ns.load(Relaxed);
            add(&self.cell.holding_ns, held);
            self.charge_hold(self.holder());
        }
        self.cell.holder.store(NOBODY, Relaxed);
    }

    /// The thread begins to wait; false if it waits already, or has no slot.
    #[inline]
    pub fn wait(&self, slot: Slot, now_ns: u64) -> bool {
        let Some(thread) = self.region.thread(slot) else {
            return false;
        };
        if thread.is_waiting() {
            return false;
        }
        let now = self.tick(now_ns);
        self.settle(thread, slot, now);
        if thread.state.load(Relaxed) == state::HOLDING {
            // It was taken to have the GIL, and has not.
            self.abandon_hold(slot, now);
        }
        thread.gil.store(self.gil, Relaxed);
        thread.turn(now, state::WAITING);
        thread
            .free_at_wait_ns
            .store(self.cell.free_until(now), Relaxed);
        add(&thread.waits, 1);
        add(&self.cell.waits, 1);
        let waiters = self.cell.waiters.load(Relaxed) + 1;
        self.cell.last_ns.store(now, Relaxed);
        self.cell.waiters.store(waiters, Relaxed);
        if waiters > self.cell.waiters_max.load(Relaxed) {
            self.cell.waiters_max.store(waiters, Relaxed);
        }
        self.post(EventKind::Wait, thread.id(), now, slot, 0);
        true
    }

    /// A waiting thread's wait timed out and it asks for the GIL.
    #[inline]
    pub fn drop_request(&self, slot: Slot, now_ns: u64) {
        let Some(thread) = self.region.thread(slot) else {
            return;
        };
        let now = self.tick(now_ns);
        self.cell.requested.store(1, Relaxed);
        add(&self.cell.drop_requests, 1);
        add(&thread.drop_requests, 1);
        self.post(EventKind::DropRequest, thread.id(), now, slot, 0);
    }

    /// The holder that a waiting thread has just asked to let go is of this interpreter.
    // Must not allocate.
    pub fn note_asked(&self, slot: Slot, interpreter: u64) {
        if let Some(thread) = self.region.thread(slot)
            && thread.asked_of.load(Relaxed) == 0
        {
            thread.asked_of.store(interpreter, Relaxed);
        }
    }

    /// Whether it is known whom the thread has asked in its present wait.
    // Must not allocate.
    #[inline]
    pub fn has_asked(&self, slot: Slot) -> bool {
        let thread = self.region.thread(slot);
        thread.is_some_and(|thread| thread.asked_of.load(Relaxed) != 0)
    }

    /// A waiting thread that has asked is of this interpreter, or it is not known of
    /// which. Its wait ends now: [`Writer::acquire`] is next.
    // Must not allocate.
    pub fn note_answered(&self, slot: Slot, interpreter: Option<u64>, now_ns: u64) {
        let Some(thread) = self.region.thread(slot) else {
            return;
        };
        let asked_of = thread.asked_of.load(Relaxed);
        thread.asked_of.store(0, Relaxed);
        if thread.is_waiting() && interpreter.is_some_and(|own| own != asked_of) {
            let waited = now_ns.saturating_sub(thread.since_ns.load(Relaxed));
            add(&thread.foreign_wait_ns, waited);
        }
    }

    /// The thread has the GIL. [`Slot::NONE`]: a thread that has no slot. Says
    /// what a stack taken now would stand for.
    #[inline]
    pub fn acquire(&self, slot: Slot, now_ns: u64) -> Weights {
        let cell = self.cell;
        let now = self.tick(now_ns);
        if cell.is_held() {
            self.missed_release(now);
        }
        let Some(thread) = self.region.thread(slot) else {
            self.turn_to(STRANGER, now);
            return Weights::default();
        };
        // The thread may come from another GIL, whose time may be ahead.
        let now = now.max(thread.since_ns.load(Relaxed));
        self.settle(thread, slot, now);
        if thread.is_waiting() {
            self.end_wait(thread, now);
            add(&thread.contended, 1);
        }
        self.take(thread, slot, now);
        thread.due_at_acquire(self.region.stack_every_ns(), now)
    }

    /// [`Writer::acquire`] where nothing else has to be done with it: nobody
    /// waits, the thread did not either, no stack is due, and its CPU clock need not
    /// be read. Says whether that was so; if not, nothing was done. It makes no call,
    /// which is worth some nanoseconds.
    #[inline(always)]
    pub fn acquire_if_calm(&self, slot: Slot, now_ns: u64) -> bool {
        let Some(thread) = self.region.thread(slot) else {
            return false;
        };
        if self.cell.is_held() || !self.cell.is_calm() || !thread.is_calm() {
            return false;
        }
        let since = thread.since_ns.load(Relaxed);
        let now = now_ns.max(self.cell.turned_ns.load(Relaxed)).max(since);
        let detached = thread.detached_ns.load(Relaxed) + (now - since);
        if thread.detached_due.is_passed(detached) || thread.is_cpu_due(now) {
            return false;
        }
        self.take(thread, slot, now);
        true
    }

    #[inline(always)]
    fn take(&self, thread: &ThreadCell, slot: Slot, now: u64) {
        let cell = self.cell;
        self.turn_to(slot.0 + 1, now);
        thread.turn_to_holding(now);
        if thread.gil.load(Relaxed) != self.gil {
            thread.gil.store(self.gil, Relaxed);
        }
        add(&thread.acquisitions, 1);
        let id = thread.id();
        if cell.last_holder.load(Relaxed) != id {
            cell.last_holder.store(id, Relaxed);
            add(&cell.switches, 1);
        }
        self.post(EventKind::Acquire, id, now, slot, 0);
    }

    #[inline(always)]
    fn turn_to(&self, holder: u32, now: u64) {
        let cell = self.cell;
        cell.turned_ns.store(now, Relaxed);
        if cell.requested.load(Relaxed) != 0 {
            cell.requested.store(0, Relaxed);
        }
        add(&cell.acquisitions, 1);
        cell.holder.store(holder, Relaxed);
    }

    #[inline(never)]
    fn end_wait(&self, thread: &ThreadCell, now: u64) {
        let cell = self.cell;
        cell.waiters
            .store(cell.waiters.load(Relaxed).saturating_sub(1), Relaxed);
        let waited = now.saturating_sub(thread.since_ns.load(Relaxed));
        let handoff = self.handoff_of(thread, now);
        add(&thread.handoff_ns, handoff);
        thread.wait.record(waited);
        // The first GIL's histograms are derived (see `cut::derive_first`).
        if self.gil != 0 {
            cell.wait.record(waited);
        }
        if handoff != 0 {
            thread.handoff.record(handoff);
        }
        if handoff != 0 && self.gil != 0 {
            cell.handoff.record(handoff);
        }
    }

    /// The part of a thread's wait during which the GIL was free.
    #[inline]
    fn handoff_of(&self, thread: &ThreadCell, now: u64) -> u64 {
        let free_then = thread.free_at_wait_ns.load(Relaxed);
        self.cell.free_until(now).saturating_sub(free_then)
    }

    /// The holder gives the GIL up. Says which thread that was, and what a stack
    /// taken now would stand for.
    #[inline]
    pub fn release(&self, now_ns: u64) -> (Slot, Weights) {
        let now = self.tick(now_ns);
        if !self.cell.is_held() {
            // Its hold began before the recording, or it is not the owner.
            if self.cell.acquisitions.load(Relaxed) > 0 {
                add(&self.cell.anomalies, 1);
            }
            return (Slot::NONE, Weights::default());
        }
        let slot = self.holder();
        let began_ns = self.cell.turned_ns.load(Relaxed);
        self.give_up(slot, now);
        let weights = self
            .region
            .thread(slot)
            .map_or_else(Weights::default, |thread| {
                thread.due_at_release(self.region.stack_every_ns(), began_ns, now)
            });
        (slot, weights)
    }

    /// [`Writer::release`] where nobody waits; as [`Writer::acquire_if_calm`].
    #[inline(always)]
    pub fn release_if_calm(&self, now_ns: u64) -> bool {
        let slot = self.holder();
        let Some(thread) = self.region.thread(slot) else {
            return false;
        };
        let turned = self.cell.turned_ns.load(Relaxed);
        let now = now_ns.max(turned);
        let held = now - turned;
        let holding = thread.holding_ns.load(Relaxed) + held;
        if !self.cell.is_calm()
            || thread.hold_due.is_passed(holding)
            || thread.is_cpu_due_at_release(held, now)
        {
            return false;
        }
        self.give_up(slot, now);
        true
    }

    #[inline(always)]
    fn give_up(&self, slot: Slot, now: u64) {
        self.end_hold(slot, now);
        if let Some(thread) = self.region.thread(slot) {
            let flags = match self.cell.requested.load(Relaxed) {
                0 => 0,
                _ => FLAG_REQUESTED,
            };
            self.post(EventKind::Release, thread.id(), now, slot, flags);
        }
    }

    #[inline(always)]
    fn end_hold(&self, slot: Slot, now: u64) {
        let cell = self.cell;
        let held = now - cell.turned_ns.load(Relaxed);
        add(&cell.holding_ns, held);
        cell.turned_ns.store(now, Relaxed);
        cell.holder.store(NOBODY, Relaxed);
        self.charge_hold(slot);
        match self.region.thread(slot) {
            Some(thread) => {
                thread.turn_from_holding(held, now);
                // Its total is what the thread has held in all.
                thread.hold.count(held);
                if self.gil != 0 {
                    cell.hold.record(held);
                }
            }
            None => cell.hold.record(held),
        }
    }

    /// Books what the present hold cost the waiters on its holder.
    #[inline(always)]
    fn charge_hold(&self, slot: Slot) {
        let cost = self.cell.hold_cost_ns.load(Relaxed);
        if cost == 0 {
            return;
        }
        self.cell.hold_cost_ns.store(0, Relaxed);
        add(&self.cell.caused_ns, cost);
        if let Some(thread) = self.region.thread(slot) {
            add(&thread.caused_ns, cost);
        }
    }

    /// Where the thread's CPU clock is to be read with an event at this time, and the
    /// reading booked after it ([`Writer::book_cpu`]): for how many ns no other one is due
    /// then.
    // Must not allocate.
    #[inline]
    pub fn cpu_due(&self, slot: Slot, now_ns: u64) -> Option<u64> {
        self.region.thread(slot)?.cpu_pause(now_ns)
    }

    /// Books what the calling thread's CPU clock says, right after an event of that
    /// thread. `None`: the system does not tell. `pause_ns` is from [`Writer::cpu_due`].
    // Must not allocate.
    pub fn book_cpu(&self, slot: Slot, counted: Option<CpuReading>, pause_ns: u64) {
        if let Some(thread) = self.region.thread(slot) {
            thread.book_cpu(counted, thread.since_ns.load(Relaxed), pause_ns);
        }
    }

    /// A second acquire with no release between: the GIL went away unseen.
    #[cold]
    fn missed_release(&self, now: u64) {
        add(&self.cell.anomalies, 1);
        let slot = self.holder();
        self.end_hold(slot, now);
        if let Some(thread) = self.region.thread(slot) {
            self.post(EventKind::Release, thread.id(), now, slot, 0);
        }
    }

    fn holder(&self) -> Slot {
        match self.cell.holder.load(Relaxed) {
            NOBODY | STRANGER => Slot::NONE,
            code => Slot(code - 1),
        }
    }

    /// Books a switch wait that the thread noted outside the GIL's mutex.
    #[inline(always)]
    fn settle(&self, thread: &ThreadCell, slot: Slot, now: u64) {
        if thread.has_switch_wait() {
            self.settle_switch_wait(thread, slot, now);
        }
    }

    #[cold]
    pub(crate) fn settle_switch_wait(&self, thread: &ThreadCell, slot: Slot, now: u64) {
        let noted = thread.switch_wait_until(now);
        thread.forget_switch_wait();
        // It lies in the interval that the thread has been detached for.
        let detached = now.saturating_sub(thread.since_ns.load(Relaxed));
        let spent = noted.min(detached);
        thread.turn(now, state::DETACHED);
        let left = thread.detached_ns.load(Relaxed) - spent;
        thread.detached_ns.store(left, Relaxed);
        add(&thread.waiting_ns, spent);
        add(&thread.handoff_ns, spent);
        add(&thread.switch_wait_ns, spent);
        add(&self.cell.switch_wait_ns, spent);
        self.post(EventKind::SwitchWait, thread.id(), spent, slot, 0);
    }

    /// Books ∫ waiters dt up to now; gives back the event's time.
    #[inline(always)]
    pub(crate) fn tick(&self, now_ns: u64) -> u64 {
        let now = self.cell.tick(now_ns);
        if self.cell.ended_inbox.load(Relaxed) != 0 {
            self.book_ended(now);
        }
        now
    }

    #[inline(always)]
    pub(crate) fn post(&self, kind: EventKind, thread: u32, time_ns: u64, slot: Slot, flags: u8) {
        self.ring.post(Event {
            time_ns,
            thread,
            slot: slot.0 as u16,
            kind,
            flags,
        });
    }

    /// A waiting thread ended: it waits no more.
    pub(crate) fn abandon_wait(&self, thread: &ThreadCell, now: u64) {
        self.end_wait(thread, now);
        thread.turn(now, state::ENDED);
    }

    /// A thread ended while it held the GIL: its interpreter is gone.
    pub(crate) fn abandon_hold(&self, slot: Slot, now: u64) {
        if self.cell.holder.load(Relaxed) == slot.0 + 1 {
            self.missed_release(now);
        }
    }
}
