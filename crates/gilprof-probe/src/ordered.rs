//! A recording that is ordered from outside: by one who has put this code into the
//! process, and who reads what it records.
//!
//! Whoever attaches writes an [`Order`] and then patches the slots. The first hook that
//! comes by and has nothing to record into obeys: it is an ordinary call of an ordinary
//! thread, so it may do what the start of a recording needs. It neither allocates nor
//! locks.

use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use gilprof_code::FrameLayout;
use gilprof_region::{Exports, Order, OrderCell, Progress, Region};

use crate::active::{self, Active};
use crate::frames::{self, Stacks};
use crate::interpreter::InterpreterOf;
use crate::python::ThreadStateOfThisThread;
use crate::{current, discover, fork, gils, hooks};

static ORDER: OrderCell = OrderCell::idle();

/// The process that obeyed: the child of a fork has its memory, but is another.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// The region of the present order.
struct Place(UnsafeCell<Option<ManuallyDrop<Region>>>);

// SAFETY: written by the one who has taken the order, while nothing is recorded and no
// hook is at work; everybody else only reads it through the recording.
unsafe impl Sync for Place {}

static PLACE: Place = Place(UnsafeCell::new(None));

/// Where the parts of this code are, for one who attaches.
pub const EXPORTS: Exports = Exports {
    hooks: hooks::ADDRESSES,
    order: &raw const ORDER,
    current: active::CURRENT_PLACE,
    outside: active::OUTSIDE_PLACE,
};

/// Starts the recording that is wanted, if one is; true if it was this call that did.
// Must not allocate.
#[cold]
pub(crate) fn obey() -> bool {
    let Some(order) = ORDER.take() else {
        return false;
    };
    let progress = match current::prepare_key() {
        true => start(&order),
        false => Progress::NoKey,
    };
    ORDER.advance(progress);
    progress == Progress::Recording
}

fn start(order: &Order) -> Progress {
    let Some(region) = region(order) else {
        return Progress::NoRegion;
    };
    if !region.take_up() {
        return Progress::Idle;
    }
    gils::forget(0);
    let recording = region.recording();
    PROCESS.store(process(), SeqCst);
    if order.gil != 0 {
        discover::told(order.gil as usize, region, recording.clock.now_ns());
    }
    active::turn_on(Active {
        region,
        clock: recording.clock,
        generation: order.generation,
        shared: true,
        stacks: stacks(order, region),
        interpreters: InterpreterOf::told(order.interpreter),
        recording,
    });
    Progress::Recording
}

/// Gives up the code objects that the stacks of the last recording have kept alive, where
/// that is asked for. The caller has seen the main GIL released, and holds its mutex.
// Must not allocate.
#[inline]
pub(crate) fn let_go() {
    if ORDER.is(Progress::LetGo) {
        active::counted(give_up_codes);
    }
}

#[cold]
fn give_up_codes() {
    if !ORDER.begins_to_let_go() {
        return;
    }
    // SAFETY: it stays as it is until the next order, which waits for this one.
    let place = unsafe { &*PLACE.0.get() };
    if let Some(region) = place.as_deref()
        && region.lets_go_of_codes()
    {
        region.stacks().codes().for_each(frames::let_go);
    }
    ORDER.advance(Progress::Idle);
}

/// The region that the order names.
fn region(order: &Order) -> Option<&'static Region> {
    let start = NonNull::new(std::ptr::with_exposed_provenance_mut(order.region as usize))?;
    // SAFETY: who gives the order has mapped it, and leaves the addresses mapped for ever.
    let region = unsafe { Region::mapped_at(start, order.bytes as usize) }.ok()?;
    // SAFETY: nothing is recorded, so nobody reads it (see `Place`).
    unsafe { *PLACE.0.get() = Some(region) };
    // SAFETY: it stays as it is until the next order, which comes after this recording.
    let place = unsafe { &*PLACE.0.get() };
    place.as_deref()
}

fn stacks(order: &Order, region: &Region) -> Option<Stacks> {
    let plan = region.stack_plan()?;
    Some(Stacks {
        layout: FrameLayout::from_words(&plan.frame_layout).ok()?,
        this_thread_state: ThreadStateOfThisThread::at(order.this_thread_state as usize)?,
    })
}

fn process() -> u32 {
    std::process::id()
}

/// Ceases to record where nobody reads it any more. Called by a hook at work.
// Must not allocate.
#[inline]
pub(crate) fn leave_if_abandoned(active: &Active, now_ns: u64) {
    if active.region.is_abandoned(now_ns) {
        leave(active, now_ns);
    }
}

#[cold]
fn leave(active: &Active, now_ns: u64) {
    if ORDER.leave(Progress::Abandoned) {
        active::fall_silent();
        active.region.stop(now_ns);
    }
}

/// A condition variable is made, as it is right after a fork: its child must not write
/// into the region, which is its parent's.
// Must not allocate.
pub(crate) fn notice_fork() {
    if ORDER.is(Progress::Recording)
        && PROCESS.load(SeqCst) != process()
        && ORDER.leave(Progress::Child)
    {
        fork::leave_to_parent();
    }
}
