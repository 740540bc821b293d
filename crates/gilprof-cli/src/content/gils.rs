//! What each GIL went through, where there are several.

use gilprof::Profile;
use gilprof::core::Gil;

use super::document::{Cell, Column, Section, Table};
use crate::duration::duration;
use crate::number::{count, percent};

const COLUMNS: [Column; 9] = [
    Column::number("GIL", 0),
    Column::number("pid", 3),
    Column::number("interpreter", 1),
    Column::number("held", 0),
    Column::number("%", 0),
    Column::number("waiting", 0),
    Column::number("taken", 0),
    Column::number("switches", 2),
    Column::number("most\nwaiters", 0),
];

/// A row a GIL; `None` where there is but one.
pub(crate) fn gils(profile: &Profile) -> Option<Section> {
    let rows: Vec<Vec<Cell>> = profile.gils().iter().map(|gil| row(profile, gil)).collect();
    (rows.len() > 1).then(|| Section {
        heading: "GILs",
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

fn row(profile: &Profile, gil: &Gil) -> Vec<Cell> {
    let interpreter = gil.interpreter_id.map(|id| id.to_string());
    vec![
        gil.index.to_string().into(),
        gil.pid.to_string().into(),
        interpreter.unwrap_or_else(|| String::from("n/a")).into(),
        duration(gil.holding_ns).into(),
        percent(gil.holding_ns, gil.holding_ns.saturating_add(gil.free_ns)).into(),
        duration(gil.waiting_ns).into(),
        match profile.mode().counts() {
            true => count(gil.acquisitions).into(),
            false => "n/a".into(),
        },
        count(gil.switches).into(),
        count(gil.waiters_max.into()).into(),
    ]
}
