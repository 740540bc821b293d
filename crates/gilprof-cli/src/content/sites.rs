//! The code that held the GIL while others waited.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use gilprof::Profile;
use gilprof::core::{Frame, Site, SiteKind};

use super::document::{Cell, Column, Section, Table};
use super::labels::{Labels, harmless};
use crate::duration::duration;
use crate::number::{count, percent};

const ROWS: usize = 10;
const CALLERS: usize = 3;

const COLUMNS: [Column; 5] = [
    Column::text("function"),
    Column::text("file:line"),
    Column::text("thread"),
    Column::number("others\nwaited", 0),
    Column::number("share", 0),
];

/// A stack, and what its holds cost, whichever threads they were of.
#[derive(Default)]
struct Place<'p> {
    sites: Vec<&'p Site>,
    waited_ns: u64,
    threads: BTreeMap<u64, u64>,
}

/// A row a stack and below it who called; `None` where no stack is known to have
/// caused any waiting.
pub(crate) fn sites(profile: &Profile, labels: &Labels) -> Option<Section> {
    let caused_ns = profile.caused_ns();
    let places = places(profile);
    let (shown, rest) = places.split_at(places.len().min(ROWS));
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for place in shown {
        let told = tell(profile, labels, place);
        rows.push(told.row);
        let below = told.native.into_iter().chain(told.callers);
        rows.extend(below.map(|line| vec![Cell::Line(line)]));
    }
    if !rest.is_empty() {
        rows.push(more(rest, caused_ns));
    }
    (!rows.is_empty()).then(|| Section {
        heading: "Where the GIL was held while others waited",
        table: Some(Table {
            columns: COLUMNS.into(),
            rows,
        }),
        ..Section::default()
    })
}

/// What is told of a stack.
#[derive(Debug)]
pub(crate) struct Told {
    /// A cell a column.
    pub(crate) row: Vec<Cell>,
    /// The native functions that its line had called, where they are known.
    pub(crate) native: Option<String>,
    /// Who called, where there was a caller.
    pub(crate) callers: Option<String>,
}

/// What is told of each stack, the most costly first.
pub(crate) fn each(profile: &Profile, labels: &Labels) -> impl Iterator<Item = Told> {
    let places = places(profile).into_iter();
    places.map(move |place| tell(profile, labels, &place))
}

fn tell(profile: &Profile, labels: &Labels, place: &(Vec<&Frame>, Place<'_>)) -> Told {
    let (stack, place) = place;
    Told {
        row: row(stack, place, labels, profile.caused_ns()),
        native: native(profile, place),
        callers: callers(stack),
    }
}

/// The stacks, the most costly first.
fn places(profile: &Profile) -> Vec<(Vec<&Frame>, Place<'_>)> {
    let mut places: BTreeMap<&[u32], Place<'_>> = BTreeMap::new();
    let blame = profile.sites_of(SiteKind::Blame);
    for site in blame {
        let place = places.entry(&site.stack).or_default();
        place.sites.push(site);
        place.waited_ns = place.waited_ns.saturating_add(site.weight_ns);
        let caused_ns = place.threads.entry(site.thread).or_default();
        *caused_ns = caused_ns.saturating_add(site.weight_ns);
    }
    let frame = |&index: &u32| profile.frames().get(index as usize);
    let mut places: Vec<(Vec<&Frame>, Place<'_>)> = places
        .into_iter()
        .map(|(stack, place)| (stack.iter().filter_map(frame).collect(), place))
        .collect();
    places.sort_by_key(|(_, place)| Reverse(place.waited_ns));
    places
}

fn row(stack: &[&Frame], place: &Place<'_>, labels: &Labels, caused_ns: u64) -> Vec<Cell> {
    let (function, line) = match stack.first() {
        Some(leaf) => (harmless(&leaf.function), short(leaf, 2)),
        None => (String::from("n/a (stack not known)"), String::new()),
    };
    vec![
        function.into(),
        line.into(),
        labels.most_of(&place.threads).into(),
        duration(place.waited_ns).into(),
        percent(place.waited_ns, caused_ns).into(),
    ]
}

/// The native functions that the line had called.
fn native(profile: &Profile, place: &Place<'_>) -> Option<String> {
    let functions = profile.native_functions(&place.sites);
    let functions = functions.iter().map(|(frame, ns)| {
        let share = percent(*ns, place.waited_ns);
        format!("{} {share}", harmless(&frame.to_string()))
    });
    let told: Vec<String> = functions.collect();
    (!told.is_empty()).then(|| format!("  in {}", told.join(", ")))
}

/// The innermost callers, where there are any.
fn callers(stack: &[&Frame]) -> Option<String> {
    let callers = stack.iter().skip(1).take(CALLERS);
    let callers =
        callers.map(|frame| format!("  ← {} {}", harmless(&frame.function), short(frame, 1)));
    let mut line: String = callers.collect();
    if stack.len() > 1 + CALLERS {
        line += "  …";
    }
    (!line.is_empty()).then_some(line)
}

/// The line, with only so many of the last parts of its file's path.
fn short(frame: &Frame, parts: usize) -> String {
    let place = frame.place();
    let mut slashes = place.rmatch_indices('/').map(|(at, _)| at);
    let begin = slashes.nth(parts - 1).map_or(0, |at| at + 1);
    harmless(&place[begin..])
}

fn more(rest: &[(Vec<&Frame>, Place<'_>)], caused_ns: u64) -> Vec<Cell> {
    let rest_ns = rest.iter().map(|(_, place)| place.waited_ns);
    let rest_ns = rest_ns.fold(0, u64::saturating_add);
    vec![
        format!("… and {} more", count(rest.len() as u64)).into(),
        "".into(),
        "".into(),
        duration(rest_ns).into(),
        percent(rest_ns, caused_ns).into(),
    ]
}

#[cfg(test)]
mod tests;
