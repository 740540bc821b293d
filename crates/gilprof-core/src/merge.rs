//! Profiles of several processes as one.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::history::History;
use crate::profile::{Clock, Ended, Profile, ProfileParts};

/// How many holds a merged profile keeps.
const HOLDS: usize = 32;

/// What a merged profile says of its history.
const NO_HISTORY: &str =
    "profiles were merged: what happened when is known in each of them, but not in all together";

impl Profile {
    /// Profiles of several processes as one. Threads and GILs keep their rows and get
    /// new ids, in the given order; counts and losses add up; `wall_ns` reaches from
    /// the first start to the last end, and holds begin on that clock.
    ///
    /// The histories are left out, which a note says: their clocks differ. What the
    /// profiles do not agree on is empty (`pid` 0), or listed (`python`).
    ///
    /// # Errors
    /// [`Error::NothingToMerge`] where there is no profile.
    pub fn merge(profiles: &[Self]) -> Result<Self, Error> {
        let Some(start) = profiles.iter().map(Self::started_at).min() else {
            return Err(Error::NothingToMerge);
        };
        if let [one] = profiles {
            return Ok(one.clone());
        }
        let mut all = head(profiles, start);
        let mut next = Next::default();
        for profile in profiles {
            next.append(&mut all, profile, start);
        }
        all.holds
            .sort_by_key(|hold| std::cmp::Reverse(hold.waiter_time_ns));
        all.holds.truncate(HOLDS);
        Ok(Self::assemble(all))
    }
}

/// All but the rows.
fn head(profiles: &[Profile], start: u64) -> ProfileParts {
    let ends = profiles
        .iter()
        .map(|one| one.started_at().saturating_add(one.wall_ns()));
    let sum = |part: fn(&Profile) -> u64| profiles.iter().map(part).fold(0, u64::saturating_add);
    let recordings: Vec<&str> = profiles.iter().map(Profile::recording).collect();
    let clocks = profiles.iter().all(|one| one.clock() == Clock::Tsc);
    let costs: Option<Vec<u64>> = profiles.iter().map(Profile::overhead_ns).collect();
    let intervals = profiles.iter().map(Profile::switch_interval_ns);
    ProfileParts {
        recording: recordings.join("+"),
        pid: agreed(profiles.iter().map(Profile::pid)).unwrap_or(0),
        python: listed(profiles.iter().map(Profile::python)),
        mode: profiles.first().map(Profile::mode).unwrap_or_default(),
        clock: if clocks { Clock::Tsc } else { Clock::Monotonic },
        started_at: start,
        start_ns: 0,
        wall_ns: ends.max().unwrap_or(start) - start,
        switch_interval_ns: intervals.max().unwrap_or(0),
        events: sum(Profile::events),
        dropped: sum(Profile::dropped),
        overhead_ns: costs.map(|costs| costs.into_iter().fold(0, u64::saturating_add)),
        unaccounted_threads: sum(Profile::unaccounted_threads),
        ended_how: ended(profiles),
        notes: notes(profiles),
        history: History::default(),
        ..ProfileParts::default()
    }
}

fn agreed<T: PartialEq>(mut values: impl Iterator<Item = T>) -> Option<T> {
    let first = values.next()?;
    values.all(|value| value == first).then_some(first)
}

fn listed<'p>(words: impl Iterator<Item = &'p str>) -> String {
    let words: BTreeSet<&str> = words.filter(|word| !word.is_empty()).collect();
    words.into_iter().collect::<Vec<_>>().join(", ")
}

/// The way that leaves most unsaid.
fn ended(profiles: &[Profile]) -> Ended {
    let any = |ended| profiles.iter().any(|one| one.ended_how() == ended);
    let ways = [Ended::Running, Ended::Killed, Ended::Exited];
    ways.into_iter()
        .find(|&way| any(way))
        .unwrap_or(Ended::Stopped)
}

