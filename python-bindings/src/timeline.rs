//! Single events, holds and waits, and the history, as tables.

use std::collections::{BTreeMap, HashMap};

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, BooleanArray, DictionaryArray, Int32Array, Int64Array};
use gilprof::core::{Error, Event, EventKind, FLAG_REQUESTED, Moment, Profile, Timeline};
use pyo3::prelude::*;

use crate::error::Failure;
use crate::table::{Table, column};

/// Texts of which each is there once.
type Words = DictionaryArray<Int32Type>;

/// The table of this name.
pub(crate) fn table(profile: &Profile, name: &str) -> PyResult<Table> {
    match name {
        "history" => history(profile),
        "events" => events(profile, kept(profile, name)?),
        "holds" => holds(profile, kept(profile, name)?),
        "waits" => waits(profile, kept(profile, name)?),
        _ => Err(Failure::from(Error::UnknownWord {
            what: "table",
            value: name.into(),
            allowed: "history, events, holds, waits",
        })
        .into()),
    }
}

fn kept<'p>(profile: &'p Profile, name: &str) -> PyResult<&'p Timeline> {
    let missing = || {
        Failure::from(Error::NotRecorded {
            asked: format!("a table of {name}"),
            limit: String::from(
                "without a timeline: none was kept (option timeline=64MB), or profiles were merged",
            ),
        })
    };
    Ok(profile.timeline().ok_or_else(missing)?)
}

/// What the threads of a profile are called.
struct Names<'p> {
    names: HashMap<u64, &'p str>,
    /// Rows that have gone into those of groups.
    folded: BTreeMap<u64, u64>,
}

impl<'p> Names<'p> {
    fn of(profile: &'p Profile) -> Self {
        let rows = profile.threads().iter();
        Names {
            names: rows.map(|row| (row.id, row.name.as_str())).collect(),
            folded: profile.timeline().map(Timeline::folded).unwrap_or_default(),
        }
    }

    /// Its name, or that of its group; `None` where it has no row any more.
    fn get(&self, thread: u64) -> Option<&'p str> {
        let own = self.names.get(&thread);
        let group = || self.names.get(self.folded.get(&thread)?);
        own.or_else(group).copied()
    }

    fn column(&self, threads: impl Iterator<Item = u64>) -> ArrayRef {
        column::<Words, _>(threads.map(|thread| self.get(thread)))
    }
}

/// Numbers that are always there.
fn numbers(values: impl Iterator<Item = u64>) -> ArrayRef {
    column::<Int64Array, _>(values.map(|value| Some(value as i64)))
}

fn small(values: impl Iterator<Item = u32>) -> ArrayRef {
    column::<Int32Array, _>(values.map(|value| Some(value as i32)))
}

fn truths(values: impl Iterator<Item = Option<bool>>) -> ArrayRef {
    column::<BooleanArray, _>(values)
}

fn holds(profile: &Profile, timeline: &Timeline) -> PyResult<Table> {
    let (holds, _) = timeline.spans();
    let (names, start_ns, rows) = (Names::of(profile), profile.start_ns(), || holds.iter());
    Table::new(vec![
        ("began_ns", since(rows().map(|row| row.start_ns), start_ns)),
        ("duration_ns", numbers(rows().map(|row| row.duration_ns))),
        ("gil", small(rows().map(|row| row.gil))),
        ("thread", numbers(rows().map(|row| row.thread))),
        ("thread_name", names.column(rows().map(|row| row.thread))),
        ("waiters_start", small(rows().map(|row| row.waiters_start))),
        ("waiters_max", small(rows().map(|row| row.waiters_max))),
        (
            "waiter_time_ns",
            numbers(rows().map(|row| row.waiter_time_ns)),
        ),
        ("contended_ns", numbers(rows().map(|row| row.contended_ns))),
        ("requested", truths(rows().map(|row| Some(row.requested)))),
    ])
}

fn waits(profile: &Profile, timeline: &Timeline) -> PyResult<Table> {
    let (_, waits) = timeline.spans();
    let (names, start_ns, rows) = (Names::of(profile), profile.start_ns(), || waits.iter());
    Table::new(vec![
        ("began_ns", since(rows().map(|row| row.start_ns), start_ns)),
        ("duration_ns", numbers(rows().map(|row| row.duration_ns))),
        ("handoff_ns", numbers(rows().map(|row| row.handoff_ns))),
        ("gil", small(rows().map(|row| row.gil))),
        ("thread", numbers(rows().map(|row| row.thread))),
        ("thread_name", names.column(rows().map(|row| row.thread))),
    ])
}

