//! A process that is looked at now and then: samples become rows.

mod crew;
mod sight;
mod slices;
mod spread;
mod stacks;

use std::collections::{BTreeMap, HashMap};

use crate::blame::Blame;
use crate::blocked::Blocked;
use crate::gil::Gil;
use crate::history::History;
use crate::on_cpu::CpuReading;
use crate::samples::Samples;
use crate::site::{Site, SiteKind};
use crate::state::State;
use crate::thread::Thread;

use crew::Member;
pub use sight::{GilSight, Sight, ThreadSight};
use slices::Slices;
use spread::Spread;
use stacks::Stacks;

/// A pure fold of [`Sight`]s into the sums of a profile. The time between two of them is
/// halved: each has what is next to it. So the states of a thread add up to the time that
/// it was seen in, and what is held and free of a GIL to the time of the survey.
#[derive(Debug, Default)]
pub struct Survey {
    last: Option<Sight>,
    first_ns: u64,
    count: u64,
    crew: BTreeMap<u64, Member>,
    gils: BTreeMap<u32, Gil>,
    /// By waiter, holder and GIL.
    blame: BTreeMap<(u64, u64, u32), u64>,
    stacks: Stacks,
    /// By thread, state and call.
    calls: HashMap<(u64, State, u32), (u64, u64)>,
    slices: Slices,
    held: Spread,
    waiting: Spread,
}

impl Survey {
    /// Adds what was seen. One that is not later than the last is left out.
    pub fn add(&mut self, sight: Sight) {
        if let Some(last) = self.last.take() {
            if sight.at_ns <= last.at_ns {
                self.last = Some(last);
                return;
            }
            let (since_ns, at_ns) = (last.at_ns, sight.at_ns);
            let middle_ns = since_ns + (at_ns - since_ns) / 2;
            self.spend(&last, since_ns, middle_ns);
            self.spend(&sight, middle_ns, at_ns);
            let passed_ns = at_ns - since_ns;
            self.held.add(last.held(), sight.held(), passed_ns);
            self.waiting.add(last.waiting(), sight.waiting(), passed_ns);
        } else {
            self.first_ns = sight.at_ns;
        }
        self.count += 1;
        self.stacks.see(&sight);
        for (thread, call) in sight.calls() {
            self.calls
                .entry((thread.id, thread.state, call))
                .or_default()
                .1 += 1;
        }
        self.last = Some(sight);
    }

    /// The time between the first sight and the last, in ns.
    pub fn wall_ns(&self) -> u64 {
        let last = self.last.as_ref();
        last.map_or(0, |last| last.at_ns - self.first_ns)
    }

    /// When the first sight was, in ns on the recording's clock.
    pub fn start_ns(&self) -> u64 {
        self.first_ns
    }

    fn spend(&mut self, sight: &Sight, from_ns: u64, until_ns: u64) {
        let ns = until_ns - from_ns;
        for gil in &sight.gils {
            self.spend_gil(sight, gil, ns);
        }
        for thread in &sight.threads {
            self.spend_thread(sight, thread, ns);
            let member = self.crew.entry(thread.id).or_default();
            member.spend(thread, sight.is_handoff(thread), ns);
        }
        for (thread, call) in sight.calls() {
            self.calls
                .entry((thread.id, thread.state, call))
                .or_default()
                .0 += ns;
        }
        self.slices.note(sight, from_ns, until_ns);
    }

    fn spend_gil(&mut self, sight: &Sight, seen: &GilSight, ns: u64) {
        let gil = self.gils.entry(seen.index).or_insert_with(|| Gil {
            index: seen.index,
            ..Gil::default()
        });
        let waiters = sight.waiters(seen.index).count();
        gil.waiters_max = gil.waiters_max.max(waiters as u32);
        match seen.is_held {
            true => gil.holding_ns += ns,
            false => gil.free_ns += ns,
        }
        match (seen.is_held, waiters) {
            (true, _) => gil.demand.hold(waiters, ns),
            (false, 0) => (),
            (false, _) => gil.demand.passing_ns += ns,
        }
    }

