//! The table of threads.

use std::cmp::Reverse;

use gilprof::Profile;
use gilprof::core::{Mode, Thread};

use crate::content::{Bar, Cell, Column, Labels, Table};
use crate::duration::{duration, duration_or_na};
use crate::number::count;

/// Room for a duration, so that columns stay where they are.
const DURATION: usize = 7;

const COLUMNS: [Column; 7] = [
    Column::text("thread"),
    Column::number("", 1),
    Column::number("wait", 0),
    Column::number("hold", 0),
    Column::number("caused", 0),
    Column::number("waits/s", 2),
    Column::number("p99 wait", 3),
];

/// By what threads are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Wait,
    Hold,
    Caused,
    Name,
}

impl Order {
    /// The word for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Hold => "hold",
            Self::Caused => "caused",
            Self::Name => "name",
        }
    }

    pub(crate) fn next(self) -> Self {
        match self {
            Self::Wait => Self::Hold,
            Self::Hold => Self::Caused,
            Self::Caused => Self::Name,
            Self::Name => Self::Wait,
        }
    }
}

/// A row for each thread whose name has `filter` in it.
pub(crate) fn threads(profile: &Profile, labels: &Labels, order: Order, filter: &str) -> Table {
    let mut threads: Vec<(String, &Thread)> = profile
        .threads()
        .iter()
        .map(|thread| (labels.thread(thread.id), thread))
        .filter(|(label, _)| has(label, filter))
        .collect();
    threads.sort_by(|(a_label, a), (b_label, b)| {
        let by = |part: fn(&Thread) -> u64| Reverse(part(a)).cmp(&Reverse(part(b)));
        let first = match order {
            Order::Wait => by(|thread| thread.waiting_ns),
            Order::Hold => by(|thread| thread.holding_ns),
            Order::Caused => by(|thread| thread.caused_ns),
            Order::Name => a_label.cmp(b_label),
        };
        first.then(a.id.cmp(&b.id))
    });
    let rows = threads.into_iter();
    Table {
        columns: COLUMNS.into(),
        rows: rows
            .map(|(label, thread)| row(label, thread, profile))
            .collect(),
    }
}

/// Whether the text has the other in it, be its letters great or small.
pub(crate) fn has(text: &str, part: &str) -> bool {
    text.to_lowercase().contains(&part.to_lowercase())
}

fn row(label: String, thread: &Thread, profile: &Profile) -> Vec<Cell> {
    let bar = Bar {
        holding_ns: thread.holding_ns,
        waiting_ns: thread.waiting_ns,
        detached_ns: thread.detached_ns,
    };
    let time = |text: String| format!("{text:>DURATION$}").into();
    vec![
        label.into(),
        Cell::Bar(bar),
        time(duration(thread.waiting_ns)),
        time(duration(thread.holding_ns)),
        time(duration(thread.caused_ns)),
        waits(thread, profile).into(),
        time(duration_or_na(thread.wait.quantile(0.99))),
    ]
}

/// How often in a second it began to wait; only events tell that.
fn waits(thread: &Thread, profile: &Profile) -> String {
    match profile.mode() {
        Mode::Exact => rate(thread.waits, profile.wall_ns()),
        Mode::Sampled => String::from("n/a"),
    }
}

/// How often in a second.
fn rate(times: u64, wall_ns: u64) -> String {
    if wall_ns == 0 {
        return String::from("n/a");
    }
    match times as f64 * 1e9 / wall_ns as f64 {
        rate if times > 0 && rate < 9.95 => format!("{rate:.1}"),
        rate => count(rate.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{profile_of, thread};

    fn profile() -> Profile {
        let waits = |id, name, waiting_ns, holding_ns, caused_ns| Thread {
            waiting_ns,
            holding_ns,
            caused_ns,
            ..thread(id, name)
        };
        profile_of(vec![
            waits(1, "main", 1, 3, 2),
            waits(2, "Worker-b", 2, 1, 3),
            waits(3, "worker-a", 3, 2, 1),
        ])
    }

    fn names(order: Order, filter: &str) -> Vec<Cell> {
        let profile = profile();
        let table = threads(&profile, &Labels::of(&profile), order, filter);
        table.rows.into_iter().map(|row| row[0].clone()).collect()
    }

    fn cells(names: &[&str]) -> Vec<Cell> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn each_order_begins_with_the_most_and_names_with_the_first() {
        assert_eq!(
            names(Order::Wait, ""),
            cells(&["worker-a", "Worker-b", "main"])
        );
        assert_eq!(
            names(Order::Hold, ""),
            cells(&["main", "worker-a", "Worker-b"])
        );
        assert_eq!(
            names(Order::Caused, ""),
            cells(&["Worker-b", "main", "worker-a"])
        );
        assert_eq!(
            names(Order::Name, ""),
            cells(&["Worker-b", "main", "worker-a"])
        );
    }

    #[test]
    fn the_orders_come_one_after_the_other_and_round() {
        let orders = std::iter::successors(Some(Order::Wait), |order| Some(order.next()));
        let words: Vec<&str> = orders.take(5).map(Order::as_str).collect();
        assert_eq!(words, ["wait", "hold", "caused", "name", "wait"]);
    }

    #[test]
    fn a_filter_leaves_the_names_that_have_it_in_them() {
        assert_eq!(names(Order::Wait, "WORK"), cells(&["worker-a", "Worker-b"]));
        assert_eq!(names(Order::Wait, "nobody"), []);
    }

    #[test]
    fn a_rate_is_by_second_and_a_little_is_not_nothing() {
        assert_eq!(rate(3, 2_000_000_000), "1.5");
        assert_eq!(rate(5_000, 2_000_000_000), "2,500");
        assert_eq!(rate(0, 1_000_000_000), "0");
        assert_eq!(rate(1, 0), "n/a");
    }
}
