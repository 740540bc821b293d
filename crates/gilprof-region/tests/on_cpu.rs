//! What readings of threads' CPU clocks come to.
#![allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]

use gilprof_core::{CpuReading, Thread};
use gilprof_region::{Clock, Cut, Region, Sizes, Slot, Writer};

const MS: u64 = 1_000_000;

fn counted(cpu_ns: u64, voluntary: u64) -> Option<CpuReading> {
    Some(CpuReading {
        cpu_ns,
        voluntary,
        involuntary: 1,
    })
}

fn region(slots: u64) -> Region {
    Region::private(Sizes::new(slots, 1 << 12).unwrap()).unwrap()
}

fn writer(region: &Region) -> Writer<'_> {
    let writer = Writer::new(region, region.new_gil().unwrap()).unwrap();
    writer.cell().enter();
    writer.born(MS);
    writer.cell().leave();
    writer
}

/// Holds from `from` to `to`, with a reading at both ends.
fn hold(writer: &Writer<'_>, slot: Slot, (from, to): (u64, u64), counts: [Option<CpuReading>; 2]) {
    writer.cell().enter();
    let due = [from, to].map(|at_ns| writer.cpu_due(slot, at_ns).unwrap_or_default());
    writer.acquire(slot, from);
    writer.book_cpu(slot, counts[0], due[0]);
    writer.release(to);
    writer.book_cpu(slot, counts[1], due[1]);
    writer.cell().leave();
}

fn rows(region: &Region, at_ns: u64) -> Vec<Thread> {
    Cut::take(region, &Clock::monotonic(), Some(at_ns)).threads
}

fn parts(row: &Thread) -> [Option<u64>; 4] {
    [
        row.holding_cpu_ns,
        row.holding_preempted_ns,
        row.holding_blocked_ns,
        row.detached_cpu_ns,
    ]
}

#[test]
fn a_hold_is_split_by_the_readings_at_its_ends() {
    let region = region(2);
    let writer = writer(&region);
    let slot = writer.admit(7, MS).unwrap();
    // Preempted for 3 of 10 ms, then blocked for 9 of 10 ms.
    hold(
        &writer,
        slot,
        (MS, 11 * MS),
        [counted(1, 0), counted(1 + 7 * MS, 0)],
    );
    let again = [counted(1 + 9 * MS, 0), counted(1 + 10 * MS, 1)];
    hold(&writer, slot, (21 * MS, 31 * MS), again);
    let row = &rows(&region, 31 * MS)[0];
    assert_eq!(parts(row), [8 * MS, 3 * MS, 9 * MS, 2 * MS].map(Some));
    assert_eq!(row.cpu_ns, Some(10 * MS));
    assert_eq!(
        (row.voluntary_switches, row.involuntary_switches),
        (Some(1), Some(0))
    );
    assert_eq!(row.holding_read_ns(), row.holding_ns);
}

#[test]
fn holding_since_the_last_reading_is_in_no_part() {
    let region = region(2);
    let writer = writer(&region);
    let slot = writer.admit(7, MS).unwrap();
    hold(
        &writer,
        slot,
        (MS, 2 * MS),
        [counted(1, 0), counted(1 + MS, 0)],
    );
    writer.cell().enter();
    writer.acquire(slot, 3 * MS);
    writer.cell().leave();
    let row = &rows(&region, 8 * MS)[0];
    assert_eq!(row.holding_ns, 6 * MS);
    assert_eq!(parts(row), [MS, 0, 0, 0].map(Some));
}

#[test]
fn without_two_readings_nothing_is_known() {
    let region = region(2);
    let writer = writer(&region);
    let slot = writer.admit(7, MS).unwrap();
    hold(&writer, slot, (MS, 2 * MS), [counted(1, 0), None]);
    assert_eq!(parts(&rows(&region, 2 * MS)[0]), [None; 4]);
}

