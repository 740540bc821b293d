//! The single holds that cost the other threads most.

use gilprof::Profile;
use gilprof::core::Hold;

use super::document::{Cell, Column, Section, Table};
use super::labels::Labels;
use crate::duration::duration;
use crate::number::count;

const ROWS: usize = 5;

const COLUMNS: [Column; 6] = [
    Column::text("thread"),
    Column::number("held", 0),
    Column::number("others\nwaited", 0),
    Column::number("waiters\nat start", 2),
    Column::number("most\nwaiters", 1),
    Column::number("asked to\nlet go", 3),
];

/// A row a hold that somebody waited for.
pub(crate) fn holds(profile: &Profile, labels: &Labels) -> Option<Section> {
    let costly = profile
        .holds()
        .iter()
        .filter(|hold| hold.waiter_time_ns > 0);
    let rows: Vec<Vec<Cell>> = costly.take(ROWS).map(|hold| row(hold, labels)).collect();
    (!rows.is_empty()).then(|| Section {
        heading: "Worst single holds",
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

fn row(hold: &Hold, labels: &Labels) -> Vec<Cell> {
    vec![
        labels.thread(hold.thread).into(),
        duration(hold.duration_ns).into(),
        duration(hold.waiter_time_ns).into(),
        count(hold.waiters_start.into()).into(),
        count(hold.waiters_max.into()).into(),
        if hold.requested { "yes" } else { "no" }.into(),
    ]
}
