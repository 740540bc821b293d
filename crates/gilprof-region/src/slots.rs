//! Threads come and go: finding a slot for a new one, closing the books of an
//! ended one, folding it into its group when its slot is needed.

use gilprof_core::{CpuReading, EventKind};

use crate::header::NAMED_GROUPS;
use crate::name::pattern;
use crate::region::Region;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed};
use crate::thread::{Slot, ThreadCell, state};
use crate::writer::Writer;

/// Of a thread that was there before the recording began: it had the GIL, and has not come by
/// since.
pub(crate) const HOLDS_ALREADY: u32 = 2;

impl Region {
    /// Gives a slot to a thread that was there before the recording began.
    /// `counted` is what the system said of it then, if it did. Only before any
    /// writer is at work.
    pub fn adopt(
        &self,
        native_id: u32,
        now_ns: u64,
        name: &str,
        counted: Option<CpuReading>,
    ) -> Option<Slot> {
        let slot = self.claim()?;
        let thread = self.thread(slot)?;
        self.enrol(thread, native_id, now_ns);
        if counted.is_some() {
            thread.book_cpu(counted, now_ns, 0);
        }
        thread.adopted.store(1, Relaxed);
        thread.name.write(name.bytes());
        self.header().adopted_left.fetch_add(1, Relaxed);
        Some(slot)
    }

    /// Names the living thread with this id of the operating system; false if
    /// there is none.
    pub fn name_thread(&self, native_id: u32, name: &str) -> bool {
        let found = self.living(native_id);
        if let Some(thread) = found {
            thread.name.write(name.bytes());
        }
        found.is_some()
    }

    /// The same with the kernel's name: one that the thread has given itself,
    /// be it at this moment, stays.
    pub fn name_nameless(&self, native_id: u32, name: &str) {
        if let Some(thread) = self.living(native_id) {
            thread.name.write_if_empty(name.bytes());
        }
    }

    fn living(&self, native_id: u32) -> Option<&ThreadCell> {
        self.slots()
            .filter_map(|slot| self.thread(slot))
            .find(|thread| {
                let state = thread.state.load(Relaxed);
                thread.native_id() == native_id && !matches!(state, state::FREE | state::ENDED)
            })
    }

    /// The living threads that have no name yet, by their native ids.
    pub fn nameless(&self) -> Vec<u32> {
        self.slots()
            .filter_map(|slot| self.thread(slot))
            .filter(|thread| {
                let state = thread.state.load(Relaxed);
                thread.name.is_empty() && !matches!(state, state::FREE | state::ENDED)
            })
            .map(ThreadCell::native_id)
            .collect()
    }

    /// The threads that were there when the recording began and have done nothing since,
    /// by their native ids.
    pub fn untouched(&self) -> Vec<u32> {
        if self.header().adopted_left.load(Relaxed) == 0 {
            return Vec::new();
        }
        self.slots()
            .filter_map(|slot| self.thread(slot))
            .filter(|thread| thread.adopted.load(Relaxed) == 1)
            .map(ThreadCell::native_id)
            .collect()
    }

    fn claim(&self) -> Option<Slot> {
        let words = self.header().free_slots.iter().enumerate();
        words
            .filter_map(|(index, word)| {
                let taken = word.fetch_update(Acquire, Relaxed, |bits| {
                    (bits != 0).then_some(bits & bits.wrapping_sub(1))
                });
                let bits = taken.ok()?;
                Some(Slot(index as u32 * 64 + bits.trailing_zeros()))
            })
            .next()
    }

    fn enrol(&self, thread: &ThreadCell, native_id: u32, now_ns: u64) {
        thread.native_id.store(native_id, Relaxed);
        thread.born_ns.store(now_ns, Relaxed);
        thread.since_ns.store(now_ns, Relaxed);
        thread.members.store(1, Relaxed);
        thread.take_stacks(self.stack_every_ns(), now_ns ^ u64::from(native_id) << 32);
        thread.state.store(state::DETACHED, Relaxed);
        thread.id.store(self.new_id(), Relaxed);
    }

    fn new_id(&self) -> u32 {
        self.header().next_id.fetch_add(1, Relaxed).wrapping_add(1)
    }