#[test]
fn a_reading_is_due_after_a_time_after_a_long_hold_and_after_the_absence_that_follows() {
    let region = region(2);
    let writer = writer(&region);
    let slot = writer.admit(7, MS).unwrap();
    writer.cell().enter();
    let first = writer.cpu_due(slot, MS).unwrap();
    assert_eq!(first, 2 * MS);
    assert!(!writer.acquire_if_calm(slot, MS));
    writer.acquire(slot, MS);
    writer.book_cpu(slot, counted(1, 0), first);
    let mut now = MS + 199_999;
    assert_eq!(writer.cpu_due(slot, now), None);
    assert_eq!(writer.cpu_due(slot, now + 1), Some(100_000));
    assert!(!writer.release_if_calm(now + 1));
    // A short hold, an absence, a long hold.
    assert!(writer.release_if_calm(now));
    now += 500_000;
    assert!(writer.acquire_if_calm(slot, now));
    now += 200_000;
    let pause = writer.cpu_due(slot, now).unwrap();
    writer.release(now);
    writer.book_cpu(slot, counted(2, 0), pause);
    assert_eq!(writer.cpu_due(slot, now + 99_999), None);
    assert!(!writer.acquire_if_calm(slot, now + 100_000));
    assert!(writer.acquire_if_calm(slot, now + 99_999));
    writer.cell().leave();
}

#[test]
fn a_thread_that_seldom_holds_is_read_less_often() {
    let pause = |held_ns: u64, away_ns: u64| {
        let region = region(2);
        let writer = writer(&region);
        let slot = writer.admit(7, MS).unwrap();
        let mut now = MS;
        hold(&writer, slot, (now, now + held_ns), [counted(1, 0); 2]);
        loop {
            now += held_ns + away_ns;
            if let Some(pause) = writer.cpu_due(slot, now) {
                break pause;
            }
            hold(&writer, slot, (now, now + held_ns), [None; 2]);
        }
    };
    assert_eq!(pause(100_000, 100_000), 2 * MS);
    assert_eq!(pause(100_000, 310_000), 6 * MS);
    assert_eq!(pause(20_000, 900_000), 16 * MS);
}

#[test]
fn a_system_that_does_not_tell_is_not_asked_at_every_event() {
    let region = region(2);
    let writer = writer(&region);
    let slot = writer.admit(7, MS).unwrap();
    hold(&writer, slot, (MS, 2 * MS), [None, None]);
    assert_eq!(writer.cpu_due(slot, 2 * MS + 1), None);
}

#[test]
fn ended_threads_bring_their_parts_and_their_last_reading_to_the_group() {
    let region = region(1);
    let writer = writer(&region);
    let mut now = MS;
    for native_id in 1..=5 {
        let slot = writer.admit(native_id, now).unwrap();
        let counts = [counted(10, 3), counted(10 + MS, 3)];
        hold(&writer, slot, (now, now + 2 * MS), counts);
        // Detached for 4 ms, on a CPU for 3.
        now += 6 * MS;
        region.note_end(slot, now, counted(10 + 4 * MS, 3));
    }
    // A sixth has the only slot: all five are in their group.
    let slot = writer.admit(6, now).unwrap();
    hold(&writer, slot, (now, now + MS), [counted(5, 0), None]);
    let rows = rows(&region, now + MS);
    let group = rows.iter().find(|row| row.members == 5).unwrap();
    assert_eq!(parts(group), [5 * MS, 5 * MS, 0, 15 * MS].map(Some));
    assert_eq!(group.holding_ns, 10 * MS);
    let sixth = rows.iter().find(|row| row.members == 1).unwrap();
    assert_eq!(
        parts(sixth),
        [None; 4],
        "nothing is left of the slot's last user"
    );
}

#[test]
fn a_cut_says_what_is_unread_of_those_that_are_away() {
    let region = region(4);
    let away = region.adopt(9, MS, "away", counted(500, 2)).unwrap();
    assert_eq!(region.untouched(), [9]);
    let writer = writer(&region);
    let slot = writer.admit(7, MS).unwrap();
    writer.cell().enter();
    writer.acquire(slot, MS);
    writer.book_cpu(slot, counted(1, 0), 0);
    writer.cell().leave();
    let cut = Cut::take(&region, &Clock::monotonic(), Some(5 * MS));
    let unread: Vec<_> = cut
        .unread
        .iter()
        .map(|one| {
            (
                cut.threads[one.row].native_id,
                one.last.cpu_ns,
                one.detached_ns,
            )
        })
        .collect();
    assert_eq!(unread, [(Some(9), 500, 4 * MS)], "the holder is in none");
    assert_eq!(away.index(), 0);
}
