//! Where the GILs are: the addresses of their condition variables, and what
//! can be read around them.
//!
//! The layout is that of `struct _gil_runtime_state` (pycore_gil.h, 3.8 to
//! 3.15), relative to `cond`; calibration proves it before it is used.

use std::mem::size_of;
use std::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

use gilprof_code::{Memory, ProcessMemory};
use gilprof_region::{GILS, GilCell, Slot};

use crate::errno;

const INTERVAL: usize = 32;
const LAST_HOLDER: usize = 24;
const LOCKED: usize = 16;
const SWITCH_NUMBER: usize = 8;
const MUTEX: usize = size_of::<libc::pthread_cond_t>();

/// From `cond` to `switch_cond`: the condition variable and its mutex.
pub(crate) const DISTANCE: usize = MUTEX + size_of::<libc::pthread_mutex_t>();

/// One known GIL. Its place in [`TABLE`] is its index in the region.
#[derive(Debug)]
pub(crate) struct Known {
    /// `gil.cond`; zero for an unused entry.
    pub(crate) cond: AtomicUsize,
    /// `gil.switch_cond`; zero for an unused entry.
    pub(crate) switch_cond: AtomicUsize,
    /// Where its events are booked; null for an unused entry. Regions that
    /// hooks write to are never unmapped, so it may be entered at any time.
    pub(crate) cell: AtomicPtr<GilCell>,
    /// The thread that took it last ([`thread_pointer`]) and that thread's slot: most
    /// often it is the next to take it, too. Written under the GIL's mutex.
    last_thread: AtomicUsize,
    last_slot: AtomicU32,
}

/// The GILs of this process. The first is the main interpreter's.
pub(crate) static TABLE: [Known; GILS as usize] = [const {
    Known {
        cond: AtomicUsize::new(0),
        switch_cond: AtomicUsize::new(0),
        cell: AtomicPtr::new(std::ptr::null_mut()),
        last_thread: AtomicUsize::new(0),
        last_slot: AtomicU32::new(0),
    }
}; GILS as usize];

impl Known {
    /// Enters a GIL, once hooks may book for it in `cell`.
    pub(crate) fn set(&self, cond: usize, cell: &'static GilCell) {
        self.cell.store(std::ptr::from_ref(cell).cast_mut(), SeqCst);
        self.switch_cond.store(cond + DISTANCE, SeqCst);
        self.cond.store(cond, SeqCst);
    }

    /// The slot of this thread, if it was the last to take this GIL.
    #[inline(always)]
    pub(crate) fn recall(&self, thread: usize) -> Option<Slot> {
        (self.last_thread.load(Relaxed) == thread)
            .then(|| Slot::from_index(self.last_slot.load(Relaxed)))
    }

    pub(crate) fn remember(&self, thread: usize, slot: Slot) {
        self.last_slot.store(slot.index(), Relaxed);
        self.last_thread.store(thread, Relaxed);
    }

    pub(crate) fn unset(&self) {
        self.cond.store(0, SeqCst);
        self.switch_cond.store(0, SeqCst);
        self.cell.store(std::ptr::null_mut(), SeqCst);
        self.last_thread.store(0, SeqCst);
    }

    #[inline(always)]
    pub(crate) fn cell(&self) -> Option<&'static GilCell> {
        // SAFETY: null, or from `set`, whose argument lives for ever.
        unsafe { self.cell.load(Relaxed).as_ref() }
    }
}

/// A thread ends: the next one at its address is another.
pub(crate) fn forget_thread(thread: usize) {
    for known in &TABLE {
        // Anything else is another thread's, which is not ours to forget.
        if known.last_thread.load(Relaxed) == thread {
            let _ = known
                .last_thread
                .compare_exchange(thread, 0, SeqCst, Relaxed);
        }
    }
}

