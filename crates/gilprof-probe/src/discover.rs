//! GILs that come up while a recording is on: own-GIL subinterpreters
//! (PEP 684), and the main GIL made anew after a fork.

use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

use gilprof_region::Region;

use crate::active::{book, outside};
use crate::gils::{self, Candidate, DISTANCE, TABLE};

/// Addresses seen lately that may be half of a GIL's pair.
#[derive(Debug)]
struct Recent([AtomicUsize; 4]);

impl Recent {
    const fn new() -> Self {
        Recent([const { AtomicUsize::new(0) }; 4])
    }

    fn note(&self, address: usize) {
        let place = address / DISTANCE % self.0.len();
        self.0[place].store(address, Relaxed);
    }

    /// Whether the address was noted; it is forgotten.
    fn take(&self, address: usize) -> bool {
        self.0
            .iter()
            .any(|place| place.compare_exchange(address, 0, SeqCst, Relaxed).is_ok())
    }
}

static SIGNALLED: Recent = Recent::new();
static MADE: Recent = Recent::new();

/// A condition variable was made. create_gil makes `cond` and then
/// `switch_cond`: with the second one a GIL is born.
// Must not allocate.
pub(crate) fn made(address: usize) {
    let cond = address.wrapping_sub(DISTANCE);
    if MADE.take(cond) {
        if is_plausible(cond) {
            learn(cond);
        }
    } else {
        MADE.note(address);
    }
}

/// Two signals exactly one distance apart are a release and an acquire of a
/// GIL that was there before the recording. Gives the index of that GIL.
// Must not allocate.
pub(crate) fn by_signals(address: usize) -> Option<u32> {
    let cond = address.wrapping_sub(DISTANCE);
    if !SIGNALLED.take(cond) {
        SIGNALLED.note(address);
        return None;
    }
    is_plausible(cond).then(|| learn(cond))?
}

/// A timed wait with the mutex where a GIL has it.
// Must not allocate.
pub(crate) fn by_wait(cond: usize, mutex: usize) -> Option<u32> {
    // While nothing is known yet, calibration finds the main GIL.
    let calibrated = TABLE[0].cond.load(Relaxed) != 0;
    let fits = calibrated && gils::is_mutex_of(cond, mutex) && is_plausible(cond);
    fits.then(|| learn(cond))?
}

fn is_plausible(cond: usize) -> bool {
    Candidate::read(cond).is_some_and(|candidate| candidate.is_plausible())
}

/// Enters a GIL: nobody is known to hold it or to wait for it.
fn learn(cond: usize) -> Option<u32> {
    let gil = outside(|active| {
        let gil = place_for(cond, active.region)?;
        TABLE.get(gil as usize)?.set(cond, active.region.gil(gil)?);
        Some(gil)
    })
    .flatten()?;
    book(gil, |active, _, writer| writer.born(active.clock.now_ns()));
    Some(gil)
}

fn place_for(cond: usize, region: &Region) -> Option<u32> {
    match gils::overlapping(cond) {
        // The main GIL is made anew in the child of a fork.
        Some(0) => Some(0),
        Some(old) => {
            TABLE[old as usize].unset();
            Some(region.new_gil().unwrap_or(old))
        }
        None => region.new_gil(),
    }
}
