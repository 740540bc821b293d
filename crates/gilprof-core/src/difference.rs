//! What happened between two profiles of one recording.

mod samples;

use std::collections::{BTreeMap, BTreeSet};

use crate::blame::Blame;
use crate::error::Error;
use crate::pattern::pattern;
use crate::process;
use crate::profile::{Profile, ProfileParts};
use crate::samples::Samples;
use crate::span;
use crate::thread::Thread;

use samples::Added;

/// Name of the group that ended threads go to when there are too many names.
const OTHERS: &str = "(others)";

impl Profile {
    /// What happened between `earlier` and this profile of the same recording: its
    /// `wall_ns` is the time between the two, and it begins at the earlier one.
    ///
    /// Threads that have ended in between and share a row by now are subtracted from
    /// that, and their sites from its sites. Holds are those of the recording's worst that reach into the time, and
    /// `longest_ns` and `waiters_max` are those of the whole recording. Slices of the
    /// history that `earlier` falls into hold what came after it.
    ///
    /// # Errors
    /// [`Error::OtherRecording`] for profiles of two recordings, or that begin at
    /// different instants; [`Error::NotEarlier`] where `earlier` is the later one.
    pub fn difference(&self, earlier: &Self) -> Result<Self, Error> {
        self.clone().into_difference(earlier.clone())
    }

    /// [`Profile::difference`] of two profiles that are needed no more.
    ///
    /// # Errors
    /// The same.
    pub fn into_difference(self, earlier: Self) -> Result<Self, Error> {
        check(&self, &earlier)?;
        let (later, earlier) = (self.into_parts(), earlier.into_parts());
        let folded = folded(&later.threads, &earlier.threads)?;
        Ok(Self::assemble(subtract(later, earlier, &folded)))
    }
}

fn check(later: &Profile, earlier: &Profile) -> Result<(), Error> {
    let name =
        |profile: &Profile| format!("{} from {} ns", profile.recording(), profile.start_ns());
    if later.recording() != earlier.recording() || later.start_ns() != earlier.start_ns() {
        return Err(Error::OtherRecording {
            later: name(later),
            earlier: name(earlier),
        });
    }
    if later.wall_ns() < earlier.wall_ns() {
        return Err(Error::not_earlier("wall_ns"));
    }
    if later.events() < earlier.events() {
        return Err(Error::not_earlier("the number of events"));
    }
    Ok(())
}

/// Which row of the later profile each thread of the earlier went to that has none of
/// its own any more.
fn folded(later: &[Thread], earlier: &[Thread]) -> Result<BTreeMap<u64, u64>, Error> {
    let ids: BTreeSet<u64> = later.iter().map(|row| row.id).collect();
    let old: BTreeMap<u64, &Thread> = earlier.iter().map(|row| (row.id, row)).collect();
    // What groups have gained and no folded thread is known to have brought.
    let mut rooms: Vec<Room<'_>> = later.iter().filter_map(|row| Room::of(row, &old)).collect();
    let mut folded = BTreeMap::new();
    for gone in earlier.iter().filter(|row| !ids.contains(&row.id)) {
        let fits = rooms.iter_mut().filter(|room| room.fits(gone));
        let Some(room) = fits.max_by_key(|room| room.likeness(gone)) else {
            let what = format!("the row of thread {} ({})", gone.id, gone.name);
            return Err(Error::not_earlier(what));
        };
        room.take(gone);
        folded.insert(gone.id, room.group.id);
    }
    Ok(folded)
}

/// A group, and how much of it may have come from a thread of the earlier profile: of
/// what is never revised, unlike the end of a life.
struct Room<'t> {
    group: &'t Thread,
    holding_ns: u64,
    acquisitions: u64,
}

impl<'t> Room<'t> {
    fn of(group: &'t Thread, old: &BTreeMap<u64, &Thread>) -> Option<Self> {
        // A group is no thread of the system; a new row may always be one.
        if !group.ended || group.native_id.is_some() {
            return None;
        }
        let before = old.get(&group.id);
        let less = |now: u64, part: fn(&Thread) -> u64| {
            now.saturating_sub(before.map_or(0, |row| part(row)))
        };
        Some(Self {
            group,
            holding_ns: less(group.holding_ns, |row| row.holding_ns),
            acquisitions: less(group.acquisitions, |row| row.acquisitions),
        })
    }

    fn fits(&self, gone: &Thread) -> bool {
        self.holding_ns >= gone.holding_ns && self.acquisitions >= gone.acquisitions
    }

    /// How likely a thread went there. Its name may have been learnt after the earlier
    /// profile was taken.
    fn likeness(&self, gone: &Thread) -> (bool, bool, bool) {
        (
            self.group.name == pattern(&gone.name),
            self.group.name == OTHERS,
            self.group.gil == gone.gil,
        )
    }

