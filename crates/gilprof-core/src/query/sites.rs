//! Answers from stacks: weights of samples.

use std::collections::BTreeMap;

use super::total::row;
use super::{By, Query, Row};
use crate::error::Error;
use crate::frame::Frame;
use crate::pattern::fits;
use crate::site::{Site, SiteKind};

/// The key of a stack that is not known.
const UNKNOWN: &str = "(unknown)";

/// Refuses what stacks cannot tell.
pub(super) fn check(query: &Query<'_>) -> Result<(), Error> {
    let Some(kind) = query.stacks() else {
        return Ok(());
    };
    let refused = |limit: String| {
        let asked = format!("{} by {}", query.asked_state(), query.by);
        Err(Error::NotRecorded { asked, limit })
    };
    match query.profile.stacks_missing() {
        Some(reason) if query.profile.sites().is_empty() => {
            refused(format!("without stacks: {reason}"))
        }
        _ if query.between.is_some() => refused(String::from(
            "between two instants: stacks have no history, ask the difference of two profiles",
        )),
        _ if kind.state() != query.asked_state() => {
            refused(format!("by {kind} stacks: they are about {}", kind.state()))
        }
        _ if query.by == By::Holder && kind != SiteKind::Blame => refused(String::from(
            "where the waiters' stacks are: ask for kind blame, whose stacks are the holders'",
        )),
        _ => Ok(()),
    }
}

/// A row for each line, function, file, module, native function, thread, GIL or state.
pub(super) fn rows(query: &Query<'_>, kind: SiteKind) -> Vec<Row> {
    let gils: BTreeMap<u64, u32> = query.chosen().map(|row| (row.id, row.gil)).collect();
    let mut rows: BTreeMap<(Option<u64>, String), Row> = BTreeMap::new();
    for site in query.profile.sites_of(kind) {
        let Some(&gil) = gils.get(&site.thread) else {
            continue;
        };
        let leaf = query.profile.stack(site).next();
        if !is_chosen(query, leaf) {
            continue;
        }
        let (id, key) = naming(query, site, gil, leaf);
        let row = rows
            .entry((id, key))
            .or_insert_with_key(|(id, key)| row(key.clone(), *id, 0));
        row.total_ns = row.total_ns.saturating_add(site.weight_ns);
        row.count = Some(row.count.unwrap_or(0).saturating_add(site.samples));
    }
    rows.into_values().collect()
}

/// Whether a stack with this innermost frame is asked about.
fn is_chosen(query: &Query<'_>, leaf: Option<&Frame>) -> bool {
    let fits_in = |pattern: &Option<String>, part: fn(&Frame) -> &str| {
        let pattern = pattern.as_deref();
        pattern.is_none_or(|pattern| leaf.is_some_and(|leaf| fits(pattern, part(leaf))))
    };
    fits_in(&query.functions, |frame| &frame.function) && fits_in(&query.files, |frame| &frame.file)
}

/// The id and the key of the row that a site belongs to.
fn naming(query: &Query<'_>, site: &Site, gil: u32, leaf: Option<&Frame>) -> (Option<u64>, String) {
    let code = |name: fn(&Frame) -> String| (None, leaf.map_or_else(|| UNKNOWN.into(), name));
    match query.by {
        By::Thread | By::Holder => (Some(site.thread), query.name(site.thread)),
        By::Gil => (Some(gil.into()), format!("GIL {gil}")),
        By::State => (None, query.asked_state().to_string()),
        By::Site => code(Frame::to_string),
        By::Function => code(|frame| format!("{} ({})", frame.function, frame.file)),
        By::File => code(|frame| frame.file.clone()),
        By::Module => code(Frame::module),
        By::Native => {
            let native = query.profile.native_function(site);
            (
                None,
                native.map_or_else(|| UNKNOWN.into(), Frame::to_string),
            )
        }
    }
}

#[cfg(test)]
mod tests;