    /// The thread with this number that was there when the recording began, if it has not
    /// come by since.
    fn adopted(&self, native_id: u32) -> Option<Slot> {
        let left = self.header().adopted_left.load(Relaxed) as usize;
        // They have the first slots: the others are not looked at, each is a cache miss.
        let adopted = self.slots().filter(|&slot| {
            let thread = self.thread(slot);
            thread.is_some_and(|thread| thread.adopted.load(Relaxed) != 0)
        });
        let mut adopted = adopted.take(left);
        adopted.find(|&slot| {
            let thread = self.thread(slot);
            thread.is_some_and(|thread| thread.native_id() == native_id)
        })
    }

    /// Whether the CPU clock of a thread is to be read at its end.
    // Must not allocate.
    pub fn is_cpu_due_at_end(&self, slot: Slot, now_ns: u64) -> bool {
        let thread = self.thread(slot);
        thread.is_some_and(|thread| thread.is_cpu_due_at_end(now_ns))
    }

    /// Notes that the thread in `slot` has ended; the next event of the GIL it
    /// used last books it, with the last reading of its CPU clock, if there was one.
    /// Called by that thread, with no lock held.
    // Must not allocate.
    pub fn note_end(&self, slot: Slot, now_ns: u64, counted: Option<CpuReading>) {
        let Some(thread) = self.thread(slot) else {
            return;
        };
        let Some(gil) = self.gil(thread.gil.load(Relaxed)) else {
            return;
        };
        thread.end_ns.store(now_ns, Relaxed);
        thread.note_cpu_at_end(counted);
        // The release half pairs with the acquire swap in `book_ended`.
        let pushed = gil.ended_inbox.fetch_update(AcqRel, Relaxed, |first| {
            thread.next.store(first, Relaxed);
            Some(slot.0 + 1)
        });
        debug_assert!(pushed.is_ok());
    }
}

