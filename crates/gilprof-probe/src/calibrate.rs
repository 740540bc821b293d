//! Learning where the main interpreter's GIL is, by using it once.
//!
//! With the hooks in place and nothing recorded, one PyEval_SaveThread and
//! PyEval_RestoreThread signal `gil.cond` and then `gil.switch_cond`. What is
//! around these two addresses must then be the GIL that this thread holds.

use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

use crate::error::Error;
use crate::gils::{Candidate, DISTANCE};
use crate::python::Attached;

/// The thread that calibrates (its pthread_self), or zero.
static LEARNER: AtomicUsize = AtomicUsize::new(0);
/// How many signals it has sent, and the first few addresses.
static COUNT: AtomicUsize = AtomicUsize::new(0);
static SEEN: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];

fn this_thread() -> usize {
    // SAFETY: the call has no preconditions.
    unsafe { libc::pthread_self() as usize }
}

/// A hook saw a signal on an address that belongs to no known GIL.
// Must not allocate.
pub(crate) fn saw_signal(address: usize) {
    if LEARNER.load(Relaxed) != this_thread() {
        return;
    }
    let index = COUNT.fetch_add(1, Relaxed);
    if let Some(place) = SEEN.get(index) {
        place.store(address, Relaxed);
    }
}

/// The address of the main GIL's `cond`.
///
/// # Errors
/// [`Error::Unsupported`] where what is seen is not a GIL as this crate knows it.
pub(crate) fn calibrate(python: &Attached<'_>) -> Result<usize, Error> {
    COUNT.store(0, SeqCst);
    LEARNER.store(this_thread(), SeqCst);
    let state = python.save_and_restore();
    LEARNER.store(0, SeqCst);
    let cond = pair()?;
    let expected_us = python.switch_interval_us();
    let found = Candidate::read(cond).ok_or_else(|| doubt("its memory cannot be read"))?;
    check(&found, expected_us, state)?;
    Ok(cond)
}

fn pair() -> Result<usize, Error> {
    let count = COUNT.load(SeqCst);
    if count == 0 {
        return Err(doubt(
            "giving it up and taking it again signalled no condition variable",
        ));
    }
    let [cond, switch_cond] = [SEEN[0].load(SeqCst), SEEN[1].load(SeqCst)];
    if count != 2 || switch_cond.wrapping_sub(cond) != DISTANCE {
        return Err(doubt(&format!(
            "giving it up and taking it again signalled {count} condition variables, \
             the second {} bytes after the first; expected 2 and {DISTANCE}",
            switch_cond.wrapping_sub(cond) as isize
        )));
    }
    Ok(cond)
}

fn check(found: &Candidate, interval_us: Option<u64>, state: usize) -> Result<(), Error> {
    let interval_us = interval_us.ok_or_else(|| doubt("sys.getswitchinterval() fails"))?;
    if found.interval_us != interval_us {
        return Err(doubt(&format!(
            "its switch interval reads {} µs, sys.getswitchinterval() says {interval_us} µs",
            found.interval_us
        )));
    }
    if found.locked != 1 {
        return Err(doubt(&format!(
            "it is held, but its lock word is {}, not 1",
            found.locked
        )));
    }
    if found.last_holder != state {
        return Err(doubt(&format!(
            "its last holder is {:#x}, this thread's state is {state:#x}",
            found.last_holder
        )));
    }
    Ok(())
}

fn doubt(why: &str) -> Error {
    Error::unsupported(format!(
        "this interpreter's GIL does not check out: {why}; please report it with the output \
         of `python -VV`"
    ))
}
