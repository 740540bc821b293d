//! Whether the sums of a profile add up.

use std::collections::BTreeMap;
use std::fmt;

use crate::profile::Profile;
use crate::span::SpanRow;
use crate::thread::Thread;

/// A sum of a profile that does not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imbalance {
    /// What was added up, and of what.
    pub what: String,
    /// What it comes to, in ns.
    pub sum_ns: u64,
    /// What it should have come to, or the most it may.
    pub limit: String,
    /// How much that is, in ns.
    pub limit_ns: u64,
}

impl fmt::Display for Imbalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            sum_ns,
            limit,
            limit_ns,
        } = self;
        write!(f, "{what} is {sum_ns} ns, {limit} {limit_ns} ns")
    }
}

impl Profile {
    /// The sums that do not add up; none in a sound profile.
    ///
    /// * holding + waiting + detached is a thread's lifetime;
    /// * hand-off is part of its waiting, the switch wait part of that;
    /// * its parts on and off CPU are within holding and detached, those on CPU within
    ///   its CPU time;
    /// * blame and hand-off are within its waiting, and what it caused is what it is
    ///   blamed for, or more where events were dropped;
    /// * holding + waiting + detached is the time in the spans of a label;
    /// * threads hold no longer than GILs are held, and cause no more than GILs do;
    /// * a GIL is held and free no longer than the recording lasted.
    pub fn imbalances(&self) -> Vec<Imbalance> {
        let mut found = Found::default();
        let (mut waited, mut blamed) = (BTreeMap::new(), BTreeMap::new());
        for row in self.blame() {
            add(&mut waited, row.waiter, row.waiting_ns);
            add(&mut blamed, row.holder, row.waiting_ns);
        }
        for thread in self.threads() {
            found.thread(thread);
            found.on_cpu(thread);
            let waited = waited.get(&thread.id).copied().unwrap_or(0);
            let blamed = blamed.get(&thread.id).copied().unwrap_or(0);
            found.blame(thread, waited, blamed, self.dropped() > 0);
        }
        self.spans().iter().for_each(|row| found.span(row));
        found.gils(self);
        found.0
    }
}

fn add(sums: &mut BTreeMap<u64, u64>, id: u64, ns: u64) {
    let sum = sums.entry(id).or_default();
    *sum = sum.saturating_add(ns);
}

/// What is not in balance.
#[derive(Default)]
struct Found(Vec<Imbalance>);

impl Found {
    fn push(&mut self, what: String, sum_ns: u64, limit: &str, limit_ns: u64) {
        self.0.push(Imbalance {
            what,
            sum_ns,
            limit: limit.into(),
            limit_ns,
        });
    }

    fn equal(&mut self, what: impl FnOnce() -> String, sum_ns: u64, limit: &str, limit_ns: u64) {
        if sum_ns != limit_ns {
            self.push(what(), sum_ns, limit, limit_ns);
        }
    }

    fn within(&mut self, what: impl FnOnce() -> String, sum_ns: u64, limit: &str, limit_ns: u64) {
        if sum_ns > limit_ns {
            self.push(what(), sum_ns, limit, limit_ns);
        }
    }

    fn thread(&mut self, thread: &Thread) {
        let of = |what: &str| format!("{what} of thread {} ({})", thread.id, thread.name);
        let states = [thread.holding_ns, thread.waiting_ns, thread.detached_ns];
        let sum = states.into_iter().fold(0, u64::saturating_add);
        let what = || of("holding + waiting + detached");
        self.equal(what, sum, "its lifetime", thread.lifetime_ns);
        let what = || of("hand-off");
        self.within(what, thread.handoff_ns, "its waiting", thread.waiting_ns);
        let what = || of("switch wait");
        self.within(
            what,
            thread.switch_wait_ns,
            "its hand-off",
            thread.handoff_ns,
        );
        let what = || of("waiting for other interpreters");
        self.within(
            what,
            thread.foreign_wait_ns,
            "its waiting",
            thread.waiting_ns,
        );
    }

    fn on_cpu(&mut self, thread: &Thread) {
        let of = |what: &str| format!("{what} of thread {} ({})", thread.id, thread.name);
        let what = || of("holding on CPU + preempted + blocked");
        self.within(
            what,
            thread.holding_read_ns(),
            "its holding",
            thread.holding_ns,
        );
        let what = || of("detached on CPU");
        let on_cpu = thread.detached_cpu_ns.unwrap_or(0);
        self.within(what, on_cpu, "its detached time", thread.detached_ns);
        if let Some(cpu_ns) = thread.cpu_ns {
            let what = || of("holding + detached on CPU");
            let known = on_cpu.saturating_add(thread.holding_cpu_ns.unwrap_or(0));
            self.within(what, known, "its CPU time", cpu_ns);
        }
    }

    fn blame(&mut self, thread: &Thread, waited: u64, blamed: u64, lossy: bool) {
        let of = |what: &str| format!("{what} of thread {} ({})", thread.id, thread.name);
        let explained = waited.saturating_add(thread.handoff_ns);
        let what = || of("waiting for others + hand-off");
        self.within(what, explained, "its waiting", thread.waiting_ns);
        let what = || of("blame");
        match lossy {
            true => self.within(what, blamed, "what it caused", thread.caused_ns),
            false => self.equal(what, blamed, "what it caused", thread.caused_ns),
        }
        let what = || of("waiting for holds that overran");
        self.within(
            what,
            thread.overrun.caused_ns,
            "what it caused",
            thread.caused_ns,
        );
    }