impl Writer<'_> {
    /// A slot for a thread at its first event, or `None` when all are taken by
    /// living threads; then it is counted as unaccounted for.
    // Must not allocate.
    #[cold]
    pub fn admit(&self, native_id: u32, now_ns: u64) -> Option<Slot> {
        let now = self.tick(now_ns);
        if let Some(slot) = self.region.adopted(native_id) {
            let thread = self.region.thread(slot)?;
            if thread.adopted.swap(0, Relaxed) != HOLDS_ALREADY {
                self.begin(slot);
            }
            self.region.header().adopted_left.fetch_sub(1, Relaxed);
            return Some(slot);
        }
        let Some(slot) = self.place() else {
            let header = self.region.header();
            header.unaccounted_threads.fetch_add(1, Relaxed);
            return None;
        };
        let thread = self.region.thread(slot)?;
        self.region.enrol(thread, native_id, now);
        self.begin(slot);
        Some(slot)
    }

    /// The thread with this number has the GIL since before the recording: it is taken to
    /// have it from now on. False where no such thread was there at the beginning. Only
    /// before the GIL's first event.
    // Must not allocate.
    #[cold]
    pub fn holds_already(&self, native_id: u32, now_ns: u64) -> bool {
        let Some(slot) = self.region.adopted(native_id) else {
            return false;
        };
        if let Some(thread) = self.region.thread(slot) {
            thread.adopted.store(HOLDS_ALREADY, Relaxed);
        }
        self.begin(slot);
        self.acquire(slot, now_ns);
        true
    }

    /// A slot that is free, or that of the thread that ended first. Once enough
    /// ended threads have rows of their own, those come first: the pages of a
    /// slot that was never used cost far more than folding an old thread.
    fn place(&self) -> Option<Slot> {
        match self.cell.ended_kept.load(Relaxed) < self.region.sizes().ended_rows() {
            true => self.region.claim().or_else(|| self.recycle()),
            false => self.recycle().or_else(|| self.region.claim()),
        }
    }

    fn begin(&self, slot: Slot) {
        if let Some(thread) = self.region.thread(slot) {
            thread.gil.store(self.gil, Relaxed);
            let born = thread.born_ns.load(Relaxed);
            self.post(EventKind::Begin, thread.id(), born, slot, 0);
        }
    }

    /// Closes the books of the threads that have ended since the last event.
    #[cold]
    pub(crate) fn book_ended(&self, now: u64) {
        // Pairs with the release in `note_end`.
        let mut code = self.cell.ended_inbox.swap(0, Acquire);
        // Bounded, so that a corrupt list cannot hold a hook for ever.
        for _ in self.region.slots() {
            let Some(slot) = code.checked_sub(1).map(Slot) else {
                return;
            };
            let Some(thread) = self.region.thread(slot) else {
                return;
            };
            code = thread.next.load(Relaxed);
            self.close(thread, slot, now);
            self.keep(thread, slot);
        }
    }

    fn close(&self, thread: &ThreadCell, slot: Slot, now: u64) {
        if thread.has_switch_wait() {
            self.settle_switch_wait(thread, slot, now);
        }
        match thread.state.load(Relaxed) {
            state::WAITING => self.abandon_wait(thread, now),
            state::HOLDING => {
                self.abandon_hold(slot, now);
                thread.turn(now, state::ENDED);
            }
            _ => {
                let end = thread.end_ns.load(Relaxed).min(now);
                thread.turn(end, state::ENDED);
            }
        }
        let end = thread.since_ns.load(Relaxed);
        thread.end_ns.store(end, Relaxed);
        thread.book_cpu_at_end(end);
        self.post(EventKind::ThreadEnd, thread.id(), end, slot, 0);
    }

    /// Appends to the list of ended threads that still have their own rows.
    fn keep(&self, thread: &ThreadCell, slot: Slot) {
        thread.next.store(0, Relaxed);
        let last = self.cell.ended_last.load(Relaxed);
        match last
            .checked_sub(1)
            .and_then(|last| self.region.thread(Slot(last)))
        {
            Some(last) => last.next.store(slot.0 + 1, Relaxed),
            None => self.cell.ended_first.store(slot.0 + 1, Relaxed),
        }
        self.cell.ended_last.store(slot.0 + 1, Relaxed);
        let kept = self.cell.ended_kept.load(Relaxed);
        self.cell.ended_kept.store(kept.saturating_add(1), Relaxed);
    }

    /// Folds the thread that ended first into its group; its slot is free.
    fn recycle(&self) -> Option<Slot> {
        let slot = Slot(self.cell.ended_first.load(Relaxed).checked_sub(1)?);
        let thread = self.region.thread(slot)?;
        let next = thread.next.load(Relaxed);
        self.cell.ended_first.store(next, Relaxed);
        if next == 0 {
            self.cell.ended_last.store(0, Relaxed);
        }
        let kept = self.cell.ended_kept.load(Relaxed);
        self.cell.ended_kept.store(kept.saturating_sub(1), Relaxed);
        let group = self.group_of(thread)?;
        let group_id = u64::from(group.id());
        self.post(EventKind::Fold, thread.id(), group_id, slot, 0);
        thread.drain_into(group);
        Some(slot)
    }

    /// The group that an ended thread belongs to by its name.
    fn group_of(&self, thread: &ThreadCell) -> Option<&ThreadCell> {
        let named = self.region.groups().take(NAMED_GROUPS as usize);
        let used = self.region.header().groups_used.load(Acquire) as usize;
        let known = named
            .take(used)
            .filter_map(|slot| self.region.thread(slot))
            .find(|group| {
                group.gil.load(Relaxed) == self.gil
                    && group.name.bytes().eq(pattern(thread.name.bytes()))
            });
        known
            .or_else(|| self.new_group(thread))
            .or_else(|| self.others())
    }

    fn new_group(&self, thread: &ThreadCell) -> Option<&ThreadCell> {
        let used = &self.region.header().groups_used;
        let taken = used.fetch_update(AcqRel, Relaxed, |used| {
            (used < NAMED_GROUPS).then_some(used + 1)
        });
        let slot = self.region.groups().nth(taken.ok()? as usize)?;
        let group = self.region.thread(slot)?;
        group.name.write(pattern(thread.name.bytes()));
        self.open_group(group);
        Some(group)
    }

    /// The group that takes this GIL's threads when all names are taken.
    fn others(&self) -> Option<&ThreadCell> {
        let index = NAMED_GROUPS as usize + self.gil as usize;
        let group = self.region.thread(self.region.groups().nth(index)?)?;
        if group.state.load(Relaxed) == state::FREE {
            group.name.write("(others)".bytes());
            self.open_group(group);
        }
        Some(group)
    }

    fn open_group(&self, group: &ThreadCell) {
        group.gil.store(self.gil, Relaxed);
        group.id.store(self.region.new_id(), Relaxed);
        group.state.store(state::ENDED, Relaxed);
    }
}
