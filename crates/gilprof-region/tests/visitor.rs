//! One who reads along sees what the reader sees, and writes nothing.
#![allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]

use std::os::fd::{AsFd, AsRawFd};

use gilprof_region::{Clock, Cursor, Cut, Next, Region, Sizes, StackCursor, Writer};

fn write_to(region: &Region, holds: u64) {
    let writer = Writer::new(region, region.new_gil().unwrap()).unwrap();
    writer.cell().enter();
    writer.born(1);
    let slot = writer.admit(7, 1).unwrap();
    for hold in 0..holds {
        writer.acquire(slot, 10 * hold + 10);
        writer.release(10 * hold + 13);
    }
    writer.cell().leave();
}

#[test]
fn a_visitor_reads_events_and_sums_of_a_file_that_it_may_not_write_to() {
    let (region, file) = Region::shared(Sizes::default()).unwrap();
    write_to(&region, 100);
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let read_only = std::fs::File::open(path).unwrap();
    assert!(Region::open(read_only.as_fd()).is_err());
    let seen = Region::look_at(read_only.as_fd()).unwrap();
    let (ring, mut cursor) = (seen.ring(0).unwrap(), Cursor::default());
    let mut events = 0;
    while let Some(next) = cursor.next(&ring, ring.posted()) {
        events += u64::from(matches!(next, Next::Event(_)));
    }
    assert_eq!(events, ring.posted());
    assert!(
        StackCursor::of_visitor()
            .next(seen.stacks(), u64::MAX)
            .is_none()
    );
    let cut = Cut::take(&seen, &Clock::monotonic(), Some(2_000));
    assert_eq!(
        (cut.gils[0].acquisitions, cut.gils[0].holding_ns),
        (100, 300)
    );
}

#[test]
fn a_region_that_others_may_look_at_is_empty_for_them_too_once_it_is_cleared() {
    let (region, file) = Region::shared(Sizes::default()).unwrap();
    write_to(&region, 100);
    let seen = Region::look_at(file.as_fd()).unwrap();
    assert!(seen.ring(0).unwrap().posted() > 0);
    region.clear().unwrap();
    assert_eq!(seen.ring(0).unwrap().posted(), 0);
    write_to(&region, 3);
    let cut = Cut::take(&seen, &Clock::monotonic(), Some(2_000));
    assert_eq!(cut.gils[0].acquisitions, 3);
}
