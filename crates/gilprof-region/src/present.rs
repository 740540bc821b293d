//! Which threads there are at this moment and what they do, for those who look from
//! outside.

use gilprof_core::State;

use crate::region::Region;
use crate::sync::Ordering::Relaxed;
use crate::thread::{Slot, ThreadCell, state};

/// A living thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present {
    slot: Slot,
    /// The thread's own number.
    pub thread: u32,
    /// The operating system's id of it.
    pub native_id: u32,
    /// What it does. Between a release and the taking of the GIL by another thread
    /// that it waits for, it counts as waiting.
    pub state: State,
    /// Since when.
    pub since_ns: u64,
}

impl Region {
    /// The living threads. Each is read while it goes on.
    pub fn present(&self) -> impl Iterator<Item = Present> + '_ {
        self.slots().filter_map(|slot| self.present_in(slot))
    }

    /// Whether the thread does still the same, and has done so ever since.
    pub fn is_still(&self, present: &Present) -> bool {
        self.present_in(present.slot) == Some(*present)
    }

    fn present_in(&self, slot: Slot) -> Option<Present> {
        self.thread(slot)?.present(slot)
    }

    /// The operating system's id of a living thread.
    pub fn native_id(&self, thread: u32) -> Option<u32> {
        Some(self.present_as(thread)?.native_id)
    }

    /// The name of a living thread; empty where it has none.
    pub fn name(&self, thread: u32) -> Option<String> {
        let slot = self.present_as(thread)?.slot;
        Some(self.thread(slot)?.name().read())
    }

    fn present_as(&self, thread: u32) -> Option<Present> {
        self.present().find(|one| one.thread == thread)
    }
}

impl ThreadCell {
    fn present(&self, slot: Slot) -> Option<Present> {
        let state = match self.state.load(Relaxed) {
            state::HOLDING => State::Holding,
            state::WAITING => State::Waiting,
            state::DETACHED if self.in_switch_wait() => State::Waiting,
            state::DETACHED => State::Detached,
            _ => return None,
        };
        Some(Present {
            slot,
            thread: self.id(),
            native_id: self.native_id(),
            state,
            since_ns: self.since_ns.load(Relaxed),
        })
    }

    fn in_switch_wait(&self) -> bool {
        self.has_switch_wait() && self.switch_ended_ns.load(Relaxed) == 0
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::region::Sizes;
    use crate::writer::Writer;

    #[test]
    fn a_thread_is_present_in_its_state_until_it_has_ended() {
        let region = Region::private(Sizes::default()).unwrap();
        assert_eq!(region.present().count(), 0);
        region.new_gil();
        let writer = Writer::new(&region, 0).unwrap();
        writer.cell().enter();
        let slot = writer.admit(4242, 1_000).unwrap();
        let states = || -> Vec<(u32, State, u64)> {
            let present = region.present();
            present
                .map(|one| (one.native_id, one.state, one.since_ns))
                .collect()
        };
        assert_eq!(states(), [(4242, State::Detached, 1_000)]);
        let before = region.present().next().unwrap();
        assert!(region.is_still(&before));
        writer.acquire(slot, 1_500);
        assert!(!region.is_still(&before));
        assert_eq!(states(), [(4242, State::Holding, 1_500)]);
        writer.release(2_000);
        let cell = region.thread(slot).unwrap();
        cell.begin_switch_wait(2_100);
        assert_eq!(states(), [(4242, State::Waiting, 2_000)]);
        cell.end_switch_wait(2_200);
        assert_eq!(states(), [(4242, State::Detached, 2_000)]);
        assert_eq!(region.native_id(cell.id()), Some(4242));
        cell.name().write("worker".bytes());
        assert_eq!(region.name(cell.id()).as_deref(), Some("worker"));
        assert_eq!(region.name(cell.id() + 1), None);
        region.note_end(slot, 3_000, None);
        writer.acquire(slot, 3_500);
        writer.cell().leave();
    }
}
