//! Answers over the whole recording: exact and with distributions, where events were
//! counted.

use std::collections::BTreeMap;

use super::{By, Query, Row};
use crate::distribution::Distribution;
use crate::state::State;
use crate::thread::Thread;

pub(super) fn rows(query: &Query<'_>) -> Vec<Row> {
    if let Some(kind) = query.stacks() {
        return super::sites::rows(query, kind);
    }
    match query.by {
        By::Thread => by_thread(query),
        By::Holder => by_holder(query),
        By::Gil => by_gil(query),
        By::State => by_state(query),
        // Of a state that has no stacks.
        By::Site | By::Function | By::File | By::Module | By::Native => Vec::new(),
    }
}

/// The time a thread spent in a state, and the durations of its stretches where
/// they are recorded.
fn spent<'t>(
    query: &Query<'_>,
    thread: &'t Thread,
    state: State,
) -> (u64, Option<&'t Distribution>) {
    let (ns, durations) = match state {
        State::Holding => (thread.holding_ns, Some(&thread.hold)),
        State::Waiting => (thread.waiting_ns, Some(&thread.wait)),
        State::Detached => (thread.detached_ns, None),
        State::Ended | State::Unknown => (0, None),
    };
    (ns, durations.filter(|_| query.profile.mode().counts()))
}

pub(super) fn row(key: String, id: Option<u64>, total_ns: u64) -> Row {
    Row {
        key,
        id,
        count: None,
        total_ns,
        mean_ns: None,
        p50_ns: None,
        p99_ns: None,
        max_ns: None,
    }
}

fn with(mut row: Row, durations: Option<&Distribution>) -> Row {
    if let Some(durations) = durations {
        row.count = Some(durations.count());
        row.mean_ns = durations.mean_ns();
        row.p50_ns = durations.quantile(0.5);
        row.p99_ns = durations.quantile(0.99);
        row.max_ns = durations.max_ns();
    }
    row
}

fn by_thread(query: &Query<'_>) -> Vec<Row> {
    query
        .chosen()
        .map(|thread| {
            let (total, durations) = spent(query, thread, query.asked_state());
            with(row(thread.name.clone(), Some(thread.id), total), durations)
        })
        .collect()
}

fn by_holder(query: &Query<'_>) -> Vec<Row> {
    let chosen: Vec<u64> = query.chosen().map(|thread| thread.id).collect();
    let mut holders: BTreeMap<u64, Row> = BTreeMap::new();
    for blame in query.profile.blame() {
        if !chosen.contains(&blame.waiter) {
            continue;
        }
        let row = holders
            .entry(blame.holder)
            .or_insert_with(|| row(query.name(blame.holder), Some(blame.holder), 0));
        row.total_ns = row.total_ns.saturating_add(blame.waiting_ns);
        if query.profile.mode().counts() {
            row.count = Some(row.count.unwrap_or(0).saturating_add(blame.waits));
            row.max_ns = row.max_ns.max(Some(blame.longest_ns));
        }
    }
    let mean = |row: Row| Row {
        mean_ns: row
            .count
            .filter(|&count| count > 0)
            .map(|count| row.total_ns as f64 / count as f64),
        ..row
    };
    holders.into_values().map(mean).collect()
}

/// One row for several threads, whose durations are merged.
fn together<'t>(
    query: &Query<'_>,
    key: String,
    id: Option<u64>,
    threads: impl Iterator<Item = &'t Thread>,
    state: State,
) -> Row {
    let mut all = row(key, id, 0);
    let mut durations: Option<Distribution> = None;
    for thread in threads {
        let (total, own) = spent(query, thread, state);
        all.total_ns = all.total_ns.saturating_add(total);
        if let Some(own) = own {
            durations.get_or_insert_with(Distribution::empty).merge(own);
        }
    }
    with(all, durations.as_ref())
}

fn by_gil(query: &Query<'_>) -> Vec<Row> {
    let gils = query.profile.gils().iter().map(|gil| gil.index);
    gils.map(|index| {
        let threads = query.chosen().filter(|thread| thread.gil == index);
        together(
            query,
            format!("GIL {index}"),
            Some(index.into()),
            threads,
            query.asked_state(),
        )
    })
    .collect()
}

fn by_state(query: &Query<'_>) -> Vec<Row> {
    [State::Holding, State::Waiting, State::Detached]
        .into_iter()
        .map(|state| together(query, state.to_string(), None, query.chosen(), state))
        .collect()
}
