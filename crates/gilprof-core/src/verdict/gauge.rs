//! One GIL's numbers as the rules need them.

use std::collections::BTreeSet;

use super::finding::Confidence;
use crate::blame::Blame;
use crate::gil::Gil;
use crate::profile::Profile;
use crate::thread::Thread;

/// Below this, nothing is said: one slow import can fill it.
pub(super) const LEAST_WALL_NS: u64 = 50_000_000;

/// Where the interval is not known, CPython's own.
const SWITCH_INTERVAL_NS: u64 = 5_000_000;

/// One GIL and its threads.
pub(super) struct Gauge<'p> {
    pub(super) profile: &'p Profile,
    pub(super) gil: &'p Gil,
    pub(super) threads: Vec<&'p Thread>,
    ids: BTreeSet<u64>,
    /// Its own time: in a merged profile each GIL has another.
    pub(super) wall_ns: u64,
}

impl<'p> Gauge<'p> {
    pub(super) fn of(profile: &'p Profile, gil: &'p Gil) -> Self {
        let all = profile.threads().iter();
        let own = all.filter(|thread| thread.gil == gil.index && thread.pid == gil.pid);
        let threads: Vec<&Thread> = own.collect();
        Self {
            profile,
            gil,
            ids: threads.iter().map(|thread| thread.id).collect(),
            threads,
            wall_ns: gil.holding_ns.saturating_add(gil.free_ns).max(1),
        }
    }

    /// Of the GIL's time; may be more than 1 for what several threads do at once.
    pub(super) fn share(&self, ns: u64) -> f64 {
        ns as f64 / self.wall_ns as f64
    }

    /// Part of the time that the GIL is held.
    pub(super) fn held(&self) -> f64 {
        self.share(self.gil.holding_ns).min(1.0)
    }

    /// Threads that wait at an average instant.
    pub(super) fn queue(&self) -> f64 {
        self.share(self.gil.waiting_ns)
    }

    /// Waiting, as a part of waiting and holding.
    pub(super) fn contention(&self) -> f64 {
        ratio(
            self.gil.waiting_ns,
            self.gil.waiting_ns.saturating_add(self.gil.holding_ns),
        )
    }

    /// Part of the time that it is held or that somebody waits though it is free.
    pub(super) fn busy(&self) -> f64 {
        (self.held() + self.share(self.gil.handoff_ns)).min(1.0)
    }

    /// Part of its threads' lives outside of it.
    pub(super) fn detached(&self) -> f64 {
        let lifetime_ns = self.sum(|thread| thread.lifetime_ns);
        ratio(self.sum(|thread| thread.detached_ns), lifetime_ns)
    }

    pub(super) fn interval_ns(&self) -> u64 {
        match self.profile.switch_interval_ns() {
            0 => SWITCH_INTERVAL_NS,
            known => known,
        }
    }

    pub(super) fn sum(&self, part: impl Fn(&Thread) -> u64) -> u64 {
        let parts = self.threads.iter().map(|thread| part(thread));
        parts.fold(0, u64::saturating_add)
    }

    /// The thread with the largest such number.
    pub(super) fn top(&self, part: impl Fn(&Thread) -> u64) -> Option<&'p Thread> {
        let threads = self.threads.iter().copied();
        threads
            .filter(|thread| part(thread) > 0)
            .max_by_key(|thread| part(thread))
    }

    pub(super) fn has(&self, thread: u64) -> bool {
        self.ids.contains(&thread)
    }

    /// Who waited for whom, for this GIL.
    pub(super) fn blame(&self) -> impl Iterator<Item = &'p Blame> + '_ {
        let rows = self.profile.blame().iter();
        rows.filter(|row| row.gil == self.gil.index)
    }

    /// Events per second of the GIL's time.
    pub(super) fn rate(&self, count: u64) -> f64 {
        count as f64 * 1e9 / self.wall_ns as f64
    }

    /// `distance`: how many times over the rule's limit.
    pub(super) fn confidence(&self, distance: f64) -> Confidence {
        match (self.wall_ns >= 10 * LEAST_WALL_NS, distance) {
            (true, 2.0..) => Confidence::High,
            (_, 1.3..) => Confidence::Medium,
            _ => Confidence::Low,
        }
    }

    /// The same for what is sampled, which needs some samples too.
    pub(super) fn sampled(&self, distance: f64, samples: u64) -> Confidence {
        let most = match samples {
            0..5 => Confidence::Low,
            5..20 => Confidence::Medium,
            _ => Confidence::High,
        };
        self.confidence(distance).min(most)
    }
}

/// `part` of `whole`; 0 of nothing.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// That part of `ns`.
pub(super) fn part_of(ns: u64, part: f64) -> u64 {
    (ns as f64 * part.clamp(0.0, 1.0)) as u64
}
