//! Profiles as JSON, versioned, and checked when read.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::history::{FIRST_SLICE_NS, History, SLICES_MAX};
use crate::profile::{Profile, ProfileParts};
use crate::span::SpanRow;
use crate::state::State;
use crate::thread::Thread;
use crate::verdict::Finding;

/// No sum of a real recording reaches this: 36 years of one thread.
const ABSURD_NS: u64 = 1 << 60;

/// The first format with stacks.
const WITH_STACKS: u32 = 2;

/// What a profile of an earlier format says of them.
const NO_STACKS: &str = "n/a (saved by a version without stacks)";

/// The part of a saved profile that every version has.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

impl Profile {
    /// The profile as JSON, on one line.
    ///
    /// # Errors
    /// [`Error::Malformed`] where JSON cannot say it, which no known profile does.
    pub fn to_json(&self) -> Result<String, Error> {
        Ok(serde_json::to_string(self)?)
    }

    /// The profile as JSON with its `findings`, on one line. [`Profile::from_json`]
    /// reads it too, and finds the findings anew.
    ///
    /// # Errors
    /// As for [`Profile::to_json`].
    pub fn to_report_json(&self) -> Result<String, Error> {
        #[derive(Serialize)]
        struct Report<'p> {
            #[serde(flatten)]
            profile: &'p Profile,
            verdict: Finding,
            findings: Vec<Finding>,
        }
        Ok(serde_json::to_string(&Report {
            profile: self,
            verdict: self.verdict(),
            findings: self.findings(),
        })?)
    }

    /// The profile that [`Profile::to_json`] wrote, of this version or an earlier one.
    ///
    /// # Errors
    /// [`Error::NewerFormat`] for a later version, [`Error::Malformed`] with line and
    /// column for what is no profile, [`Error::Invalid`] with the place for one that
    /// contradicts itself.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let Header { format } = serde_json::from_str(text)?;
        if format > Self::FORMAT {
            return Err(Error::NewerFormat {
                found: format,
                newest: Self::FORMAT,
            });
        }
        if format == 0 {
            return Err(Error::invalid("format", format, "which never was one"));
        }
        let mut parts: ProfileParts = serde_json::from_str(text)?;
        if format < WITH_STACKS {
            parts.stacks_missing = Some(NO_STACKS.into());
        }
        check(&parts)?;
        Ok(Self::assemble(parts))
    }
}

fn check(parts: &ProfileParts) -> Result<(), Error> {
    let threads = threads(&parts.threads)?;
    let gils = gils(parts)?;
    for (at, row) in parts.blame.iter().enumerate() {
        let place = |field| format!("blame[{at}].{field}");
        known(&threads, row.waiter, || place("waiter"), "thread")?;
        known(&threads, row.holder, || place("holder"), "thread")?;
        known(&gils, row.gil.into(), || place("gil"), "GIL")?;
        small(row.waiting_ns, || place("waiting_ns"))?;
    }
    for (at, row) in parts.holds.iter().enumerate() {
        let place = |field| format!("holds[{at}].{field}");
        known(&threads, row.thread, || place("thread"), "thread")?;
        known(&gils, row.gil.into(), || place("gil"), "GIL")?;
        small(row.start_ns, || place("start_ns"))?;
        small(row.duration_ns, || place("duration_ns"))?;
    }
    sites(parts, &threads)?;
    blocked(parts, &threads)?;
    spans(&parts.spans)?;
    small(parts.start_ns, || "start_ns".into())?;
    small(parts.wall_ns, || "wall_ns".into())?;
    history(&parts.history)
}

fn threads(rows: &[Thread]) -> Result<BTreeSet<u64>, Error> {
    let mut ids = BTreeSet::new();
    for (at, row) in rows.iter().enumerate() {
        once(&mut ids, row.id, || format!("threads[{at}].id"))?;
        let sums = [
            ("lifetime_ns", row.lifetime_ns),
            ("holding_ns", row.holding_ns),
            ("waiting_ns", row.waiting_ns),
            ("detached_ns", row.detached_ns),
            ("handoff_ns", row.handoff_ns),
            ("caused_ns", row.caused_ns),
            ("switch_wait_ns", row.switch_wait_ns),
            ("foreign_wait_ns", row.foreign_wait_ns),
            ("overrun.after_ns", row.overrun.after_ns),
            ("overrun.caused_ns", row.overrun.caused_ns),
        ];
        for (field, value) in sums {
            small(value, || format!("threads[{at}].{field}"))?;
        }
        let known = [
            ("cpu_ns", row.cpu_ns),
            ("holding_cpu_ns", row.holding_cpu_ns),
            ("holding_preempted_ns", row.holding_preempted_ns),
            ("holding_blocked_ns", row.holding_blocked_ns),
            ("detached_cpu_ns", row.detached_cpu_ns),
        ];
        for (field, value) in known {
            small(value.unwrap_or(0), || format!("threads[{at}].{field}"))?;
        }
    }
    Ok(ids)
}

