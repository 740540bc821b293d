//! The single holds that cost the other threads most.

use gilprof::Profile;
use gilprof::core::Hold;

use super::document::{Cell, Column, Section, Table};
use super::labels::Labels;
use crate::duration::{duration, duration_or_na};
use crate::number::count;

const ROWS: usize = 5;

const COLUMNS: [Column; 7] = [
    Column::text("thread"),
    Column::number("began\nafter", 4),
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
    let rows: Vec<Vec<Cell>> = costly
        .take(ROWS)
        .map(|hold| row(hold, profile, labels))
        .collect();
    (!rows.is_empty()).then(|| Section {
        heading: "Worst single holds",
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

/// Time from the start of the recording to that of the hold. Merged profiles
/// have several starts, so of those it is not known.
fn began_ns(hold: &Hold, profile: &Profile) -> Option<u64> {
    let began_ns = hold.start_ns.checked_sub(profile.start_ns());
    began_ns.filter(|&began_ns| began_ns <= profile.wall_ns())
}

fn row(hold: &Hold, profile: &Profile, labels: &Labels) -> Vec<Cell> {
    vec![
        labels.thread(hold.thread).into(),
        duration_or_na(began_ns(hold, profile)).into(),
        duration(hold.duration_ns).into(),
        duration(hold.waiter_time_ns).into(),
        count(hold.waiters_start.into()).into(),
        count(hold.waiters_max.into()).into(),
        if hold.requested { "yes" } else { "no" }.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_hold_tells_when_it_began() {
        let mut parts = sample::contended().into_parts();
        parts.start_ns = 5_000;
        parts.holds[0].start_ns = 8_000;
        let profile = Profile::assemble(parts);
        let section = holds(&profile, &Labels::of(&profile)).unwrap();
        assert_eq!(section.table.unwrap().rows[0][1], "3.00 µs".into());
    }

    #[test]
    fn a_hold_that_nobody_waited_for_is_not_shown() {
        let mut parts = sample::contended().into_parts();
        parts.holds[0].waiter_time_ns = 0;
        let profile = Profile::assemble(parts);
        assert!(holds(&profile, &Labels::of(&profile)).is_none());
    }
}
