//! The table of the code that held the GIL while others waited.

use gilprof::Profile;

use super::threads::has;
use crate::content::{Cell, Column, Labels, Table, each_site};

/// The most stacks that are shown.
const MOST: usize = 100;

const COLUMNS: [Column; 5] = [
    Column::text("function"),
    Column::text("file:line"),
    Column::text("thread"),
    Column::number("waited", 0),
    Column::number("share", 1),
];

/// A row a stack that has `filter` in its function, line or thread, the most costly
/// first; below it the native functions that it had called, and where asked for who
/// called.
pub(crate) fn sites(profile: &Profile, labels: &Labels, filter: &str, callers: bool) -> Table {
    let chosen = each_site(profile, labels).filter(|told| {
        let mut cells = told.row.iter();
        cells.any(|cell| matches!(cell, Cell::Text(text) if has(text, filter)))
    });
    let rows = chosen.take(MOST).flat_map(|told| {
        let callers = told.callers.filter(|_| callers);
        let below = told.native.into_iter().chain(callers);
        let below = below.map(|line| vec![Cell::Line(line)]);
        std::iter::once(told.row).chain(below).collect::<Vec<_>>()
    });
    Table {
        columns: COLUMNS.into(),
        rows: rows.collect(),
    }
}

/// Why there is no row.
pub(crate) fn missing(profile: &Profile, filter: &str) -> String {
    match profile.stacks_missing() {
        Some(reason) => format!("stacks: {reason}"),
        None if profile.caused_ns() == 0 => String::from("nobody waited for a holder"),
        None if !filter.is_empty() => format!("no site has {filter:?} in it"),
        None => String::from("no stack of a holder was seen"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::contended;

    fn rows(filter: &str, callers: bool) -> Vec<Vec<Cell>> {
        let profile = contended();
        sites(&profile, &Labels::of(&profile), filter, callers).rows
    }

    #[test]
    fn the_most_costly_site_comes_first_and_callers_where_they_are_asked_for() {
        let plain = rows("", false);
        assert_eq!(plain[0][0], "crunch".into());
        assert_eq!(plain[1][0], "run".into());
        let with_callers = rows("", true);
        assert_eq!(with_callers.len(), 3);
        assert!(matches!(&with_callers[1][0], Cell::Line(line) if line.contains("← run")));
    }

    #[test]
    fn a_filter_looks_at_function_line_and_thread() {
        assert_eq!(rows("CRUNCH", false)[0][0], "crunch".into());
        assert_eq!(rows("work.py:30", false)[0][0], "run".into());
        assert_eq!(rows("worker-1", false)[0][0], "run".into());
        assert_eq!(rows("nothing", false), [] as [Vec<Cell>; 0]);
    }

    #[test]
    fn why_there_is_none_is_told() {
        let mut parts = contended().into_parts();
        assert_eq!(missing(&contended(), "x"), "no site has \"x\" in it");
        parts.stacks_missing = Some("n/a (layout not proved)".into());
        let without = Profile::assemble(parts);
        assert_eq!(missing(&without, ""), "stacks: n/a (layout not proved)");
        let quiet = crate::sample::profile_of(Vec::new());
        assert_eq!(missing(&quiet, "x"), "nobody waited for a holder");
    }
}
