//! Answers by code: weights of sampled stacks.

use std::collections::{BTreeMap, BTreeSet};

use super::total::row;
use super::{By, Query, Row};
use crate::error::Error;
use crate::frame::Frame;
use crate::site::SiteKind;
use crate::state::State;

/// The key of a stack that is not known.
const UNKNOWN: &str = "(unknown)";

/// What a row of such an answer is called, by its innermost frame; `None` where the
/// rows are not about code.
fn naming(by: By) -> Option<fn(&Frame) -> String> {
    match by {
        By::Thread | By::Holder | By::Gil | By::State => None,
        By::Site => Some(Frame::to_string),
        By::Function => Some(|frame| format!("{} ({})", frame.function, frame.file)),
        By::File => Some(|frame| frame.file.clone()),
        By::Module => Some(Frame::module),
    }
}

/// The sites that a state is told by.
fn kind(state: State) -> Option<SiteKind> {
    match state {
        State::Waiting => Some(SiteKind::Blame),
        State::Holding => Some(SiteKind::Hold),
        State::Detached => Some(SiteKind::Detached),
        State::Ended | State::Unknown => None,
    }
}

/// Refuses what stacks cannot tell.
pub(super) fn check(query: &Query<'_>) -> Result<(), Error> {
    if naming(query.by).is_none() {
        return Ok(());
    }
    let refused = |limit: String| {
        let asked = format!("{} by {}", query.state, query.by);
        Err(Error::NotRecorded { asked, limit })
    };
    match query.profile.stacks_missing() {
        Some(reason) if query.profile.sites().is_empty() => {
            refused(format!("without stacks: {reason}"))
        }
        _ if query.between.is_some() => refused(String::from(
            "between two instants: stacks have no history, ask the difference of two profiles",
        )),
        _ => Ok(()),
    }
}

/// A row for each line, function, file or module.
pub(super) fn rows(query: &Query<'_>) -> Vec<Row> {
    let (Some(name), Some(kind)) = (naming(query.by), kind(query.state)) else {
        return Vec::new();
    };
    let chosen: BTreeSet<u64> = query.chosen().map(|thread| thread.id).collect();
    let sites = query.profile.sites_of(kind).iter();
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for site in sites.filter(|site| chosen.contains(&site.thread)) {
        let leaf = query.profile.stack(site).next();
        let key = leaf.map_or_else(|| UNKNOWN.into(), name);
        let row = rows.entry(key.clone()).or_insert_with(|| row(key, None, 0));
        row.total_ns = row.total_ns.saturating_add(site.weight_ns);
        row.count = Some(row.count.unwrap_or(0).saturating_add(site.samples));
    }
    rows.into_values().collect()
}

#[cfg(test)]
mod tests;
