//! Threads that were there before the recording began.
#![allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]

use gilprof_region::{Clock, Cut, Region, Sizes, Writer};

const MS: u64 = 1_000_000;

fn region() -> Region {
    let region = Region::private(Sizes::new(4, 1 << 12).unwrap()).unwrap();
    region.adopt(7, MS, "holder", None).unwrap();
    region.adopt(8, MS, "waiter", None).unwrap();
    region
}

fn writer(region: &Region) -> Writer<'_> {
    let writer = Writer::new(region, region.new_gil().unwrap()).unwrap();
    writer.cell().enter();
    writer.born(MS);
    writer
}

#[test]
fn who_has_the_gil_already_holds_it_until_its_first_release() {
    let region = region();
    let writer = writer(&region);
    assert!(writer.holds_already(7, 2 * MS));
    let waiter = writer.admit(8, 2 * MS).unwrap();
    writer.wait(waiter, 2 * MS);
    let holder = writer.admit(7, 10 * MS).unwrap();
    assert_eq!(writer.release(10 * MS).0, holder);
    writer.acquire(waiter, 10 * MS);
    writer.cell().leave();
    let cut = Cut::take(&region, &Clock::monotonic(), Some(12 * MS));
    let held: Vec<(&str, u64, u64, u64)> = cut
        .threads
        .iter()
        .map(|row| (&row.name[..], row.holding_ns, row.waiting_ns, row.caused_ns))
        .collect();
    assert_eq!(
        held,
        [("holder", 8 * MS, 0, 8 * MS), ("waiter", 2 * MS, 8 * MS, 0)]
    );
    assert_eq!(cut.anomalies, 0);
}

#[test]
fn a_thread_that_waits_did_not_have_the_gil_whoever_was_taken_to_have_it() {
    let region = region();
    let writer = writer(&region);
    assert!(writer.holds_already(7, 2 * MS));
    let waiters = [7, 8].map(|native_id| writer.admit(native_id, 3 * MS).unwrap());
    assert_eq!(waiters.map(|slot| writer.wait(slot, 3 * MS)), [true, true]);
    writer.release(5 * MS);
    writer.acquire(waiters[0], 6 * MS);
    writer.cell().leave();
    let cut = Cut::take(&region, &Clock::monotonic(), Some(9 * MS));
    for row in &cut.threads {
        let sum = row.holding_ns + row.waiting_ns + row.detached_ns;
        assert_eq!((row.name.as_str(), sum), (row.name.as_str(), 8 * MS));
    }
    let held: u64 = cut.threads.iter().map(|row| row.holding_ns).sum();
    let waited: u64 = cut.threads.iter().map(|row| row.waiting_ns).sum();
    let gil = &cut.gils[0];
    assert_eq!((held, waited), (gil.holding_ns, gil.waiting_ns));
    assert_eq!(held, 4 * MS);
    // That it waits, and that somebody else has released the GIL.
    assert_eq!(cut.anomalies, 2);
}

#[test]
fn a_thread_that_was_not_there_holds_nothing() {
    let region = region();
    let writer = writer(&region);
    assert!(!writer.holds_already(9, 2 * MS));
    writer.cell().leave();
}

#[test]
fn a_first_release_of_a_hold_that_nobody_saw_begin_is_no_anomaly() {
    let region = region();
    let writer = writer(&region);
    writer.release(3 * MS);
    writer.cell().leave();
    let cut = Cut::take(&region, &Clock::monotonic(), Some(4 * MS));
    assert_eq!(cut.anomalies, 0);
}
