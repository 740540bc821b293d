//! What booking an event costs on this machine, measured where it will run.

use std::sync::OnceLock;

use gilprof_region::{Clock, Region, Sizes, Writer};

use crate::cpu;

/// Events booked to measure one: some tens of microseconds in all.
const ROUNDS: u64 = 1_000;
/// The same for readings of the CPU clock, which take more.
const READINGS: u64 = 50;

/// What booking one event and reading a thread's CPU clock once cost on this machine, in
/// thousandths of a nanosecond: measured once per process, which takes some tens of
/// microseconds. 0 where it could not be measured.
pub fn costs_ps(clock: Clock) -> [u64; 2] {
    [event_cost_ps(clock), reading_cost_ps(clock)]
}

/// The cost of one event in picoseconds, measured once per process on a region
/// of its own; 0 where it could not be measured.
pub(crate) fn event_cost_ps(clock: Clock) -> u64 {
    static COST: OnceLock<u64> = OnceLock::new();
    *COST.get_or_init(|| measure(clock).unwrap_or(0))
}

/// The cost of one reading of the thread's CPU clock in picoseconds, measured once per
/// process.
pub(crate) fn reading_cost_ps(clock: Clock) -> u64 {
    static COST: OnceLock<u64> = OnceLock::new();
    *COST.get_or_init(|| {
        let start = clock.now_ns();
        (0..READINGS).for_each(|_| {
            std::hint::black_box(cpu::read());
        });
        clock.now_ns().saturating_sub(start) * 1_000 / READINGS
    })
}

fn measure(clock: Clock) -> Option<u64> {
    let region = Region::private(Sizes::new(1, 1 << 10).ok()?).ok()?;
    let writer = Writer::new(&region, region.new_gil()?)?;
    writer.born(clock.now_ns());
    let slot = writer.admit(0, clock.now_ns())?;
    let pair = || {
        writer.cell().enter();
        writer.acquire(slot, clock.now_ns());
        writer.cell().leave();
        writer.cell().enter();
        writer.release(clock.now_ns());
        writer.cell().leave();
    };
    // The first round touches the pages.
    (0..ROUNDS).for_each(|_| pair());
    let start = clock.now_ns();
    (0..ROUNDS).for_each(|_| pair());
    let spent_ns = clock.now_ns().saturating_sub(start);
    Some(spent_ns * 1_000 / (2 * ROUNDS))
}
