//! Who waited for whom.

use std::cmp::Reverse;

use gilprof::Profile;
use gilprof::core::Blame;

use super::document::{Cell, Column, Section, Table};
use super::labels::Labels;
use crate::duration::duration;
use crate::number::{count, percent};

const ROWS: usize = 12;

const COLUMNS: [Column; 6] = [
    Column::text("waiter"),
    Column::text("← holder"),
    Column::number("waited", 0),
    Column::number("share", 0),
    Column::number("waits", 2),
    Column::number("longest", 1),
];

/// A row a pair, and what no holder caused, so that the shares make a whole.
pub(crate) fn blame(profile: &Profile, labels: &Labels) -> Option<Section> {
    let waiting_ns = profile.waiting_ns();
    let mut pairs: Vec<&Blame> = profile.blame().iter().collect();
    pairs.sort_by_key(|pair| (Reverse(pair.waiting_ns), pair.waiter, pair.holder));
    let (shown, rest) = pairs.split_at(pairs.len().min(ROWS));
    let mut rows: Vec<Vec<Cell>> = shown
        .iter()
        .map(|pair| row(profile, pair, labels))
        .collect();
    if rows.is_empty() {
        return None;
    }
    let rest_ns = rest
        .iter()
        .map(|pair| pair.waiting_ns)
        .fold(0, u64::saturating_add);
    let more = format!("… and {} more pairs", count(rest.len() as u64));
    let others = [
        (more, "", rest_ns),
        (
            String::from("all"),
            "← nobody yet (hand-off)",
            profile.handoff_ns(),
        ),
        (
            String::from("all"),
            "← n/a (holder not seen)",
            profile.unattributed_ns(),
        ),
    ];
    for (waiter, holder, other_ns) in others {
        if other_ns > 0 {
            rows.push(other(waiter, holder, other_ns, waiting_ns));
        }
    }
    Some(Section {
        heading: "Who waited for whom",
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

fn row(profile: &Profile, pair: &Blame, labels: &Labels) -> Vec<Cell> {
    let counted = |known: String| match profile.mode().counts() {
        true => known,
        false => String::from("n/a"),
    };
    vec![
        labels.thread(pair.waiter).into(),
        format!("← {}", labels.thread(pair.holder)).into(),
        duration(pair.waiting_ns).into(),
        percent(pair.waiting_ns, profile.waiting_ns()).into(),
        counted(count(pair.waits)).into(),
        counted(duration(pair.longest_ns)).into(),
    ]
}

fn other(waiter: String, holder: &str, other_ns: u64, waiting_ns: u64) -> Vec<Cell> {
    vec![
        waiter.into(),
        holder.into(),
        duration(other_ns).into(),
        percent(other_ns, waiting_ns).into(),
        "".into(),
        "".into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn rows(profile: &Profile) -> Vec<Vec<Cell>> {
        let section = blame(profile, &Labels::of(profile)).unwrap();
        section.table.unwrap().rows
    }

    #[test]
    fn the_worst_pair_comes_first_and_hand_off_last() {
        let rows = rows(&sample::contended());
        assert_eq!(rows[0][..2], ["worker-1".into(), "← main".into()]);
        assert_eq!(rows[1][..2], ["main".into(), "← worker-1".into()]);
        assert_eq!(rows[2][1], "← nobody yet (hand-off)".into());
        assert_eq!(rows.len(), 3);
    }

    #[test]
    fn pairs_past_the_last_row_are_summed_in_one_line() {
        let mut parts = sample::contended().into_parts();
        let pair = parts.blame[0].clone();
        parts.threads = (1..=20).map(|id| sample::thread(id, "")).collect();
        parts.blame = (1..=20)
            .map(|waiter| Blame {
                waiter,
                ..pair.clone()
            })
            .collect();
        let rows = rows(&Profile::assemble(parts));
        assert_eq!(rows[ROWS][0], "… and 8 more pairs".into());
        assert_eq!(rows[ROWS][2], duration(8 * pair.waiting_ns).into());
    }

    #[test]
    fn without_waits_there_is_nobody_to_blame() {
        let mut parts = sample::contended().into_parts();
        parts.blame.clear();
        let profile = Profile::assemble(parts);
        assert!(blame(&profile, &Labels::of(&profile)).is_none());
    }
}