    fn spend_thread(&mut self, sight: &Sight, thread: &ThreadSight, ns: u64) {
        if thread.state != State::Waiting {
            let blaming = match thread.state {
                State::Holding => sight.caused_by(thread),
                _ => 0,
            };
            self.stacks.spend(thread, ns, blaming);
            return;
        }
        self.stacks.spend(thread, ns, 0);
        let holder = sight.blamed(thread);
        let Some(gil) = self.gils.get_mut(&thread.gil) else {
            return;
        };
        gil.waiting_ns += ns;
        if sight.is_handoff(thread) {
            gil.handoff_ns += ns;
        }
        if let Some(holder) = holder {
            gil.caused_ns += ns;
            let row = (thread.id, holder, thread.gil);
            *self.blame.entry(row).or_default() += ns;
            self.crew.entry(holder).or_default().has_caused(ns);
        }
    }

    /// Puts the rows of ended threads into those of groups.
    pub fn fold(&mut self, groups: &HashMap<u64, u64>) {
        let group = |id: u64| groups.get(&id).copied().unwrap_or(id);
        if let Some(last) = &mut self.last {
            last.threads
                .retain(|thread| !groups.contains_key(&thread.id));
        }
        for (id, member) in std::mem::take(&mut self.crew) {
            self.crew.entry(group(id)).or_default().absorb(member);
        }
        for ((waiter, holder, gil), ns) in std::mem::take(&mut self.blame) {
            let row = (group(waiter), group(holder), gil);
            *self.blame.entry(row).or_default() += ns;
        }
        for ((thread, state, call), (ns, samples)) in std::mem::take(&mut self.calls) {
            let sum = self.calls.entry((group(thread), state, call)).or_default();
            *sum = (sum.0 + ns, sum.1 + samples);
        }
        self.stacks.fold(group);
        self.slices.rename(group);
    }

    /// Each thread's sums. `cpu` tells what was counted of a thread since it was first
    /// seen; its CPU time is shared by the times it was seen ready to run.
    pub fn threads(&self, cpu: impl Fn(u64) -> Option<CpuReading>) -> Vec<Thread> {
        let rows = self.crew.iter();
        let rows = rows.map(|(&id, member)| Thread {
            id,
            members: 1,
            state: self.state(id),
            ..member.thread(cpu(id))
        });
        rows.collect()
    }

    fn state(&self, id: u64) -> State {
        let last = self.last.as_ref();
        let seen = last.and_then(|last| last.threads.iter().find(|thread| thread.id == id));
        seen.map_or(State::Ended, |thread| thread.state)
    }

    /// Each GIL's sums.
    pub fn gils(&self) -> Vec<Gil> {
        self.gils.values().cloned().collect()
    }

    /// Who waited for whom, as far as it was seen who held.
    pub fn blame(&self) -> Vec<Blame> {
        let rows = self.blame.iter();
        let rows = rows.map(|(&(waiter, holder, gil), &waiting_ns)| Blame {
            waiter,
            holder,
            gil,
            waiting_ns,
            ..Blame::default()
        });
        rows.collect()
    }

    /// Where in the code time went; `stack` gives the frames of a stack by its number.
    pub fn sites(&self, mut stack: impl FnMut(u32) -> Vec<u32>) -> Vec<Site> {
        let row = |thread, kind: SiteKind, number, weight_ns, samples| Site {
            kind,
            thread,
            stack: stack(number),
            weight_ns,
            samples,
            seen_ns: weight_ns,
            ..Site::default()
        };
        self.stacks.rows(row)
    }

    /// What threads were blocked on; `call` tells what a call is by its number.
    pub fn blocked(&self, call: impl Fn(u32) -> Blocked) -> Vec<Blocked> {
        let rows = self.calls.iter();
        let rows = rows.map(
            |(&(thread, state, number), &(weight_ns, samples))| Blocked {
                thread,
                state,
                weight_ns,
                samples,
                ..call(number)
            },
        );
        rows.collect()
    }

    /// What happened when.
    pub fn history(&self) -> History {
        self.slices.history()
    }

    /// How many sights there were, and how far off the sums may be.
    pub fn samples(&self) -> Samples {
        Samples {
            count: self.count,
            holding_error_ns: self.held.error_ns(),
            waiting_error_ns: self.waiting.error_ns(),
            ..Samples::default()
        }
    }
}

#[cfg(test)]
mod tests;
