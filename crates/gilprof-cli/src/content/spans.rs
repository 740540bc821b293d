//! What happened inside of spans.

use std::cmp::Reverse;

use gilprof::Profile;
use gilprof::core::SpanRow;

use super::document::{Cell, Column, Section, Table};
use super::labels::harmless;
use crate::duration::duration;
use crate::number::count;

/// Rows of labels that are shown one by one.
const ROWS: usize = 20;

const COLUMNS: [Column; 9] = [
    Column::text("span"),
    Column::number("spans", 0),
    Column::number("in all", 1),
    Column::number("holding", 0),
    Column::number("waiting", 0),
    Column::number("detached", 2),
    Column::number("others\nwaited", 0),
    Column::number("GIL\ntaken", 4),
    Column::number("waits", 3),
];

/// A row a label, those whose threads and others waited longest first; `None` where there
/// were no spans.
pub(crate) fn spans(profile: &Profile) -> Option<Section> {
    let mut spans: Vec<&SpanRow> = profile.spans().iter().collect();
    spans.sort_by_key(|row| {
        let waited = row.waiting_ns.saturating_add(row.caused_ns);
        (Reverse(waited), Reverse(row.wall_ns))
    });
    let (shown, rest) = spans.split_at(spans.len().min(ROWS));
    let mut rows: Vec<Vec<Cell>> = shown.iter().map(|row| cells(row)).collect();
    if !rest.is_empty() {
        let label = format!("… and {} more", count(rest.len() as u64));
        let mut sum = SpanRow {
            label,
            ..SpanRow::default()
        };
        rest.iter().for_each(|row| sum.add(row));
        rows.push(cells(&sum));
    }
    (!rows.is_empty()).then(|| Section {
        heading: "Spans",
        aside: String::from("what labelled code went through; one within another is in both"),
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

fn cells(row: &SpanRow) -> Vec<Cell> {
    vec![
        harmless(&row.label).into(),
        count(row.spans).into(),
        duration(row.wall_ns).into(),
        duration(row.holding_ns).into(),
        duration(row.waiting_ns).into(),
        duration(row.detached_ns).into(),
        duration(row.caused_ns).into(),
        count(row.acquisitions).into(),
        count(row.waits).into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn row(label: &str, waiting_ns: u64, caused_ns: u64) -> SpanRow {
        SpanRow {
            label: label.into(),
            spans: 2,
            wall_ns: waiting_ns + 1_000,
            holding_ns: 1_000,
            waiting_ns,
            caused_ns,
            acquisitions: 3,
            waits: 1,
            ..SpanRow::default()
        }
    }

    fn table(spans: Vec<SpanRow>) -> Option<Vec<Vec<Cell>>> {
        let mut parts = sample::contended().into_parts();
        parts.spans = spans;
        let section = super::spans(&Profile::assemble(parts))?;
        Some(section.table?.rows)
    }

    #[test]
    fn labels_that_waiting_is_about_come_first() {
        let rows = table(vec![
            row("calm", 0, 0),
            row("victim", 3_000, 0),
            row("culprit", 0, 4_000),
        ]);
        let labels: Vec<Cell> = rows
            .unwrap()
            .into_iter()
            .map(|row| row[0].clone())
            .collect();
        assert_eq!(labels, ["culprit".into(), "victim".into(), "calm".into()]);
    }

    #[test]
    fn a_row_tells_the_sums_of_its_label() {
        let rows = table(vec![row("GET /\u{202e}x\n", 3_000, 500)]).unwrap();
        assert_eq!(rows[0].len(), COLUMNS.len());
        assert_eq!(rows[0][..2], ["GET /?x?".into(), "2".into()]);
        assert_eq!(
            rows[0][2..],
            ["4.00 µs", "1.00 µs", "3.00 µs", "0 ns", "500 ns", "3", "1"].map(Cell::from)
        );
    }

    #[test]
    fn of_many_labels_the_rest_is_one_row() {
        let rows = table(
            (0..ROWS as u64 + 7)
                .map(|n| row(&n.to_string(), 0, 0))
                .collect(),
        );
        let rows = rows.unwrap();
        assert_eq!(rows.len(), ROWS + 1);
        assert_eq!(rows[ROWS][..2], ["… and 7 more".into(), "14".into()]);
    }

    #[test]
    fn where_there_are_no_spans_there_is_no_section() {
        assert!(table(Vec::new()).is_none());
    }
}
