//! A table in columns that fit.

use super::paint::Paint;
use super::wrap::{cut, cut_end, width};
use crate::content::{Bar, Cell, Column, Table};

const GAP: usize = 2;
/// Columns of text are not made narrower than this.
const LEAST_TEXT: usize = 8;

/// The lines of the table, none wider than `room`: names are cut, then the
/// columns that can be spared are left out, then lines end early.
pub(crate) fn table(table: &Table, room: usize, paint: Paint) -> Vec<String> {
    let mut shown: Vec<usize> = (0..table.columns.len()).collect();
    let mut widths = natural(table);
    shrink(table, &shown, &mut widths, room);
    while total(&shown, &widths) > room {
        let spared = (0..shown.len()).max_by_key(|&at| table.columns[shown[at]].spare);
        match spared {
            Some(at) if table.columns[shown[at]].spare > 0 => shown.remove(at),
            _ => break,
        };
        widths = natural(table);
        shrink(table, &shown, &mut widths, room);
    }
    while total(&shown, &widths) > room && shown.len() > 1 {
        shown.pop();
    }
    let headings = heading(&table.columns, &shown, &widths);
    let headings = headings.iter().map(|line| paint.with(Paint::DIM, line));
    let rows = table.rows.iter().map(|row| match row.as_slice() {
        [Cell::Line(text)] => paint.with(Paint::DIM, &cut_end(text, room)),
        row => line(row, &table.columns, &shown, &widths, paint),
    });
    headings.chain(rows).collect()
}

fn total(shown: &[usize], widths: &[usize]) -> usize {
    let columns: usize = shown.iter().map(|&column| widths[column]).sum();
    columns + GAP * shown.len().saturating_sub(1)
}

/// The width that each column would take.
fn natural(table: &Table) -> Vec<usize> {
    let of = |at: usize, column: &Column| {
        let cells = table
            .rows
            .iter()
            .filter_map(|row| row.get(at))
            .map(cell_width);
        let headings = column.heading.lines().map(width);
        cells.chain(headings).max().unwrap_or_default()
    };
    table
        .columns
        .iter()
        .enumerate()
        .map(|(at, column)| of(at, column))
        .collect()
}

fn cell_width(cell: &Cell) -> usize {
    match cell {
        Cell::Text(text) => width(text),
        Cell::Bar(_) => Bar::WIDTH,
        Cell::Line(_) => 0,
    }
}

/// Takes from the widest column of text until all fit or none can give more.
fn shrink(table: &Table, shown: &[usize], widths: &mut [usize], room: usize) {
    while total(shown, widths) > room {
        let texts = shown
            .iter()
            .filter(|&&column| table.columns[column].is_text);
        match texts.max_by_key(|&&column| widths[column]) {
            Some(&widest) if widths[widest] > LEAST_TEXT => widths[widest] -= 1,
            _ => return,
        }
    }
}

/// One line, or two where a heading has two; one-line headings stand below.
fn heading(columns: &[Column], shown: &[usize], widths: &[usize]) -> Vec<String> {
    let (upper, lower): (Vec<&str>, Vec<&str>) = columns
        .iter()
        .map(|column| {
            column
                .heading
                .split_once('\n')
                .unwrap_or(("", column.heading))
        })
        .unzip();
    let line = |parts: &[&str]| {
        join(shown.iter().map(|&at| {
            let text = cut(parts[at], widths[at]);
            pad(&text, width(&text), columns[at].is_text, widths[at])
        }))
    };
    let has_two = shown.iter().any(|&at| !upper[at].is_empty());
    let lines = has_two.then(|| line(&upper)).into_iter();
    lines.chain([line(&lower)]).collect()
}

fn line(
    row: &[Cell],
    columns: &[Column],
    shown: &[usize],
    widths: &[usize],
    paint: Paint,
) -> String {
    join(shown.iter().filter_map(|&at| {
        let (text, wide) = match row.get(at)? {
            Cell::Text(text) | Cell::Line(text) => {
                let text = cut(text, widths[at]);
                let wide = width(&text);
                (text, wide)
            }
            Cell::Bar(bar) => (draw(*bar, paint), bar.parts().iter().sum()),
        };
        Some(pad(&text, wide, columns[at].is_text, widths[at]))
    }))
}

fn join(cells: impl Iterator<Item = String>) -> String {
    let line = cells.collect::<Vec<_>>().join(&" ".repeat(GAP));
    line.trim_end().into()
}

fn pad(text: &str, wide: usize, is_text: bool, column: usize) -> String {
    let pad = " ".repeat(column.saturating_sub(wide));
    match is_text {
        true => format!("{text}{pad}"),
        false => format!("{pad}{text}"),
    }
}

fn draw(bar: Bar, paint: Paint) -> String {
    let [holding, waiting, detached] = bar.parts();
    [
        paint.with(Paint::HOLDING, &"█".repeat(holding)),
        paint.with(Paint::WAITING, &"▒".repeat(waiting)),
        paint.with(Paint::DIM, &"░".repeat(detached)),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let row = |name: &str, a: &str, b: &str| vec![name.into(), a.into(), b.into()];
        Table {
            columns: vec![
                Column::text("thread"),
                Column::number("wait\np50", 1),
                Column::number("max", 0),
            ],
            rows: vec![
                row("a-long-name-1", "1 ns", "20 ns"),
                row("b", "n/a", "n/a"),
            ],
        }
    }

    #[test]
    fn text_begins_at_the_left_and_numbers_end_at_the_right() {
        assert_eq!(
            table(&sample(), 80, Paint(false)),
            [
                "               wait",
                "thread          p50    max",
                "a-long-name-1  1 ns  20 ns",
                "b               n/a    n/a",
            ]
        );
    }

    #[test]
    fn a_line_over_all_columns_makes_none_wider_and_is_cut_at_the_end_of_the_room() {
        let mut table_with_line = sample();
        let text = "  a sentence that is longer than all of the columns";
        table_with_line
            .rows
            .insert(1, vec![Cell::Line(text.into())]);
        let lines = table(&table_with_line, 30, Paint(false));
        assert_eq!(lines[2], "a-long-name-1  1 ns  20 ns");
        assert_eq!(lines[3], "  a sentence that is longer t…");
    }

    #[test]
    fn names_are_cut_first() {
        let lines = table(&sample(), 23, Paint(false));
        assert_eq!(lines[2], "a-lon…me-1  1 ns  20 ns");
    }

    #[test]
    fn then_columns_are_spared() {
        let lines = table(&sample(), 20, Paint(false));
        assert_eq!(lines[0], "thread           max");
        assert_eq!(lines[1], "a-long-name-1  20 ns");
    }
}
