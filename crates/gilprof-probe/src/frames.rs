//! Python frames, as the hooks read them.
//!
//! The offsets are learned and proved by [`crate::frame_layout`]. A hook runs
//! under the GIL's mutex, so no thread of that GIL can run Python meanwhile: the
//! frames of a thread that has just given it up, or has just got it, stand still.

use gilprof_code::FrameLayout;
use gilprof_region::{FRAMES, Moment, NO_CODE, RawFrame, Region, Slot, StackTable, Weights};

use crate::gils::{Gil, TABLE};
use crate::python::ThreadStateOfThisThread;

/// How many frames are looked at, with those that are none of Python's.
const STEPS: usize = 4 * FRAMES;

/// What a hook needs to take a stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stacks {
    pub(crate) layout: FrameLayout,
    pub(crate) this_thread_state: ThreadStateOfThisThread,
}

/// Pointers to code objects may carry flags in their low bits.
const TAGS: usize = 7;

/// The word at an address.
///
/// # Safety
/// It can be read and is aligned.
unsafe fn word(address: usize) -> usize {
    // SAFETY: the caller's promise.
    unsafe { (address as *const usize).read_volatile() }
}

/// The address of the innermost frame.
///
/// # Safety
/// `state` is a living thread state whose thread does not run.
unsafe fn innermost(layout: &FrameLayout, state: usize) -> usize {
    // SAFETY: an offset inside of the thread state, proved at start.
    let first = unsafe { word(state + layout.current as usize) };
    match layout.through {
        Some(offset) if first != 0 => {
            // SAFETY: what a living thread state points to lives, too.
            unsafe { word(first + offset as usize) }
        }
        _ => first,
    }
}

/// The code object of a frame and the offset of the instruction in it.
///
/// # Safety
/// `frame` is a frame of a thread that does not run.
unsafe fn read(layout: &FrameLayout, frame: usize) -> Option<(usize, u32)> {
    // SAFETY: an offset inside of a frame, proved at start.
    let code = unsafe { word(frame + layout.code as usize) } & !TAGS;
    if code == 0 || code as u64 == layout.shim {
        return None;
    }
    // SAFETY: a frame keeps its code object alive; the type is the second word of
    // any object.
    let kind = unsafe { word(code + 8) };
    if kind as u64 != layout.code_type {
        return None;
    }
    let place = (frame + layout.instruction as usize) as *const u32;
    // SAFETY: an offset inside of a frame; at least four bytes are there.
    let raw = unsafe { place.read_volatile() };
    // The offset needs the low half of a pointer only.
    let low = code as u64 & 0xffff_ffff;
    Some((code, layout.kind.offset(raw.into(), low)))
}

/// Calls `each` for every Python frame, from the innermost on.
///
/// # Safety
/// As for [`innermost`].
// Must not allocate.
unsafe fn walk(layout: &FrameLayout, state: usize, mut each: impl FnMut(usize, u32)) {
    // SAFETY: the caller's promise.
    let mut frame = unsafe { innermost(layout, state) };
    for _ in 0..STEPS {
        if frame == 0 {
            return;
        }
        // SAFETY: the caller's promise.
        if let Some((code, offset)) = unsafe { read(layout, frame) } {
            each(code, offset);
        }
        // SAFETY: an offset inside of a frame, proved at start.
        frame = unsafe { word(frame + layout.previous as usize) };
    }
}

impl Stacks {
    /// Takes the stack of the calling thread, which has just given up or got the
    /// main GIL, and posts it.
    // Must not allocate.
    #[cold]
    pub(crate) fn take(&self, region: &Region, slot: Slot, moment: Moment, weights: Weights) {
        let Some(thread) = region.thread(slot) else {
            return;
        };
        let mut frames = [RawFrame {
            code: NO_CODE,
            offset: 0,
        }; FRAMES];
        let mut depth = 0;
        if let Some(state) = self.own_state() {
            let add = |code, offset| {
                if let Some(place) = frames.get_mut(depth) {
                    let code = number(region.stacks(), code);
                    *place = RawFrame { code, offset };
                    depth += 1;
                }
            };
            // SAFETY: it is this thread's own state, and this thread is in here.
            unsafe { walk(&self.layout, state, add) };
        }
        let frames = frames.into_iter().take(depth);
        region.stacks().post(thread.id(), moment, weights, frames);
    }

    /// The calling thread's state, if the GIL says that it is the one that
    /// gave it up or got it. It is not with several interpreters, and at the
    /// end of a thread, when the state may be freed already.
    fn own_state(&self) -> Option<usize> {
        let holder = Gil(TABLE[0].cond.load(std::sync::atomic::Ordering::Relaxed)).last_holder();
        let own = self.this_thread_state.get();
        (holder == own && own != 0).then_some(own)
    }
}

/// The number of a code object; kept alive from its first sight on.
fn number(table: &StackTable, code: usize) -> u32 {
    match table.intern(code as u64) {
        Some((number, fresh)) => {
            if fresh {
                keep(code);
            }
            number
        }
        None => NO_CODE,
    }
}

/// Gives up what [`keep`] has taken. The last reference stays, since nobody can free an
/// object here. The caller holds the GIL's mutex, and nobody has the GIL.
// Must not allocate.
pub(crate) fn let_go(code: u64) {
    let place: *mut u32 = std::ptr::with_exposed_provenance_mut(code as usize);
    // SAFETY: as in `keep`; our reference has kept the object alive.
    let count = unsafe { place.read_volatile() };
    if (count as i32) <= 1 {
        return;
    }
    // SAFETY: as above.
    unsafe { place.write_volatile(count - 1) };
}

/// One more reference to a code object. The caller holds the GIL's mutex.
fn keep(code: usize) {
    let place = code as *mut u32;
    // SAFETY: the count is an object's first word (proved at start), and nobody
    // else can change it while no thread can hold the GIL.
    let count = unsafe { place.read_volatile() };
    // Objects of which this half is negative are immortal (PEP 683).
    if (count as i32) < 0 {
        return;
    }
    // SAFETY: as above.
    unsafe { place.write_volatile(count + 1) };
}
