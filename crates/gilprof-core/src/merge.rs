//! Profiles of several processes as one.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::frame::FrameTable;
use crate::history::History;
use crate::on_cpu::CpuSource;
use crate::profile::{Clock, Ended, Mode, Profile, ProfileParts};
use crate::sampled::Sampled;
use crate::samples::Samples;
use crate::span;

/// How many holds a merged profile keeps.
const HOLDS: usize = 32;

/// What a merged profile says of its history.
const NO_HISTORY: &str =
    "profiles were merged: what happened when is known in each of them, but not in all together";

impl Profile {
    /// Profiles of several processes as one. Threads and GILs keep their rows and get
    /// new ids, in the given order; counts, losses and spans of a label add up; `wall_ns` reaches from
    /// the first start to the last end, and holds begin on that clock. Which thread and
    /// GIL is of which process, the [processes](Self::processes) tell.
    ///
    /// Stacks, native functions and what blocked the threads, where no profile has them,
    /// are missing for the same reasons; what some lack is told by a note.
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
        all.frames = next.frames.into_frames();
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
        program: agreed(profiles.iter().map(Profile::program)).map_or_else(String::new, Into::into),
        python: listed(profiles.iter().map(Profile::python)),
        mode: mode(profiles),
        samples: samples(profiles),
        clock: if clocks { Clock::Tsc } else { Clock::Monotonic },
        started_at: start,
        start_ns: 0,
        wall_ns: ends.max().unwrap_or(start) - start,
        switch_interval_ns: intervals.max().unwrap_or(0),
        cpus: agreed(profiles.iter().map(Profile::cpus)).flatten(),
        // They may have shared a machine.
        stolen_ns: profiles.iter().filter_map(Profile::stolen_ns).max(),
        events: sum(Profile::events),
        dropped: sum(Profile::dropped),
        overhead_ns: costs.map(|costs| costs.into_iter().fold(0, u64::saturating_add)),
        cpu_source: cpu_source(profiles),
        unaccounted_threads: sum(Profile::unaccounted_threads),
        ended_how: ended(profiles),
        notes: notes(profiles),
        history: History::default(),
        stacks_missing: missing(profiles, Profile::stacks_missing),
        stacks_lost: sum(Profile::stacks_lost),
        native_missing: missing(profiles, Profile::native_missing),
        blocked_missing: missing(profiles, Profile::blocked_missing),
        counters_missing: missing(profiles, Profile::counters_missing),
        ..ProfileParts::default()
    }
}

/// Together they are no better than the worst of them.
fn mode(profiles: &[Profile]) -> Mode {
    let sampled = |one: &Profile| one.mode() == Mode::Sampled;
    match profiles.iter().any(sampled) {
        true => Mode::Sampled,
        false => Mode::Exact,
    }
}

fn samples(profiles: &[Profile]) -> Option<Samples> {
    let mut samples = profiles.iter().filter_map(Profile::samples);
    let mut all = *samples.next()?;
    samples.for_each(|more| all.add(more));
    Some(all)
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

/// The one that says least.
fn cpu_source(profiles: &[Profile]) -> CpuSource {
    let sources = || profiles.iter().map(Profile::cpu_source);
    let none = sources().find(|source| matches!(source, CpuSource::None(_)));
    let worst = none.or_else(|| sources().find(|source| **source == CpuSource::Schedstat));
    worst.cloned().unwrap_or(CpuSource::Perf)
}

fn notes(profiles: &[Profile]) -> Vec<String> {
    let mut notes: Vec<String> = Vec::new();
    for note in profiles.iter().flat_map(Profile::notes) {
        if !notes.contains(note) {
            notes.push(note.clone());
        }
    }
    notes.extend(partial(profiles, "stacks", Profile::stacks_missing));
    notes.extend(partial(
        profiles,
        "native functions",
        Profile::native_missing,
    ));
    let blocked = "what blocked the threads";
    notes.extend(partial(profiles, blocked, Profile::blocked_missing));
    let counters = "what CPUs count";
    notes.extend(partial(profiles, counters, Profile::counters_missing));
    if !notes.iter().any(|note| note == NO_HISTORY) {
        notes.push(NO_HISTORY.into());
    }
    notes
}

/// Why none of them has what this is the reason for.
fn missing(profiles: &[Profile], reason: fn(&Profile) -> Option<&str>) -> Option<String> {
    let reasons: Option<Vec<&str>> = profiles.iter().map(reason).collect();
    reasons.map(|reasons| listed(reasons.into_iter()))
}

/// Which of them lack it, where others have it.
fn partial(profiles: &[Profile], what: &str, reason: fn(&Profile) -> Option<&str>) -> Vec<String> {
    if missing(profiles, reason).is_some() {
        return Vec::new();
    }
    let lacking = profiles.iter().filter_map(|one| {
        let reason = reason(one)?;
        Some(format!("{what} of recording {}: {reason}", one.recording()))
    });
    lacking.collect()
}

/// Rows with their threads' new ids and their frames' new indexes.
fn renamed<R: Sampled + Clone>(
    rows: &[R],
    places: &[u32],
    thread: impl Fn(u64) -> u64,
) -> impl Iterator<Item = R> {
    let rows = rows.iter().cloned();
    rows.map(move |row| row.renumbered(places).of_thread(&thread))
}

/// The ids that are given next, and the frames so far.
#[derive(Default)]
struct Next {
    thread: u64,
    gil: u32,
    frames: FrameTable,
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
        let processes = profile.processes().into_iter().map(|mut row| {
            row.gils = row
                .gils
                .iter()
                .filter_map(|index| gils.get(index).copied())
                .collect();
            row
        });
        all.processes.extend(processes);
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
        let places = self.frames.extend(profile.frames().to_vec());
        all.sites.extend(renamed(profile.sites(), &places, thread));
        all.blocked
            .extend(renamed(profile.blocked(), &places, thread));
        span::extend(&mut all.spans, profile.spans());
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
mod tests;