/// Instants in ns since the recording's start.
fn since(values: impl Iterator<Item = u64>, start_ns: u64) -> ArrayRef {
    column::<Int64Array, _>(values.map(|at_ns| Some(at_ns as i64 - start_ns as i64)))
}

fn history(profile: &Profile) -> PyResult<Table> {
    let (history, start_ns, names) = (profile.history(), profile.start_ns(), Names::of(profile));
    let width_ns = history.width_ns;
    let slices = history.slices.iter().zip(0..);
    let rows = slices.flat_map(|(slice, at)| {
        let began_ns = history.start_ns + width_ns * at;
        slice.threads.iter().map(move |row| (began_ns, *row))
    });
    let all: Vec<_> = rows.collect();
    let rows = || all.iter();
    Table::new(vec![
        ("began_ns", since(rows().map(|row| row.0), start_ns)),
        ("duration_ns", numbers(rows().map(|_| width_ns))),
        ("thread", numbers(rows().map(|row| row.1.thread))),
        ("thread_name", names.column(rows().map(|row| row.1.thread))),
        ("holding_ns", numbers(rows().map(|row| row.1.holding_ns))),
        ("waiting_ns", numbers(rows().map(|row| row.1.waiting_ns))),
        ("detached_ns", numbers(rows().map(|row| row.1.detached_ns))),
        ("handoff_ns", numbers(rows().map(|row| row.1.handoff_ns))),
    ])
}

/// A row of the table of events.
struct Row {
    gil: u32,
    /// `None` where not known: of a loss.
    time_ns: Option<i64>,
    thread: Option<u64>,
    kind: &'static str,
    requested: Option<bool>,
    duration_ns: Option<i64>,
    lost: Option<i64>,
}

fn events(profile: &Profile, timeline: &Timeline) -> PyResult<Table> {
    let names = Names::of(profile);
    let mut released: HashMap<u32, i64> = HashMap::new();
    let rows = timeline.moments().filter_map(|(gil, moment)| {
        let row = match moment {
            Moment::Lost(count) => lost(gil, count),
            Moment::Event(event) => of_event(gil, event, profile.start_ns(), &mut released)?,
        };
        Some(row)
    });
    let rows: Vec<Row> = rows.collect();
    let rows = || rows.iter();
    let name = |row: &Row| row.thread.and_then(|thread| names.get(thread));
    let thread = |row: &Row| row.thread.map(|thread| thread as i64);
    Table::new(vec![
        (
            "time_ns",
            column::<Int64Array, _>(rows().map(|row| row.time_ns)),
        ),
        ("gil", small(rows().map(|row| row.gil))),
        ("thread", column::<Int64Array, _>(rows().map(thread))),
        ("thread_name", column::<Words, _>(rows().map(name))),
        ("kind", column::<Words, _>(rows().map(|row| Some(row.kind)))),
        ("requested", truths(rows().map(|row| row.requested))),
        (
            "duration_ns",
            column::<Int64Array, _>(rows().map(|row| row.duration_ns)),
        ),
        ("lost", column::<Int64Array, _>(rows().map(|row| row.lost))),
    ])
}

fn lost(gil: u32, count: u64) -> Row {
    Row {
        gil,
        time_ns: None,
        thread: None,
        kind: "lost",
        requested: None,
        duration_ns: None,
        lost: Some(count as i64),
    }
}

/// The row of an event; `None` for one that is about rows and not about a thread. A
/// switch wait begins at the thread's last release.
fn of_event(
    gil: u32,
    event: Event,
    start_ns: u64,
    released: &mut HashMap<u32, i64>,
) -> Option<Row> {
    let kind = match event.kind {
        EventKind::Wait => "wait",
        EventKind::Acquire => "acquire",
        EventKind::Release => "release",
        EventKind::DropRequest => "drop-request",
        EventKind::SwitchWait => "switch-wait",
        EventKind::ThreadEnd => "end",
        EventKind::Begin => "begin",
        EventKind::Reborn => "reborn",
        EventKind::Fold => return None,
    };
    let at_ns = event.time_ns as i64 - start_ns as i64;
    let is = |kind| event.kind == kind;
    if is(EventKind::Release) {
        released.insert(event.thread, at_ns);
    }
    let spent = is(EventKind::SwitchWait);
    let requested = event.flags & FLAG_REQUESTED != 0;
    Some(Row {
        gil,
        time_ns: match spent {
            true => released.get(&event.thread).copied(),
            false => Some(at_ns),
        },
        thread: (event.thread != 0).then_some(event.thread.into()),
        kind,
        requested: is(EventKind::Release).then_some(requested),
        duration_ns: spent.then_some(event.time_ns as i64),
        lost: None,
    })
}