    fn span(&mut self, row: &SpanRow) {
        let states = [row.holding_ns, row.waiting_ns, row.detached_ns];
        let sum = states.into_iter().fold(0, u64::saturating_add);
        let what = || format!("holding + waiting + detached in spans {:?}", row.label);
        self.equal(what, sum, "the time in them", row.wall_ns);
    }

    fn gils(&mut self, profile: &Profile) {
        let (mut held, mut caused) = (0u64, 0u64);
        for gil in profile.gils() {
            held = held.saturating_add(gil.holding_ns);
            caused = caused.saturating_add(gil.caused_ns);
            let known = gil.holding_ns.saturating_add(gil.free_ns);
            let what = || format!("held + free of GIL {}", gil.index);
            self.within(what, known, "the recording", profile.wall_ns());
        }
        if !profile.gils().is_empty() {
            let what = || String::from("holding of all threads");
            self.within(what, profile.holding_ns(), "that of all GILs", held);
            let what = || String::from("waiting that all threads caused");
            self.within(what, profile.caused_ns(), "that all GILs did", caused);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blame::Blame;
    use crate::gil::Gil;
    use crate::profile::ProfileParts;

    fn parts() -> ProfileParts {
        let waiter = Thread {
            id: 1,
            name: "a".into(),
            lifetime_ns: 100,
            waiting_ns: 70,
            detached_ns: 30,
            handoff_ns: 10,
            switch_wait_ns: 4,
            ..Thread::default()
        };
        let holder = Thread {
            id: 2,
            name: "b".into(),
            lifetime_ns: 100,
            holding_ns: 80,
            detached_ns: 20,
            caused_ns: 60,
            ..Thread::default()
        };
        ProfileParts {
            wall_ns: 100,
            threads: vec![waiter, holder],
            gils: vec![Gil {
                holding_ns: 80,
                free_ns: 20,
                caused_ns: 60,
                ..Gil::default()
            }],
            blame: vec![Blame {
                waiter: 1,
                holder: 2,
                waiting_ns: 60,
                ..Blame::default()
            }],
            ..ProfileParts::default()
        }
    }

    fn broken(change: impl FnOnce(&mut ProfileParts)) -> Vec<String> {
        let mut parts = parts();
        change(&mut parts);
        let found = Profile::assemble(parts).imbalances();
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_sound_profile_balances() {
        assert_eq!(broken(|_| ()), [""; 0]);
    }

    #[test]
    fn a_lifetime_that_is_not_the_sum_of_states_is_told() {
        let found = broken(|parts| parts.threads[0].lifetime_ns = 101);
        let said = "holding + waiting + detached of thread 1 (a) is 100 ns, its lifetime 101 ns";
        assert_eq!(found, [said]);
    }

    #[test]
    fn more_on_cpu_than_was_held_is_told() {
        let found = broken(|parts| {
            parts.threads[1].holding_cpu_ns = Some(50);
            parts.threads[1].holding_blocked_ns = Some(31);
        });
        let said = "holding on CPU + preempted + blocked of thread 2 (b) is 81 ns, \
                    its holding 80 ns";
        assert_eq!(found, [said]);
    }

    #[test]
    fn blame_that_exceeds_the_waiting_is_told() {
        let found = broken(|parts| {
            parts.blame[0].waiting_ns = 61;
            parts.threads[1].caused_ns = 61;
            parts.gils[0].caused_ns = 61;
        });
        let said = "waiting for others + hand-off of thread 1 (a) is 71 ns, its waiting 70 ns";
        assert_eq!(found, [said]);
    }

    #[test]
    fn blame_may_lack_what_was_dropped_only() {
        let found = broken(|parts| parts.blame[0].waiting_ns = 50);
        assert_eq!(
            found,
            ["blame of thread 2 (b) is 50 ns, what it caused 60 ns"]
        );
        let found = broken(|parts| {
            parts.blame[0].waiting_ns = 50;
            parts.dropped = 1;
        });
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn spans_whose_time_is_not_the_sum_of_states_are_told() {
        let found = broken(|parts| {
            parts.spans = vec![SpanRow {
                label: "load".into(),
                wall_ns: 9,
                holding_ns: 4,
                detached_ns: 4,
                ..SpanRow::default()
            }];
        });
        let said = "holding + waiting + detached in spans \"load\" is 8 ns, \
                    the time in them 9 ns";
        assert_eq!(found, [said]);
    }

    #[test]
    fn a_gil_held_longer_than_the_recording_is_told() {
        let found = broken(|parts| parts.gils[0].free_ns = 21);
        assert_eq!(
            found,
            ["held + free of GIL 0 is 101 ns, the recording 100 ns"]
        );
    }

    #[test]
    fn threads_that_hold_longer_than_their_gils_are_told() {
        let found = broken(|parts| parts.gils[0].holding_ns = 79);
        assert_eq!(
            found,
            ["holding of all threads is 80 ns, that of all GILs 79 ns"]
        );
    }
}