/// What tells the living threads apart: the address of the thread's own block.
#[inline(always)]
pub(crate) fn thread_pointer() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        let pointer: usize;
        // SAFETY: on x86-64 Linux the word at fs:0 is the thread control block's
        // own address (ELF Handling For Thread-Local Storage, 3.4.6).
        unsafe {
            core::arch::asm!("mov {}, fs:0", out(reg) pointer, options(nostack, preserves_flags, readonly));
        }
        pointer
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // SAFETY: the call has no preconditions.
        unsafe { libc::pthread_self() as usize }
    }
}

/// In the child of a fork the slots are given out anew.
pub(crate) fn forget_threads_in_child() {
    TABLE
        .iter()
        .for_each(|known| known.last_thread.store(0, SeqCst));
}

/// Forgets all GILs from the one with this index on.
pub(crate) fn forget(from: usize) {
    TABLE[from..].iter().for_each(Known::unset);
}

/// The index of the GIL whose `cond` this is.
pub(crate) fn by_cond(address: usize) -> Option<u32> {
    (0..)
        .zip(&TABLE)
        .find(|(_, known)| known.cond.load(Relaxed) == address)
        .map(|(i, _)| i)
}

/// The index of the GIL whose `switch_cond` this is.
pub(crate) fn by_switch_cond(address: usize) -> Option<u32> {
    let mut table = (0..).zip(&TABLE);
    table
        .find(|(_, known)| known.switch_cond.load(Relaxed) == address)
        .map(|(i, _)| i)
}

/// The index of a known GIL whose memory overlaps one with this `cond`: the
/// older one is gone.
pub(crate) fn overlapping(cond: usize) -> Option<u32> {
    let mut table = (0..).zip(&TABLE);
    let near = |known: &Known| {
        let other = known.cond.load(Relaxed);
        other != 0 && other.abs_diff(cond) < DISTANCE + MUTEX
    };
    table.find(|(_, known)| near(known)).map(|(index, _)| index)
}

/// What lies around a `gil.cond` that is known to be one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gil(pub(crate) usize);

impl Gil {
    fn word(self, before: usize) -> usize {
        // SAFETY: `self` is a GIL that this process uses: calibration or its
        // own calls have shown it, and the words before `cond` belong to the
        // same struct. CPython writes them while others read, as words.
        unsafe { ((self.0 - before) as *const usize).read_volatile() }
    }

    pub(crate) fn switch_number(self) -> usize {
        self.word(SWITCH_NUMBER)
    }

    /// The thread state that took it last.
    pub(crate) fn last_holder(self) -> usize {
        self.word(LAST_HOLDER)
    }

    pub(crate) fn is_locked(self) -> bool {
        self.word(LOCKED) as u32 == 1
    }
}

/// What lies around an address that may be a `gil.cond`, read without a risk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    /// The switch interval in microseconds.
    pub(crate) interval_us: u64,
    /// The last holder's thread state.
    pub(crate) last_holder: usize,
    /// -1 (not made yet), 0 or 1.
    pub(crate) locked: i32,
}

impl Candidate {
    /// `None` where the memory cannot be read.
    pub(crate) fn read(cond: usize) -> Option<Self> {
        let start = cond.checked_sub(INTERVAL)? as u64;
        let mut bytes = [0; INTERVAL];
        let read = errno::kept(|| ProcessMemory::own().read(start, &mut bytes));
        let words = bytes.as_chunks().0;
        let word = |before: usize| usize::from_ne_bytes(words[(INTERVAL - before) / 8]);
        read.then(|| Candidate {
            interval_us: word(INTERVAL) as u64,
            last_holder: word(LAST_HOLDER),
            locked: word(LOCKED) as i32,
        })
    }

    /// Whether this can be a GIL: an interval below a day, a valid lock word.
    pub(crate) fn is_plausible(&self) -> bool {
        (1..86_400_000_000).contains(&self.interval_us)
            && (-1..=1).contains(&self.locked)
            && self.last_holder.is_multiple_of(align_of::<usize>())
    }
}

/// Whether `mutex` stands where the mutex of a GIL with this `cond` would.
pub(crate) fn is_mutex_of(cond: usize, mutex: usize) -> bool {
    mutex == cond.wrapping_add(MUTEX)
}
