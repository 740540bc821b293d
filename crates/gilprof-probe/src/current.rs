//! The calling thread's slot, kept in a thread-specific value.
//!
//! pthread keys, and not `thread_local!`: the value is found without the
//! allocation that a loaded library's thread-local storage needs at first
//! touch, and its destructor says when the thread ends.

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

use gilprof_region::Slot;

use crate::active;
use crate::cpu;
use crate::error::Error;
use crate::gils;

/// glibc keeps the first 32 values of a thread inside of the thread, and
/// allocates for those beyond (nptl/pthread_setspecific.c).
const INLINE_KEYS: u32 = 32;

/// What stands in the value for a thread that found no slot.
const NO_SLOT: u32 = u32::MAX;

static KEY: AtomicU32 = AtomicU32::new(0);

/// Makes the key, once. The caller is the only one to start anything.
pub(crate) fn prepare() -> Result<(), Error> {
    match prepare_key() {
        true => Ok(()),
        false => Err(Error::unsupported(
            "this process uses all of the 32 thread-specific keys that need no allocation \
             (pthread_key_create); start gilprof before the libraries that take them",
        )),
    }
}

/// The same, where no reason is wanted: false if there is no key.
// Must not allocate.
pub(crate) fn prepare_key() -> bool {
    static MADE: AtomicBool = AtomicBool::new(false);
    if !MADE.load(Relaxed)
        && let Some(key) = new_key()
    {
        KEY.store(key, Relaxed);
        MADE.store(true, Relaxed);
    }
    MADE.load(Relaxed)
}

fn new_key() -> Option<u32> {
    let mut key: libc::pthread_key_t = 0;
    // SAFETY: `key` is a place for the result, `thread_ends` has the right type
    // and lives in a library that is never unloaded.
    let result = unsafe { libc::pthread_key_create(&mut key, Some(thread_ends)) };
    if result != 0 {
        return None;
    }
    if cfg!(target_env = "gnu") && key >= INLINE_KEYS {
        // SAFETY: we made the key, and no thread has a value for it.
        unsafe { libc::pthread_key_delete(key) };
        return None;
    }
    Some(key)
}

/// The calling thread's slot in the recording with this generation, or `None`
/// if it has not asked for one yet.
// Must not allocate.
#[inline]
pub(crate) fn slot(generation: u32) -> Option<Slot> {
    // SAFETY: `prepare` made the key before any recording was on.
    let value = unsafe { libc::pthread_getspecific(KEY.load(Relaxed)) } as u64;
    ((value >> 32) as u32 == generation).then(|| decode(value))
}

fn decode(value: u64) -> Slot {
    match value as u32 {
        NO_SLOT => Slot::NONE,
        index => Slot::from_index(index),
    }
}

/// Remembers the calling thread's slot. Generations start at 1, so no value is
/// null, and every thread that has one is told about its end.
// Must not allocate.
pub(crate) fn set_slot(generation: u32, slot: Slot) {
    let value = u64::from(generation) << 32 | u64::from(slot.index());
    // SAFETY: as in `slot`; keys below INLINE_KEYS need no allocation. It can
    // only fail where the key is not valid.
    unsafe { libc::pthread_setspecific(KEY.load(Relaxed), value as *const c_void) };
}

unsafe extern "C" fn thread_ends(value: *mut c_void) {
    let value = value as u64;
    gils::forget_thread(gils::thread_pointer());
    active::outside(|active| {
        let slot = decode(value);
        if (value >> 32) as u32 == active.generation && slot != Slot::NONE {
            let now_ns = active.clock.now_ns();
            // A thread that lived for a moment does not pay for another reading.
            let due = active.region.is_cpu_due_at_end(slot, now_ns);
            let counted = due.then(cpu::read).flatten();
            active.region.note_end(slot, now_ns, counted);
        }
    });
}
