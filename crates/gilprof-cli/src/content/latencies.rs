//! How often each thread took the GIL, and how long single waits and holds were.

use gilprof::Profile;
use gilprof::core::{Distribution, Thread};

use super::document::{Cell, Column, Section, Table};
use super::labels::Labels;
use super::threads::{by_want, first_rows};
use crate::duration::duration_or_na;
use crate::number::count;

const COLUMNS: [Column; 9] = [
    Column::text("thread"),
    Column::number("took\nthe GIL", 0),
    Column::number("\nwaits", 0),
    Column::number("wait\np50", 2),
    Column::number("wait\np99", 0),
    Column::number("wait\nmax", 0),
    Column::number("hold\np50", 1),
    Column::number("hold\np99", 0),
    Column::number("hold\nmax", 0),
];

/// A row a thread that took the GIL or waited for it; `None` where that was not counted.
pub(crate) fn latencies(profile: &Profile, labels: &Labels) -> Option<Section> {
    if !profile.mode().counts() {
        return None;
    }
    let mut threads = by_want(profile);
    threads.retain(|thread| thread.acquisitions + thread.waits > 0);
    let rows = first_rows(&threads, labels, row, sum);
    (!rows.is_empty()).then(|| Section {
        heading: "Waits and holds",
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

fn sum(threads: &[&Thread]) -> Thread {
    let mut sum = Thread::default();
    for thread in threads {
        sum.acquisitions = sum.acquisitions.saturating_add(thread.acquisitions);
        sum.waits = sum.waits.saturating_add(thread.waits);
        sum.wait.merge(&thread.wait);
        sum.hold.merge(&thread.hold);
    }
    sum
}

fn row(label: String, thread: &Thread) -> Vec<Cell> {
    let mut row: Vec<Cell> = vec![
        label.into(),
        count(thread.acquisitions).into(),
        count(thread.waits).into(),
    ];
    row.extend(sizes(&thread.wait));
    row.extend(sizes(&thread.hold));
    row
}

/// p50, p99 and the greatest.
fn sizes(distribution: &Distribution) -> [Cell; 3] {
    [
        distribution.quantile(0.5),
        distribution.quantile(0.99),
        distribution.max_ns(),
    ]
    .map(|size| duration_or_na(size).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{profile_of, thread};

    #[test]
    fn a_thread_that_never_waited_has_no_wait_and_not_one_of_zero() {
        let mut alone = thread(1, "main");
        alone.wait = Distribution::empty();
        let row = row(String::from("main"), &alone);
        assert_eq!(row[3..6], ["n/a".into(), "n/a".into(), "n/a".into()]);
    }

    #[test]
    fn a_thread_that_never_used_the_gil_has_no_row() {
        let mut idle = thread(2, "idle");
        (idle.acquisitions, idle.waits) = (0, 0);
        let profile = profile_of(vec![thread(1, "main"), idle]);
        let section = latencies(&profile, &Labels::of(&profile)).unwrap();
        assert_eq!(section.table.unwrap().rows.len(), 1);
    }
}