fn gils(parts: &ProfileParts) -> Result<BTreeSet<u64>, Error> {
    let mut indices = BTreeSet::new();
    for (at, row) in parts.gils.iter().enumerate() {
        once(&mut indices, row.index.into(), || {
            format!("gils[{at}].index")
        })?;
        let sums = [
            ("holding_ns", row.holding_ns),
            ("free_ns", row.free_ns),
            ("waiting_ns", row.waiting_ns),
            ("caused_ns", row.caused_ns),
            ("handoff_ns", row.handoff_ns),
        ];
        for (field, value) in sums {
            small(value, || format!("gils[{at}].{field}"))?;
        }
    }
    Ok(indices)
}

fn sites(parts: &ProfileParts, threads: &BTreeSet<u64>) -> Result<(), Error> {
    for (at, row) in parts.sites.iter().enumerate() {
        let place = |field| format!("sites[{at}].{field}");
        known(threads, row.thread, || place("thread"), "thread")?;
        small(row.weight_ns, || place("weight_ns"))?;
        if row.seen_ns > row.weight_ns {
            let reason = format!("more than its weight_ns {}", row.weight_ns);
            return Err(Error::invalid(place("seen_ns"), row.seen_ns, reason));
        }
        stack(parts, &row.stack, || place("stack"))?;
        stack(parts, &row.native, || place("native"))?;
    }
    Ok(())
}

fn blocked(parts: &ProfileParts, threads: &BTreeSet<u64>) -> Result<(), Error> {
    for (at, row) in parts.blocked.iter().enumerate() {
        let place = |field| format!("blocked[{at}].{field}");
        known(threads, row.thread, || place("thread"), "thread")?;
        if !matches!(row.state, State::Holding | State::Detached) {
            let reason = "which is neither holding nor detached";
            return Err(Error::invalid(place("state"), row.state, reason));
        }
        small(row.weight_ns, || place("weight_ns"))?;
        stack(parts, &row.native, || place("native"))?;
    }
    Ok(())
}

fn spans(rows: &[SpanRow]) -> Result<(), Error> {
    let mut labels = BTreeSet::new();
    for (at, row) in rows.iter().enumerate() {
        once(&mut labels, &row.label, || format!("spans[{at}].label"))?;
        let sums = [
            ("wall_ns", row.wall_ns),
            ("holding_ns", row.holding_ns),
            ("waiting_ns", row.waiting_ns),
            ("detached_ns", row.detached_ns),
            ("caused_ns", row.caused_ns),
        ];
        for (field, value) in sums {
            small(value, || format!("spans[{at}].{field}"))?;
        }
    }
    Ok(())
}

fn stack(parts: &ProfileParts, stack: &[u32], place: impl Fn() -> String) -> Result<(), Error> {
    let frames = parts.frames.len();
    match stack.iter().position(|&index| index as usize >= frames) {
        None => Ok(()),
        Some(depth) => {
            let place = format!("{}[{depth}]", place());
            Err(Error::invalid(
                place,
                stack[depth],
                "which is no frame of it",
            ))
        }
    }
}

fn history(history: &History) -> Result<(), Error> {
    let (width, count) = (history.width_ns, history.slices.len());
    if count == 0 {
        return Ok(());
    }
    if !width.is_multiple_of(FIRST_SLICE_NS) || !(width / FIRST_SLICE_NS).is_power_of_two() {
        let reason = format!("not {FIRST_SLICE_NS} times a power of two");
        return Err(Error::invalid("history.width_ns", width, reason));
    }
    if count > SLICES_MAX {
        let reason = format!("more than {SLICES_MAX}");
        return Err(Error::invalid("length of history.slices", count, reason));
    }
    let start = history.start_ns;
    if !start.is_multiple_of(width) {
        let reason = format!("not a multiple of width_ns {width}");
        return Err(Error::invalid("history.start_ns", start, reason));
    }
    small(start, || "history.start_ns".into())?;
    small(width, || "history.width_ns".into())?;
    for (at, slice) in history.slices.iter().enumerate() {
        if !slice.is_normal() {
            let place = format!("history.slices[{at}]");
            return Err(Error::invalid(
                place,
                "disordered",
                "not ascending by thread",
            ));
        }
    }
    Ok(())
}

fn known(
    ids: &BTreeSet<u64>,
    id: u64,
    place: impl FnOnce() -> String,
    what: &str,
) -> Result<(), Error> {
    match ids.contains(&id) {
        true => Ok(()),
        false => Err(Error::invalid(
            place(),
            id,
            format!("which is no {what} of it"),
        )),
    }
}

fn once<T: Ord + Copy + ToString>(
    ids: &mut BTreeSet<T>,
    id: T,
    place: impl FnOnce() -> String,
) -> Result<(), Error> {
    match ids.insert(id) {
        true => Ok(()),
        false => Err(Error::invalid(place(), id, "which another row is already")),
    }
}

fn small(value: u64, place: impl FnOnce() -> String) -> Result<(), Error> {
    match value < ABSURD_NS {
        true => Ok(()),
        false => Err(Error::invalid(place(), value, "longer than 36 years")),
    }
}

#[cfg(test)]
mod tests;