    fn take(&mut self, gone: &Thread) {
        self.holding_ns -= gone.holding_ns;
        self.acquisitions -= gone.acquisitions;
    }
}

fn subtract(
    mut later: ProfileParts,
    mut earlier: ProfileParts,
    folded: &BTreeMap<u64, u64>,
) -> ProfileParts {
    let row_of = |id: u64| folded.get(&id).copied().unwrap_or(id);
    let begin = later.start_ns.saturating_add(earlier.wall_ns);
    let added = Added::between(&mut later, &mut earlier, row_of);
    let blame = blame(later.blame, &earlier.blame, row_of);
    let named: BTreeSet<u64> = blame
        .iter()
        .flat_map(|row| [row.waiter, row.holder])
        .chain(added.sites.iter().map(|site| site.thread))
        .chain(added.blocked.iter().map(|row| row.thread))
        .collect();
    let mut holds = later.holds;
    holds.retain(|hold| hold.start_ns.saturating_add(hold.duration_ns) > begin);
    let mut gils = later.gils;
    for gil in &mut gils {
        if let Some(old) = earlier.gils.iter().find(|old| old.index == gil.index) {
            gil.subtract(old);
        }
    }
    let overhead_ns = later.overhead_ns.zip(earlier.overhead_ns);
    let stolen_ns = later.stolen_ns.zip(earlier.stolen_ns);
    ProfileParts {
        started_at: later.started_at.saturating_add(earlier.wall_ns),
        start_ns: begin,
        wall_ns: later.wall_ns - earlier.wall_ns,
        events: later.events - earlier.events,
        dropped: later.dropped.saturating_sub(earlier.dropped),
        overhead_ns: overhead_ns.map(|(now, then)| now.saturating_sub(then)),
        stolen_ns: stolen_ns.map(|(now, then)| now.saturating_sub(then)),
        unaccounted_threads: later
            .unaccounted_threads
            .saturating_sub(earlier.unaccounted_threads),
        samples: samples(later.samples, earlier.samples),
        threads: threads(later.threads, &earlier.threads, row_of, &named, &holds),
        gils,
        blame,
        holds,
        history: later.history.since(earlier.history, begin, row_of),
        timeline: later.timeline.map(|timeline| {
            let former = earlier.timeline.unwrap_or_default();
            timeline.since(&former, begin)
        }),
        frames: added.frames,
        sites: added.sites,
        blocked: added.blocked,
        stacks_missing: later.stacks_missing.or(earlier.stacks_missing),
        stacks_lost: later.stacks_lost.saturating_sub(earlier.stacks_lost),
        native_missing: later.native_missing.or(earlier.native_missing),
        blocked_missing: later.blocked_missing.or(earlier.blocked_missing),
        spans: span::between(later.spans, &earlier.spans),
        processes: process::between(later.processes, &earlier.processes),
        ..later
    }
}

fn samples(later: Option<Samples>, earlier: Option<Samples>) -> Option<Samples> {
    let mut rest = later?;
    rest.subtract(&earlier.unwrap_or_default());
    Some(rest)
}

/// The rows less their former state; of those that had ended before, only what is
/// named elsewhere.
fn threads(
    mut rows: Vec<Thread>,
    earlier: &[Thread],
    row_of: impl Fn(u64) -> u64,
    named: &BTreeSet<u64>,
    holds: &[crate::hold::Hold],
) -> Vec<Thread> {
    let places: BTreeMap<u64, usize> = rows.iter().zip(0..).map(|(row, at)| (row.id, at)).collect();
    for old in earlier {
        if let Some(&at) = places.get(&row_of(old.id)) {
            rows[at].subtract(old);
        }
    }
    rows.retain(|row| {
        let held = || holds.iter().any(|hold| hold.thread == row.id);
        let acted = row.lifetime_ns > 0 || row.acquisitions > 0 || row.waits > 0;
        !row.ended || acted || named.contains(&row.id) || held()
    });
    rows
}

fn blame(rows: Vec<Blame>, earlier: &[Blame], row_of: impl Fn(u64) -> u64) -> Vec<Blame> {
    let mut old: BTreeMap<(u64, u64, u32), (u64, u64)> = BTreeMap::new();
    for row in earlier {
        let key = (row_of(row.waiter), row_of(row.holder), row.gil);
        let sum = old.entry(key).or_default();
        *sum = (
            sum.0.saturating_add(row.waiting_ns),
            sum.1.saturating_add(row.waits),
        );
    }
    let rest = rows.into_iter().map(|row| {
        let key = (row.waiter, row.holder, row.gil);
        let (waiting_ns, waits) = old.get(&key).copied().unwrap_or_default();
        Blame {
            waiting_ns: row.waiting_ns.saturating_sub(waiting_ns),
            waits: row.waits.saturating_sub(waits),
            ..row
        }
    });
    rest.filter(|row| row.waiting_ns > 0).collect()
}

#[cfg(test)]
mod tests;
