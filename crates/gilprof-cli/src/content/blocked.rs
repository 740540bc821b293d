//! What threads were blocked on, outside the GIL or while they held it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gilprof::Profile;
use gilprof::core::{Blocked, State};

use super::document::{Cell, Column, Section, Table};
use super::labels::{Labels, harmless};
use crate::duration::duration;
use crate::number::count;

const ROWS: usize = 8;

const COLUMNS: [Column; 5] = [
    Column::text("blocked in"),
    Column::text("on"),
    Column::text("thread"),
    Column::number("holding\nthe GIL", 0),
    Column::number("outside\nof it", 0),
];

/// Times in ns: while holding, and outside.
#[derive(Default)]
struct Times {
    holding_ns: u64,
    outside_ns: u64,
    threads: BTreeMap<u64, u64>,
}

impl Times {
    fn add(&mut self, row: &Blocked) {
        let sum = match row.state {
            State::Holding => &mut self.holding_ns,
            _ => &mut self.outside_ns,
        };
        *sum = sum.saturating_add(row.weight_ns);
        let own = self.threads.entry(row.thread).or_default();
        *own = own.saturating_add(row.weight_ns);
    }
}

/// A row a call and kind of thing: those in which holders were blocked first, then the
/// longest; `None` where nobody was seen to be blocked.
pub(crate) fn blocked(profile: &Profile, labels: &Labels) -> Option<Section> {
    let mut calls: BTreeMap<(String, &str), Times> = BTreeMap::new();
    for row in profile.blocked() {
        let on = row.on.map_or("n/a", |on| on.as_str());
        let times = calls.entry((profile.blocking_call(row), on)).or_default();
        times.add(row);
    }
    let mut calls: Vec<_> = calls.into_iter().collect();
    calls.sort_by_key(|(_, times)| Reverse((times.holding_ns, times.outside_ns)));
    let (shown, rest) = calls.split_at(calls.len().min(ROWS));
    let mut rows: Vec<Vec<Cell>> = shown
        .iter()
        .map(|((call, on), times)| {
            cells(&harmless(call), on, labels.most_of(&times.threads), times)
        })
        .collect();
    if !rest.is_empty() {
        let mut sum = Times::default();
        for (_, times) in rest {
            sum.holding_ns = sum.holding_ns.saturating_add(times.holding_ns);
            sum.outside_ns = sum.outside_ns.saturating_add(times.outside_ns);
        }
        let more = format!("… and {} more", count(rest.len() as u64));
        rows.push(cells(&more, "", String::new(), &sum));
    }
    (!rows.is_empty()).then(|| Section {
        heading: "What threads were blocked on",
        aside: String::from("estimated from looks at them"),
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

fn cells(call: &str, on: &str, threads: String, times: &Times) -> Vec<Cell> {
    vec![
        call.into(),
        on.into(),
        threads.into(),
        duration(times.holding_ns).into(),
        duration(times.outside_ns).into(),
    ]
}

#[cfg(test)]
mod tests {
    use gilprof::core::BlockedOn;

    use super::*;
    use crate::sample;

    fn row(thread: u64, state: State, call: &str, weight_ns: u64) -> Blocked {
        Blocked {
            thread,
            state,
            call: call.into(),
            on: Some(BlockedOn::Socket),
            weight_ns,
            samples: 1,
            ..Blocked::default()
        }
    }

    fn texts(rows: Vec<Blocked>) -> Option<Vec<Vec<Cell>>> {
        let mut parts = sample::contended().into_parts();
        parts.blocked = rows;
        let profile = Profile::assemble(parts);
        let section = blocked(&profile, &Labels::of(&profile))?;
        Some(section.table?.rows)
    }

    #[test]
    fn calls_of_holders_come_first_and_those_of_threads_are_added_up() {
        let rows = texts(vec![
            row(1, State::Detached, "recvfrom", 5_000),
            row(2, State::Detached, "recvfrom", 4_000),
            row(2, State::Holding, "read", 1_000),
        ]);
        let rows = rows.unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0][0], "read".into());
        assert_eq!(rows[0][3..], ["1.00 µs".into(), "0 ns".into()]);
        assert_eq!(rows[1][..2], ["recvfrom".into(), "socket".into()]);
        assert_eq!(rows[1][3..], ["0 ns".into(), "9.00 µs".into()]);
        let Cell::Text(thread) = &rows[1][2] else {
            panic!("{rows:?}")
        };
        assert!(thread.ends_with("+1"), "{thread}");
    }

    #[test]
    fn of_many_calls_the_rest_is_one_row() {
        let call = |n: u64| row(1, State::Detached, &format!("call{n}"), n);
        let rows = texts((1..=20).map(call).collect()).unwrap();
        assert_eq!(rows.len(), ROWS + 1);
        assert_eq!(rows[ROWS][0], "… and 12 more".into());
        assert_eq!(rows[ROWS][4], "78 ns".into());
    }

    #[test]
    fn where_nobody_was_blocked_there_is_no_section() {
        assert!(texts(Vec::new()).is_none());
    }
}
