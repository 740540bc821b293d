//! How many nanoseconds one event costs the ledger, by the number of threads that
//! contend for the GIL.
//!
//! `cargo run --release -p gilprof-core --example throughput`
#![allow(clippy::print_stdout)]

use std::time::Instant;

use gilprof_core::{Event, EventKind, Ledger};

fn event(time_ns: u64, thread: u32, kind: EventKind) -> Event {
    Event {
        time_ns,
        thread,
        slot: thread as u16,
        kind,
        flags: 0,
    }
}

/// Threads take turns at the GIL: all but the holder wait, `step_ns` between events.
fn contention(threads: u32, rounds: u64, step_ns: u64) -> Vec<Event> {
    let mut time = 0;
    let mut events: Vec<Event> = (1..=threads)
        .map(|t| event(0, t, EventKind::Begin))
        .collect();
    events.push(event(0, 0, EventKind::Reborn));
    events.push(event(0, 1, EventKind::Acquire));
    events.extend((2..=threads).map(|t| event(0, t, EventKind::Wait)));
    for round in 0..rounds {
        let holder = (round % u64::from(threads)) as u32 + 1;
        let next = holder % threads + 1;
        for (thread, kind) in [
            (holder, EventKind::Release),
            (next, EventKind::Acquire),
            (holder, EventKind::Wait),
        ] {
            time += step_ns;
            events.push(event(time, thread, kind));
        }
    }
    events
}

fn measure(events: &[Event]) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let mut ledger = Ledger::new(0);
        let begin = Instant::now();
        events.iter().for_each(|&event| ledger.apply(event));
        let spent = begin.elapsed().as_nanos() as f64;
        std::hint::black_box(ledger.at(0).events);
        best = best.min(spent / events.len() as f64);
    }
    best
}

fn main() {
    println!("threads  ns/event  ns/event (5 ms turns)");
    for threads in [2, 4, 8, 32, 100] {
        let busy = measure(&contention(threads, 400_000, 300));
        let slow = measure(&contention(threads, 40_000, 5_000_000));
        println!("{threads:7}  {busy:8.1}  {slow:8.1}");
    }
    let mut ledger = Ledger::new(0);
    let events = contention(100, 300_000, 3_000);
    events.iter().for_each(|&event| ledger.apply(event));
    let begin = Instant::now();
    std::hint::black_box(ledger.at(0));
    println!("an account of 100 threads: {:?}", begin.elapsed());
}