fn notes(profiles: &[Profile]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for note in profiles.iter().flat_map(Profile::notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    if !notes.iter().any(|note| note == NO_HISTORY) {
        notes.push(NO_HISTORY.into());
    }
    notes
}

/// The ids that are given next.
#[derive(Default)]
struct Next {
    thread: u64,
    gil: u32,
}

impl Next {
    /// Adds the rows of one profile under new ids.
    fn append(&mut self, all: &mut ProfileParts, profile: &Profile, start: u64) {
        let threads: BTreeMap<u64, u64> = profile
            .threads()
            .iter()
            .map(|row| {
                self.thread += 1;
                (row.id, self.thread)
            })
            .collect();
        // A GIL may be named that has no row.
        let named = profile.threads().iter().map(|row| row.gil);
        let rows = profile.gils().iter().map(|row| row.index);
        let mut gils: BTreeMap<u32, u32> = BTreeMap::new();
        for index in rows
            .chain(named)
            .chain(profile.blame().iter().map(|row| row.gil))
        {
            gils.entry(index).or_insert_with(|| {
                self.gil += 1;
                self.gil - 1
            });
        }
        let thread = |id: u64| threads.get(&id).copied().unwrap_or(0);
        let gil = |index: u32| gils.get(&index).copied().unwrap_or(index);
        all.threads
            .extend(profile.threads().iter().cloned().map(|mut row| {
                (row.id, row.gil) = (thread(row.id), gil(row.gil));
                row
            }));
        all.gils
            .extend(profile.gils().iter().cloned().map(|mut row| {
                row.index = gil(row.index);
                row
            }));
        all.blame
            .extend(profile.blame().iter().cloned().map(|mut row| {
                (row.waiter, row.holder) = (thread(row.waiter), thread(row.holder));
                row.gil = gil(row.gil);
                row
            }));
        let shift = profile.started_at() - start;
        all.holds
            .extend(profile.holds().iter().cloned().map(|mut row| {
                (row.thread, row.gil) = (thread(row.thread), gil(row.gil));
                let since_start = row.start_ns.saturating_sub(profile.start_ns());
                row.start_ns = since_start.saturating_add(shift);
                row
            }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blame::Blame;
    use crate::gil::Gil;
    use crate::hold::Hold;
    use crate::thread::Thread;

    fn profile(pid: u32, started_at: u64) -> Profile {
        let thread = |id| Thread {
            id,
            pid,
            waiting_ns: 10,
            ..Thread::default()
        };
        let hold = Hold {
            thread: 9,
            start_ns: 1_005,
            waiter_time_ns: pid.into(),
            ..Hold::default()
        };
        Profile::assemble(ProfileParts {
            recording: format!("r{pid}"),
            pid,
            python: "3.12.1".into(),
            started_at,
            start_ns: 1_000,
            wall_ns: 50,
            events: 7,
            threads: vec![thread(5), thread(9)],
            gils: vec![Gil {
                pid,
                ..Gil::default()
            }],
            blame: vec![Blame {
                waiter: 5,
                holder: 9,
                waiting_ns: 10,
                ..Blame::default()
            }],
            holds: vec![hold],
            ..ProfileParts::default()
        })
    }

    #[test]
    fn rows_get_ids_of_their_own_and_keep_their_process() {
        let merged = Profile::merge(&[profile(1, 100), profile(2, 120)]).unwrap();
        let ids: Vec<(u64, u32, u32)> = merged
            .threads()
            .iter()
            .map(|t| (t.id, t.gil, t.pid))
            .collect();
        assert_eq!(ids, [(1, 0, 1), (2, 0, 1), (3, 1, 2), (4, 1, 2)]);
        let pairs: Vec<(u64, u64, u32)> = merged
            .blame()
            .iter()
            .map(|b| (b.waiter, b.holder, b.gil))
            .collect();
        assert_eq!(pairs, [(1, 2, 0), (3, 4, 1)]);
        let gils: Vec<(u32, u32)> = merged.gils().iter().map(|g| (g.index, g.pid)).collect();
        assert_eq!(gils, [(0, 1), (1, 2)]);
    }

    #[test]
    fn sums_add_and_time_reaches_from_first_to_last() {
        let merged = Profile::merge(&[profile(1, 100), profile(2, 120)]).unwrap();
        assert_eq!((merged.waiting_ns(), merged.events()), (40, 14));
        assert_eq!((merged.started_at(), merged.wall_ns()), (100, 70));
        let holds: Vec<(u64, u64)> = merged
            .holds()
            .iter()
            .map(|h| (h.thread, h.start_ns))
            .collect();
        assert_eq!(holds, [(4, 25), (2, 5)]);
        assert_eq!((merged.pid(), merged.python()), (0, "3.12.1"));
        assert_eq!(merged.notes(), [NO_HISTORY]);
    }

    #[test]
    fn merges_can_be_merged_and_saved() {
        let merged = Profile::merge(&[profile(1, 100), profile(2, 120)]).unwrap();
        let twice = Profile::merge(&[merged.clone(), profile(3, 90)]).unwrap();
        assert_eq!(twice.threads().len(), 6);
        assert_eq!(twice.notes().len(), 1);
        assert_eq!(
            Profile::from_json(&twice.to_json().unwrap()).unwrap(),
            twice
        );
    }

    #[test]
    fn one_profile_stays_what_it_is_and_none_is_an_error() {
        assert_eq!(Profile::merge(&[profile(1, 5)]).unwrap(), profile(1, 5));
        assert!(matches!(Profile::merge(&[]), Err(Error::NothingToMerge)));
    }
}
