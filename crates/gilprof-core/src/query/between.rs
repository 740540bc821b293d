//! Answers over a part of the recording: exact at the edges of the history's
//! slices, times only.

use std::collections::{BTreeMap, BTreeSet};

use super::total::row;
use super::{By, Query, Row};
use crate::error::Error;
use crate::history::{Slice, SliceThread};
use crate::state::State;

/// The rows, and the time that they cover, in ns since the recording's start.
pub(super) fn rows(query: &Query<'_>, from: u64, to: u64) -> Result<(u64, u64, Vec<Row>), Error> {
    let start = query.profile.start_ns();
    let history = query.profile.history();
    let begin = history.start_ns.saturating_sub(start);
    let end = history.end_ns().saturating_sub(start);
    if from >= to || to <= begin || from >= end {
        return Err(Error::OutsideHistory {
            from_ns: from,
            to_ns: to,
            start_ns: begin,
            end_ns: end.min(query.profile.wall_ns()),
        });
    }
    let width = history.width_ns.max(1);
    let place = |at: u64| at.saturating_add(start).saturating_sub(history.start_ns);
    let first = (place(from) / width) as usize;
    let last = place(to).div_ceil(width) as usize;
    let last = last.min(history.slices.len());
    let slices = history.slices.get(first.min(last)..last).unwrap_or(&[]);
    let edge = |index: usize| {
        let at = history
            .start_ns
            .saturating_add(width.saturating_mul(index as u64));
        at.saturating_sub(start).min(query.profile.wall_ns())
    };
    Ok((edge(first), edge(last), sums(query, slices)))
}

fn spent(row: &SliceThread, state: State) -> u64 {
    match state {
        State::Holding => row.holding_ns,
        State::Waiting => row.waiting_ns,
        State::Detached => row.detached_ns,
        State::Ended | State::Unknown => 0,
    }
}

fn sums(query: &Query<'_>, slices: &[Slice]) -> Vec<Row> {
    let chosen: BTreeMap<u64, u32> = query.chosen().map(|row| (row.id, row.gil)).collect();
    let mut sums: BTreeMap<u64, u64> = BTreeMap::new();
    let mut add = |key: u64, ns: u64| {
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(ns);
    };
    for slice in slices {
        if query.by == By::Holder {
            let blame = slice.blame.iter();
            blame
                .filter(|row| chosen.contains_key(&row.waiter))
                .for_each(|row| add(row.holder, row.waiting_ns));
            continue;
        }
        for thread in &slice.threads {
            let Some(&gil) = chosen.get(&thread.thread) else {
                continue;
            };
            match query.by {
                By::Gil => add(gil.into(), spent(thread, query.asked_state())),
                By::State => STATES
                    .iter()
                    .zip(0..)
                    .for_each(|(&state, key)| add(key, spent(thread, state))),
                By::Thread | By::Holder => add(thread.thread, spent(thread, query.asked_state())),
                // Stacks have no history; the question was refused.
                By::Site | By::Function | By::File | By::Module | By::Native => {}
            }
        }
    }
    let keys: BTreeSet<u64> = sums.keys().copied().collect();
    keys.into_iter()
        .map(|key| named(query, key, sums[&key]))
        .collect()
}

const STATES: [State; 3] = [State::Holding, State::Waiting, State::Detached];

fn named(query: &Query<'_>, key: u64, total_ns: u64) -> Row {
    match query.by {
        By::Gil => row(format!("GIL {key}"), Some(key), total_ns),
        By::State => {
            let state = STATES.get(key as usize).copied().unwrap_or_default();
            row(state.to_string(), None, total_ns)
        }
        _ => row(query.name(key), Some(key), total_ns),
    }
}
