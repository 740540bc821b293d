//! What the CPUs' own counters counted.

use gilprof::Profile;
use gilprof::core::Thread;

use super::document::{Cell, Column, Section, Table};
use super::labels::Labels;
use super::threads::{by_want, first_rows, known};
use crate::duration::duration;
use crate::number::count;

const COLUMNS: [Column; 5] = [
    Column::text("thread"),
    Column::number("instructions", 0),
    Column::number("cycles", 0),
    Column::number("instructions\na cycle", 0),
    Column::number("counted\nfor", 1),
];

/// A row a thread that was counted; `None` where none was.
pub(crate) fn counters(profile: &Profile, labels: &Labels) -> Option<Section> {
    let mut threads = by_want(profile);
    threads.retain(|thread| thread.counted_ns.is_some_and(|ns| ns > 0));
    let rows = first_rows(&threads, labels, row, sum);
    (!rows.is_empty()).then(|| Section {
        heading: "What the CPUs counted",
        aside: String::from("without the kernel"),
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

fn row(label: String, thread: &Thread) -> Vec<Cell> {
    let told = |part: Option<u64>| part.map_or_else(|| String::from("n/a"), count);
    let ratio = thread.instructions_per_cycle();
    vec![
        label.into(),
        told(thread.instructions).into(),
        told(thread.cycles).into(),
        ratio
            .map_or_else(|| String::from("n/a"), |ratio| format!("{ratio:.2}"))
            .into(),
        duration(thread.counted_ns.unwrap_or(0)).into(),
    ]
}

fn sum(threads: &[&Thread]) -> Thread {
    Thread {
        instructions: known(threads, |thread| thread.instructions),
        cycles: known(threads, |thread| thread.cycles),
        counted_ns: known(threads, |thread| thread.counted_ns),
        ..Thread::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{profile_of, thread};

    fn rows(threads: Vec<Thread>) -> Option<Vec<Vec<Cell>>> {
        let profile = profile_of(threads);
        let section = counters(&profile, &Labels::of(&profile))?;
        Some(section.table?.rows)
    }

    #[test]
    fn what_was_counted_is_there_with_its_ratio() {
        let counted = Thread {
            instructions: Some(3_000_000),
            cycles: Some(2_000_000),
            counted_ns: Some(1_000_000),
            ..thread(1, "main")
        };
        let rows = rows(vec![counted, thread(2, "other")]).unwrap();
        let expected = ["main", "3,000,000", "2,000,000", "1.50", "1.00 ms"].map(Cell::from);
        assert_eq!(rows, [expected]);
    }

    #[test]
    fn where_nothing_was_counted_there_is_no_such_section() {
        assert_eq!(rows(vec![thread(1, "main")]), None);
    }
}
