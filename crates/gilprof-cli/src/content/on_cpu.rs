//! Whether threads ran, were preempted or were blocked.

use gilprof::Profile;
use gilprof::core::Thread;

use super::document::{Cell, Column, Section, Table};
use super::labels::Labels;
use super::threads::{by_want, first_rows, known};
use crate::duration::duration;
use crate::number::percent;

const COLUMNS: [Column; 8] = [
    Column::text("thread"),
    Column::number("holding", 2),
    Column::number("on\nCPU", 0),
    Column::number("\npreempted", 0),
    Column::number("\nblocked", 0),
    Column::number("detached", 1),
    Column::number("on\nCPU", 0),
    Column::number("\nblocked", 0),
];

/// A row a thread that held, or of all where the GIL is off; `None` where no CPU clock was read.
pub(crate) fn on_cpu(profile: &Profile, labels: &Labels) -> Option<Section> {
    let mut threads = by_want(profile);
    let is_off = profile.is_without_gil();
    threads.retain(|thread| (is_off || thread.holding_ns > 0) && thread.cpu_ns.is_some());
    let rows = first_rows(&threads, labels, row, sum);
    (!rows.is_empty()).then(|| Section {
        heading: "On and off CPU",
        aside: String::from("shares of holding, then of detached"),
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

fn row(label: String, thread: &Thread) -> Vec<Cell> {
    // Younger holding is in none of the parts.
    let held = |part: Option<u64>| share(part, thread.holding_read_ns());
    let away = |part: Option<u64>| share(part, thread.detached_ns);
    vec![
        label.into(),
        duration(thread.holding_ns).into(),
        held(thread.holding_cpu_ns),
        held(thread.holding_preempted_ns),
        held(thread.holding_blocked_ns),
        duration(thread.detached_ns).into(),
        away(thread.detached_cpu_ns),
        away(thread.detached_blocked_ns()),
    ]
}

fn share(part: Option<u64>, whole: u64) -> Cell {
    part.map_or_else(|| String::from("n/a"), |part| percent(part, whole))
        .into()
}

fn sum(threads: &[&Thread]) -> Thread {
    let sum = |part: fn(&Thread) -> u64| {
        let parts = threads.iter().map(|thread| part(thread));
        parts.fold(0, u64::saturating_add)
    };
    Thread {
        holding_ns: sum(|thread| thread.holding_ns),
        detached_ns: sum(|thread| thread.detached_ns),
        holding_cpu_ns: known(threads, |thread| thread.holding_cpu_ns),
        holding_preempted_ns: known(threads, |thread| thread.holding_preempted_ns),
        holding_blocked_ns: known(threads, |thread| thread.holding_blocked_ns),
        detached_cpu_ns: known(threads, |thread| thread.detached_cpu_ns),
        ..Thread::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{profile_of, thread};

    fn rows(threads: Vec<Thread>) -> Option<Vec<Vec<Cell>>> {
        let profile = profile_of(threads);
        let section = on_cpu(&profile, &Labels::of(&profile))?;
        Some(section.table?.rows)
    }

    fn shares(row: &[Cell]) -> Vec<Cell> {
        [2, 3, 4, 6, 7].map(|at| row[at].clone()).into()
    }

    #[test]
    fn the_parts_of_what_was_read_make_a_whole() {
        let mut one = thread(1, "main");
        // A fifth of its holding is younger than the last reading.
        one.holding_cpu_ns = Some(100_000_000);
        one.holding_preempted_ns = Some(200_000_000);
        one.holding_blocked_ns = Some(100_000_000);
        one.detached_cpu_ns = Some(25_000_000);
        one.cpu_ns = Some(125_000_000);
        let rows = rows(vec![one]).unwrap();
        let expected = ["25 %", "50 %", "25 %", "25 %", "75 %"].map(Cell::from);
        assert_eq!(shares(&rows[0]), expected);
    }

    #[test]
    fn without_a_reading_there_is_no_such_section() {
        assert_eq!(rows(vec![thread(1, "main")]), None);
    }
}
