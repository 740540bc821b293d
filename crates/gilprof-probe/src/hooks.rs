//! The functions that stand in the interpreter's relocation slots.
//!
//! What they see is described by the calls that take_gil and drop_gil make
//! (ceval_gil.c, 3.8 to 3.15): `pthread_cond_signal` on `gil.cond` releases,
//! on `gil.switch_cond` acquires, `pthread_cond_timedwait` on `gil.cond` waits,
//! `pthread_cond_wait` on `gil.switch_cond` waits for somebody to take it. All
//! but the last are made under `gil.mutex`.
//!
//! A thread may leave through `pthread_exit` in the middle of a wait, so the
//! hooks unwind and hold nothing that would need dropping. Nothing in here
//! allocates, locks, panics, calls Python or changes errno.

use std::ffi::c_int;
use std::sync::atomic::Ordering::Relaxed;

use gilprof_region::{Moment, Slot, Writer};
use libc::{pthread_cond_t, pthread_condattr_t, pthread_mutex_t, timespec};

use crate::active::{Active, book, outside};
use crate::gils::{self, Gil, Known, TABLE, thread_pointer};
use crate::{calibrate, cpu, current, discover, errno, holder, ordered};

unsafe extern "C-unwind" {
    fn pthread_cond_signal(cond: *mut pthread_cond_t) -> c_int;
    fn pthread_cond_timedwait(
        cond: *mut pthread_cond_t,
        mutex: *mut pthread_mutex_t,
        until: *const timespec,
    ) -> c_int;
    fn pthread_cond_wait(cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t) -> c_int;
    fn pthread_cond_init(cond: *mut pthread_cond_t, attr: *const pthread_condattr_t) -> c_int;
}

/// A function of libc, and what stands in for it.
pub(crate) struct Hook {
    pub(crate) name: &'static std::ffi::CStr,
    pub(crate) real: usize,
    pub(crate) hook: usize,
}

/// Where they are, in the order of [`all`].
pub(crate) const ADDRESSES: [*const (); 4] = [
    signal as *const (),
    timedwait as *const (),
    wait as *const (),
    init as *const (),
];

/// All hooks.
pub(crate) fn all() -> [Hook; 4] {
    [
        Hook {
            name: c"pthread_cond_signal",
            real: pthread_cond_signal as *const () as usize,
            hook: signal as *const () as usize,
        },
        Hook {
            name: c"pthread_cond_timedwait",
            real: pthread_cond_timedwait as *const () as usize,
            hook: timedwait as *const () as usize,
        },
        Hook {
            name: c"pthread_cond_wait",
            real: pthread_cond_wait as *const () as usize,
            hook: wait as *const () as usize,
        },
        Hook {
            name: c"pthread_cond_init",
            real: pthread_cond_init as *const () as usize,
            hook: init as *const () as usize,
        },
    ]
}

// Must not allocate.
unsafe extern "C-unwind" fn signal(cond: *mut pthread_cond_t) -> c_int {
    let address = cond as usize;
    // The main interpreter's GIL, without a search, and without a call where
    // nobody waits: a function that makes none saves no registers.
    let booked = if address == TABLE[0].switch_cond.load(Relaxed) {
        acquired_if_calm()
    } else if address == TABLE[0].cond.load(Relaxed) {
        released_if_calm()
    } else {
        false
    };
    if !booked {
        // SAFETY: the caller's argument, passed on.
        return unsafe { any_signal(cond) };
    }
    // SAFETY: the caller's argument, passed on.
    unsafe { pthread_cond_signal(cond) }
}

#[inline(always)]
fn acquired_if_calm() -> bool {
    book(0, |active, known, writer| {
        let slot = known.recall(thread_pointer())?;
        let now_ns = active.clock.now_ns_without_call()?;
        writer.acquire_if_calm(slot, now_ns).then_some(())
    })
    .flatten()
    .is_some()
}

#[inline(always)]
fn released_if_calm() -> bool {
    book(0, |active, _, writer| {
        let now_ns = active.clock.now_ns_without_call()?;
        writer.release_if_calm(now_ns).then_some(())
    })
    .flatten()
    .is_some()
}

/// [`signal`], whatever it is about.
#[inline(never)]
unsafe extern "C-unwind" fn any_signal(cond: *mut pthread_cond_t) -> c_int {
    let address = cond as usize;
    if !is_booked(address) && ordered::obey() {
        is_booked(address);
    }
    // SAFETY: the caller's argument, passed on.
    unsafe { pthread_cond_signal(cond) }
}

/// Books a signal; false where nothing is recorded, or it is about no known GIL.
fn is_booked(address: usize) -> bool {
    if let Some(gil) = gils::by_switch_cond(address) {
        return acquired(gil).is_some();
    }
    if let Some(gil) = gils::by_cond(address) {
        let booked = released(gil).is_some();
        if !booked && gil == 0 {
            ordered::let_go();
        }
        return booked;
    }
    calibrate::saw_signal(address);
    let gil = discover::by_signals(address);
    gil.and_then(acquired).is_some()
}

fn acquired(gil: u32) -> Option<()> {
    book(gil, |active, known, writer| {
        let now_ns = active.clock.now_ns();
        let slot = active.slot(known, writer, now_ns);
        let due = writer.cpu_due(slot, now_ns);
        if writer.has_asked(slot) {
            writer.note_answered(slot, interpreter(active, known), now_ns);
        }
        let weights = writer.acquire(slot, now_ns);
        if let Some(pause_ns) = due {
            read_cpu(active, writer, slot, pause_ns);
            ordered::leave_if_abandoned(active, now_ns);
        }
        if gil == 0 && weights.is_due() {
            active.take_stack(slot, Moment::Acquire, weights);
        }
    })
}

