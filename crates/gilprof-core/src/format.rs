//! Profiles as JSON, versioned, and checked when read.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::error::Error;
use crate::history::{FIRST_SLICE_NS, History, SLICES_MAX};
use crate::profile::{Profile, ProfileParts};
use crate::thread::Thread;

/// No sum of a real recording reaches this: 36 years of one thread.
const ABSURD_NS: u64 = 1 << 60;

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
        let parts: ProfileParts = serde_json::from_str(text)?;
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
        ];
        for (field, value) in sums {
            small(value, || format!("threads[{at}].{field}"))?;
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

fn once(ids: &mut BTreeSet<u64>, id: u64, place: impl FnOnce() -> String) -> Result<(), Error> {
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
mod tests {
    use super::*;
    use crate::blame::Blame;
    use crate::gil::Gil;
    use crate::history::{Slice, SliceThread};

    fn profile() -> Profile {
        let thread = |id| Thread {
            id,
            ..Thread::default()
        };
        let slice = Slice {
            threads: vec![SliceThread {
                thread: 1,
                waiting_ns: 7,
                ..SliceThread::default()
            }],
            blame: Vec::new(),
        };
        Profile::assemble(ProfileParts {
            recording: "r".into(),
            threads: vec![thread(1), thread(2)],
            gils: vec![Gil::default()],
            blame: vec![Blame {
                waiter: 1,
                holder: 2,
                waiting_ns: 9,
                ..Blame::default()
            }],
            history: History {
                start_ns: 0,
                width_ns: FIRST_SLICE_NS,
                slices: vec![slice],
            },
            ..ProfileParts::default()
        })
    }

    fn refusal(from: &str, to: &str) -> String {
        let json = profile().to_json().unwrap();
        assert!(json.contains(from), "{json}");
        Profile::from_json(&json.replacen(from, to, 1))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let json = profile().to_json().unwrap();
        assert_eq!(Profile::from_json(&json).unwrap(), profile());
    }

    #[test]
    fn a_newer_format_is_named() {
        let said = refusal("\"format\":1", "\"format\":7");
        assert!(
            said.starts_with("profile has format 7, newest understood is 1"),
            "{said}"
        );
    }

    #[test]
    fn text_that_is_no_profile_is_refused_with_its_place() {
        let said = Profile::from_json("{\"format\":1,\n oops")
            .unwrap_err()
            .to_string();
        assert!(said.contains("line 2 column"), "{said}");
        let said = Profile::from_json("{}").unwrap_err().to_string();
        assert!(said.contains("missing field `format`"), "{said}");
    }

    #[test]
    fn blame_on_nobody_is_refused() {
        let said = refusal("\"holder\":2", "\"holder\":3");
        assert!(
            said.starts_with("blame[0].holder is 3, which is no thread of it"),
            "{said}"
        );
    }

    #[test]
    fn two_rows_of_one_thread_are_refused() {
        let said = refusal("\"id\":2", "\"id\":1");
        assert!(said.starts_with("threads[1].id is 1"), "{said}");
    }

    #[test]
    fn absurd_sums_are_refused() {
        let said = refusal("\"wall_ns\":0", "\"wall_ns\":2000000000000000000");
        assert!(
            said.starts_with("wall_ns is 2000000000000000000, longer than"),
            "{said}"
        );
    }

    #[test]
    fn a_history_off_its_grid_is_refused() {
        let said = refusal("\"width_ns\":10000000", "\"width_ns\":10000001");
        assert!(said.starts_with("history.width_ns is 10000001"), "{said}");
        let said = refusal("\"history\":{\"start_ns\":0", "\"history\":{\"start_ns\":5");
        assert!(said.starts_with("history.start_ns is 5"), "{said}");
    }
}
