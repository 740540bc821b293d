//! What each thread did with its time.

use gilprof::Profile;
use gilprof::core::Thread;

use super::document::{Bar, Cell, Column, Section, Table};
use super::labels::Labels;
use crate::duration::duration;
use crate::number::{count, percent};

/// Rows of threads that are shown one by one.
const ROWS: usize = 20;

const COLUMNS: [Column; 6] = [
    Column::text("thread"),
    Column::number("", 2),
    Column::number("holding", 0),
    Column::number("waiting", 0),
    Column::number("detached", 1),
    Column::number("others\nwaited", 0),
];

/// Those that wanted the GIL most come first.
pub(crate) fn by_want(profile: &Profile) -> Vec<&Thread> {
    let mut threads: Vec<&Thread> = profile.threads().iter().collect();
    threads.sort_by_key(|thread| {
        let want = thread.waiting_ns.saturating_add(thread.holding_ns);
        (std::cmp::Reverse(want), thread.id)
    });
    threads
}

/// A row a thread; `None` where there is no thread.
pub(crate) fn threads(profile: &Profile, labels: &Labels) -> Option<Section> {
    let rows = first_rows(&by_want(profile), labels, row, sum);
    (!rows.is_empty()).then(|| Section {
        heading: "Threads",
        aside: String::from("█ holding  ▒ waiting  ░ detached"),
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

/// A row for each of the first threads, and one for the sum of all others.
pub(crate) fn first_rows(
    threads: &[&Thread],
    labels: &Labels,
    row: fn(String, &Thread) -> Vec<Cell>,
    sum: fn(&[&Thread]) -> Thread,
) -> Vec<Vec<Cell>> {
    let (shown, rest) = threads.split_at(threads.len().min(ROWS));
    let mut rows: Vec<Vec<Cell>> = shown
        .iter()
        .map(|thread| row(labels.thread(thread.id), thread))
        .collect();
    if !rest.is_empty() {
        rows.push(row(more(rest), &sum(rest)));
    }
    rows
}

/// What is known of a number of these threads, added up; `None` where it is of none.
pub(crate) fn known(threads: &[&Thread], part: fn(&Thread) -> Option<u64>) -> Option<u64> {
    let parts = threads.iter().filter_map(|thread| part(thread));
    parts.reduce(u64::saturating_add)
}

/// The line that stands for threads that are not shown one by one.
fn more(rest: &[&Thread]) -> String {
    format!(
        "… and {} more",
        count(rest.iter().map(|thread| thread.members).sum())
    )
}

fn sum(threads: &[&Thread]) -> Thread {
    let sum = |part: fn(&Thread) -> u64| {
        let parts = threads.iter().map(|thread| part(thread));
        parts.fold(0, u64::saturating_add)
    };
    Thread {
        lifetime_ns: sum(|thread| thread.lifetime_ns),
        holding_ns: sum(|thread| thread.holding_ns),
        waiting_ns: sum(|thread| thread.waiting_ns),
        detached_ns: sum(|thread| thread.detached_ns),
        caused_ns: sum(|thread| thread.caused_ns),
        ..Thread::default()
    }
}

fn row(label: String, thread: &Thread) -> Vec<Cell> {
    let bar = Bar {
        holding_ns: thread.holding_ns,
        waiting_ns: thread.waiting_ns,
        detached_ns: thread.detached_ns,
    };
    let time = |part| time_and_share(part, thread.lifetime_ns).into();
    vec![
        label.into(),
        Cell::Bar(bar),
        time(thread.holding_ns),
        time(thread.waiting_ns),
        time(thread.detached_ns),
        duration(thread.caused_ns).into(),
    ]
}

/// In one cell, so that the shares stand close to their times.
fn time_and_share(part_ns: u64, whole_ns: u64) -> String {
    format!("{} {:>4}", duration(part_ns), percent(part_ns, whole_ns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{profile_of, thread};

    #[test]
    fn those_that_wanted_the_gil_most_come_first() {
        let mut busy = thread(2, "busy");
        busy.waiting_ns = 1 << 40;
        let profile = profile_of(vec![thread(1, "main"), busy]);
        let ids: Vec<u64> = by_want(&profile).iter().map(|thread| thread.id).collect();
        assert_eq!(ids, [2, 1]);
    }

    #[test]
    fn threads_past_the_last_row_are_summed_in_one_line() {
        let threads = (1..=25).map(|id| thread(id, "")).collect();
        let profile = profile_of(threads);
        let section = threads_of(&profile);
        let rows = section.table.unwrap().rows;
        assert_eq!(rows.len(), ROWS + 1);
        assert_eq!(rows[ROWS][0], "… and 5 more".into());
        assert_eq!(rows[ROWS][2], "2.50 s 50 %".into());
    }

    fn threads_of(profile: &Profile) -> Section {
        threads(profile, &Labels::of(profile)).unwrap()
    }
}