fn released(gil: u32) -> Option<()> {
    book(gil, |active, known, writer| {
        let now_ns = active.clock.now_ns();
        let own = known.recall(thread_pointer());
        let own = own.or_else(|| current::slot(active.generation));
        // One that has the GIL since before the recording comes by for the first time.
        let own = own.or_else(|| Some(active.slot(known, writer, now_ns)));
        let due = own.and_then(|slot| Some((slot, writer.cpu_due(slot, now_ns)?)));
        let (slot, weights) = writer.release(now_ns);
        if let Some((own, pause_ns)) = due {
            read_cpu(active, writer, own, pause_ns);
        }
        if gil == 0 && weights.is_due() {
            active.take_stack(slot, Moment::Release, weights);
        }
    })
}

/// The interpreter of the thread that has the GIL.
fn interpreter(active: &Active, known: &Known) -> Option<u64> {
    let state = Gil(known.cond.load(Relaxed)).last_holder();
    active.interpreters.and_then(|of| of.state(state))
}

/// Each thread with events comes here now and then: a good place to look whether the
/// reader has slept long enough.
fn read_cpu(active: &Active, writer: &Writer<'_>, slot: Slot, pause_ns: u64) {
    writer.book_cpu(slot, cpu::read(), pause_ns);
    errno::kept(|| active.region.ring_if_filling(writer.gil()));
}

/// What a wait must know when it ends.
#[derive(Clone, Copy)]
struct Ticket {
    gil: u32,
    generation: u32,
    slot: Slot,
    switch_number: usize,
}

// Must not allocate.
unsafe extern "C-unwind" fn timedwait(
    cond: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
    until: *const timespec,
) -> c_int {
    let mut ticket = begins_to_wait(cond as usize, mutex as usize);
    if ticket.is_none() && ordered::obey() {
        holds_already(cond as usize);
        ticket = begins_to_wait(cond as usize, mutex as usize);
    }
    // SAFETY: the caller's arguments, passed on.
    let result = unsafe { pthread_cond_timedwait(cond, mutex, until) };
    if result == libc::ETIMEDOUT
        && let Some(ticket) = ticket
    {
        timed_out(Gil(cond as usize), ticket);
    }
    result
}

/// The recording has begun with this call of a thread that waits: somebody else has the GIL.
/// The caller has its mutex, so that stays so.
// Must not allocate.
#[cold]
fn holds_already(cond: usize) {
    let Some(gil) = gils::by_cond(cond).filter(|_| Gil(cond).is_locked()) else {
        return;
    };
    book(gil, |active, _, writer| {
        let now_ns = active.clock.now_ns();
        if let Some(native_id) = errno::kept(|| holder::of(Gil(cond).last_holder())) {
            writer.holds_already(native_id, now_ns);
        }
    });
}

fn begins_to_wait(cond: usize, mutex: usize) -> Option<Ticket> {
    let gil = gils::by_cond(cond).or_else(|| discover::by_wait(cond, mutex))?;
    let mut ticket = None;
    book(gil, |active, known, writer| {
        let now_ns = active.clock.now_ns();
        let slot = active.slot(known, writer, now_ns);
        let due = writer.cpu_due(slot, now_ns);
        if writer.wait(slot, now_ns)
            && let Some(pause_ns) = due
        {
            read_cpu(active, writer, slot, pause_ns);
        }
        ticket = Some(Ticket {
            gil,
            generation: active.generation,
            slot,
            switch_number: Gil(cond).switch_number(),
        });
    });
    ticket
}

/// take_gil asks the holder to drop the GIL if it is still held and nobody
/// else had it in between.
fn timed_out(address: Gil, ticket: Ticket) {
    if !address.is_locked() || address.switch_number() != ticket.switch_number {
        return;
    }
    book(ticket.gil, |active, known, writer| {
        // Another recording may have begun during the wait.
        if active.generation == ticket.generation {
            writer.drop_request(ticket.slot, active.clock.now_ns());
            if let Some(holders) = interpreter(active, known) {
                writer.note_asked(ticket.slot, holders);
            }
            errno::kept(|| active.region.ring_bell());
        }
    });
}

// Must not allocate.
unsafe extern "C-unwind" fn wait(cond: *mut pthread_cond_t, mutex: *mut pthread_mutex_t) -> c_int {
    let began = gils::by_switch_cond(cond as usize).and_then(|_| switch_wait_begins());
    // SAFETY: the caller's arguments, passed on.
    let result = unsafe { pthread_cond_wait(cond, mutex) };
    if let Some(generation) = began {
        switch_wait_ended(generation);
    }
    result
}

/// This is outside of `gil.mutex`: it touches the thread's own cell only. Gives
/// back the recording that the wait began in.
fn switch_wait_begins() -> Option<u32> {
    outside(|active| {
        let slot = current::slot(active.generation)?;
        let thread = active.region.thread(slot)?;
        thread.begin_switch_wait(active.clock.now_ns());
        Some(active.generation)
    })
    .flatten()
}

fn switch_wait_ended(generation: u32) {
    outside(|active| {
        if active.generation != generation {
            return;
        }
        let cell = current::slot(generation).and_then(|slot| active.region.thread(slot));
        if let Some(cell) = cell {
            cell.end_switch_wait(active.clock.now_ns());
        }
    });
}

// Must not allocate.
unsafe extern "C-unwind" fn init(
    cond: *mut pthread_cond_t,
    attr: *const pthread_condattr_t,
) -> c_int {
    // SAFETY: the caller's arguments, passed on.
    let result = unsafe { pthread_cond_init(cond, attr) };
    ordered::notice_fork();
    discover::made(cond as usize);
    result
}
