//! The recording that the hooks write to, if there is one, and how they are
//! kept apart from those who change that.
//!
//! A hook enters its GIL's cell and then looks whether a recording is on. Who
//! turns it off clears [`CURRENT`], has the kernel issue a memory barrier on
//! every running thread, and waits until no cell is entered. After that no hook
//! writes, and none will: so stop needs no lock that a hook would have to take.

use std::cell::UnsafeCell;
use std::sync::atomic::{
    AtomicPtr, AtomicU64,
    Ordering::{Acquire, Release, SeqCst},
    compiler_fence,
};
use std::time::Duration;

use gilprof_region::{Clock, GilCell, Moment, Recording, Region, Slot, Weights, Writer};

use crate::current;
use crate::frames::Stacks;
use crate::gils::{Known, TABLE, thread_pointer};
use crate::interpreter::InterpreterOf;

/// A recording in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Active {
    pub(crate) region: &'static Region,
    pub(crate) clock: Clock,
    /// Different for each recording of this process.
    pub(crate) generation: u32,
    /// Whether another process reads the region: a fork's child must not write.
    pub(crate) shared: bool,
    /// How stacks are taken; `None` where they are not.
    pub(crate) stacks: Option<Stacks>,
    /// How to tell which interpreter a holder is of, where that is known.
    pub(crate) interpreters: Option<InterpreterOf>,
    /// What the region's header says; a fork's child starts from it.
    pub(crate) recording: Recording,
}

static CURRENT: AtomicPtr<Active> = AtomicPtr::new(std::ptr::null_mut());
/// Hooks at work that are not under a GIL's mutex.
static OUTSIDE: AtomicU64 = AtomicU64::new(0);

/// Holds the one `Active` there can be; written only while no hook can see it.
struct Place(UnsafeCell<Option<Active>>);

// SAFETY: `turn_on` and `fork::in_child` write it while CURRENT is null and no
// hook is at work; everybody else only reads it through CURRENT.
unsafe impl Sync for Place {}

static PLACE: Place = Place(UnsafeCell::new(None));

/// The recording, if one is on. Only for hooks that have entered a cell, and for
/// those who keep it from being turned off.
#[inline]
pub(crate) fn recording() -> Option<&'static Active> {
    // Pairs with the release store in `turn_on`.
    let pointer = CURRENT.load(Acquire);
    // SAFETY: null, or the value in PLACE, which is not changed before
    // `turn_off` has seen every hook leave.
    unsafe { pointer.as_ref() }
}

/// Books an event of the GIL with this index, if a recording is on, and gives
/// back what `event` does. The caller holds that GIL's mutex.
// Must not allocate.
#[inline(always)]
pub(crate) fn book<T>(
    gil: u32,
    event: impl FnOnce(&Active, &Known, &Writer<'_>) -> T,
) -> Option<T> {
    let known = TABLE.get(gil as usize)?;
    let cell = known.cell()?;
    cell.enter();
    // The kernel's barrier in `turn_off` makes this one a full one when needed.
    compiler_fence(SeqCst);
    let result = match recording() {
        Some(active) => Writer::new(active.region, gil).map(|writer| event(active, known, &writer)),
        None => None,
    };
    cell.leave();
    result
}

/// Runs `work` with the recording, if one is on, outside of any GIL's mutex.
// Must not allocate.
pub(crate) fn outside<T>(work: impl FnOnce(&Active) -> T) -> Option<T> {
    counted(|| recording().map(work))
}

/// Runs `work` as a hook that is waited for.
// Must not allocate.
pub(crate) fn counted<T>(work: impl FnOnce() -> T) -> T {
    OUTSIDE.fetch_add(1, SeqCst);
    let result = work();
    OUTSIDE.fetch_sub(1, SeqCst);
    result
}

impl Active {
    /// The slot of the calling thread; a new one at its first event. The
    /// caller books for the GIL of `writer`.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn slot(&self, known: &Known, writer: &Writer<'_>, now_ns: u64) -> Slot {
        let thread = thread_pointer();
        if let Some(slot) = known.recall(thread) {
            return slot;
        }
        let slot = self.find_slot(writer, now_ns);
        known.remember(thread, slot);
        slot
    }

    fn find_slot(&self, writer: &Writer<'_>, now_ns: u64) -> Slot {
        match current::slot(self.generation) {
            Some(slot) => slot,
            None => self.admit(writer, now_ns),
        }
    }

    /// Takes this thread's stack, where stacks are taken.
    // Must not allocate.
    pub(crate) fn take_stack(&self, slot: Slot, moment: Moment, weights: Weights) {
        if let Some(stacks) = &self.stacks {
            stacks.take(self.region, slot, moment, weights);
        }
    }

    #[cold]
    fn admit(&self, writer: &Writer<'_>, now_ns: u64) -> Slot {
        // SAFETY: the call has no preconditions.
        let native_id = unsafe { libc::syscall(libc::SYS_gettid) } as u32;
        let slot = writer.admit(native_id, now_ns).unwrap_or(Slot::NONE);
        current::set_slot(self.generation, slot);
        slot
    }
}

/// Lets the hooks write. The caller is the only one who turns anything on or
/// off, and nothing is on.
pub(crate) fn turn_on(active: Active) {
    // SAFETY: nothing is on, so no hook reads it (see `Place`).
    unsafe { *PLACE.0.get() = Some(active) };
    // SAFETY: as above; the pointer stays valid, PLACE is static.
    let place = unsafe { &*PLACE.0.get() };
    let pointer = place.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // Pairs with the acquire load in `recording`.
    CURRENT.store(pointer.cast_mut(), Release);
}

/// Where the pointer is that is null while nothing is recorded, and the count of hooks
/// outside of a GIL's mutex: for one who stops the hooks from another process.
pub(crate) const CURRENT_PLACE: *const () = (&raw const CURRENT).cast();
pub(crate) const OUTSIDE_PLACE: *const () = (&raw const OUTSIDE).cast();

/// Stops the hooks from writing, except for those that are at it.
pub(crate) fn fall_silent() {
    CURRENT.store(std::ptr::null_mut(), SeqCst);
}

/// Stops the hooks from writing; when it returns, none does.
pub(crate) fn turn_off() {
    fall_silent();
    barrier();
    while is_busy() {
        std::thread::yield_now();
    }
}

/// In the child of a fork no other thread exists: nobody is busy.
pub(crate) fn turn_off_in_child() {
    fall_silent();
    OUTSIDE.store(0, SeqCst);
}

fn is_busy() -> bool {
    let mut cells = TABLE.iter().filter_map(Known::cell);
    cells.any(GilCell::is_entered) || OUTSIDE.load(SeqCst) != 0
}

/// A memory barrier on every running thread of this process.
fn barrier() {
    if prepare_turn_off() && membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED) {
        return;
    }
    // No such call here (an old kernel, a seccomp filter). A processor writes
    // its stores out within microseconds even when nobody asks it to.
    std::thread::sleep(Duration::from_millis(1));
}

/// Has the kernel prepare for the barrier of [`turn_off`], once per process. It does so at
/// once while there is one thread; where there are more, it makes the caller wait for some
/// milliseconds. The children of forks are prepared as their parent is. False where there is
/// no such call: `barrier` has another way then.
pub(crate) fn prepare_turn_off() -> bool {
    membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
}

fn membarrier(command: i32) -> bool {
    // SAFETY: the call takes integers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_prepared_the_kernel_issues_the_barrier_at_once() {
        prepare_turn_off();
        let is_issued = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        // Both fail where there is no such call.
        assert_eq!(is_issued, prepare_turn_off());
    }
}
