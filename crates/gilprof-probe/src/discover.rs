//! GILs that come up while a recording is on: own-GIL subinterpreters
//! (PEP 684), and the main GIL made anew after a fork.

use std::sync::atomic::{
    AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};

use gilprof_region::Region;

use crate::active::{self, book, outside};
use crate::gils::{self, Candidate, DISTANCE, TABLE};
use crate::probe::first_gil;

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
    known_or_new(cond)
}

/// A timed wait with the mutex where a GIL has it.
// Must not allocate.
pub(crate) fn by_wait(cond: usize, mutex: usize) -> Option<u32> {
    // While nothing is recorded yet, calibration finds the main GIL.
    let fits = active::recording().is_some() && gils::is_mutex_of(cond, mutex);
    fits.then(|| known_or_new(cond))?
}

/// The main GIL's `cond` is known from elsewhere. Nothing is recorded in this region yet: once
/// it is, threads of other interpreters come by at any time, and the main GIL is the first.
// Must not allocate.
pub(crate) fn told(cond: usize, region: &'static Region, now_ns: u64) {
    if is_plausible(cond)
        && let Some(writer) = first_gil(region, now_ns)
    {
        TABLE[0].set(cond, writer.cell());
    }
}

/// The caller did not find it in the table, but another thread may have entered
/// it since, and a GIL that somebody holds must not be born again.
fn known_or_new(cond: usize) -> Option<u32> {
    gils::by_cond(cond).or_else(|| is_plausible(cond).then(|| learn(cond))?)
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

#[cfg(test)]
mod tests {
    use gilprof_region::{Clock, Recording, Slot, Writer};

    use super::*;
    use crate::active::Active;

    /// What lies before and after `gil.cond` in a GIL that nobody holds.
    #[repr(C, align(16))]
    struct Fake {
        interval_us: u64,
        last_holder: u64,
        locked: u64,
        switch_number: u64,
        cond_and_switch_cond: [u8; 2 * DISTANCE],
    }

    /// The `gil.cond` of a new one.
    fn fake() -> usize {
        let fake: &'static Fake = Box::leak(Box::new(Fake {
            interval_us: 5_000,
            last_holder: 0,
            locked: 0,
            switch_number: 0,
            cond_and_switch_cond: [0; 2 * DISTANCE],
        }));
        fake.cond_and_switch_cond.as_ptr() as usize
    }

    fn region() -> &'static Region {
        let region = Region::private(gilprof_region::Sizes::default()).expect("memory");
        region.start(&Recording {
            pid: std::process::id(),
            clock: Clock::monotonic(),
            started_ns: 1,
            started_unix_ns: 0,
            switch_interval_ns: 5_000_000,
            event_cost_ps: 0,
            reading_cost_ps: 0,
            python: [3, 13, 0],
            cpus: 2,
        });
        Box::leak(Box::new(region))
    }

    fn turn_on(region: &'static Region) {
        let recording = region.recording();
        active::turn_on(Active {
            region,
            clock: recording.clock,
            generation: 1,
            shared: false,
            stacks: None,
            interpreters: None,
            recording,
        });
    }

    #[test]
    fn a_main_gil_that_is_told_is_the_first_whoever_comes_by_before_it() {
        let (main, other, region) = (fake(), fake(), region());
        told(main, region, 1);
        turn_on(region);
        let mutex_of = |cond| cond + size_of::<libc::pthread_cond_t>();
        assert_eq!(by_wait(other, mutex_of(other)), Some(1));
        assert_eq!(by_wait(main, mutex_of(main)), Some(0));
        active::turn_off();
        gils::forget(0);
    }

    #[test]
    fn a_gil_that_became_known_a_moment_ago_is_not_born_again() {
        let (cond, region) = (fake(), region());
        let gil = region.new_gil().expect("the first of sixteen");
        let writer = Writer::new(region, gil).expect("a GIL that is there");
        writer.cell().enter();
        writer.born(1);
        writer.acquire(Slot::NONE, 2);
        writer.cell().leave();
        TABLE[0].set(cond, writer.cell());
        turn_on(region);
        let posted = || region.ring(gil).map(|ring| ring.posted());
        let before = posted();
        // A waiter that looked just before the GIL was in the table.
        let mutex = cond + size_of::<libc::pthread_cond_t>();
        assert_eq!(by_wait(cond, mutex), Some(gil));
        assert_eq!(by_signals(cond), None);
        assert_eq!(by_signals(cond + DISTANCE), Some(gil));
        assert_eq!(posted(), before, "an event of its birth");
        active::turn_off();
        gils::forget(0);
    }
}
