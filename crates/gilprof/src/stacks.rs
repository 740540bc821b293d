//! Follows the sampled stacks of a region and adds them up.

use std::collections::HashMap;
use std::time::Duration;

use gilprof_core::{Frame, Site, SiteKind};
use gilprof_region::{Moment, RawFrame, RawStack, Region, StackCursor};

use crate::codes::Codes;
use crate::culprit::Culprit;
use crate::glimpses::{Glimpses, share};

/// How many different stacks of a thread are kept; what comes later goes to the
/// stack that is not known.
const DIFFERENT: usize = 4_096;

/// A stack, and what its weight means.
type Key = (SiteKind, Vec<RawFrame>);
/// Nanoseconds and samples.
type Sum = (u64, u64);

/// What the stacks of one recording add up to.
#[derive(Debug, Default)]
pub(crate) struct Stacks {
    cursor: StackCursor,
    codes: Option<Codes>,
    culprit: Option<Culprit>,
    glimpses: Glimpses,
    sums: HashMap<u32, HashMap<Key, Sum>>,
    /// Where the rows of ended threads went, as far back as stacks of theirs may
    /// still come.
    folded: [HashMap<u32, u32>; 2],
}

impl Stacks {
    /// Adds up what is new, and reads code objects that were not seen before: the
    /// process may end at any time.
    pub(crate) fn drain(&mut self, region: &Region) {
        if self.codes.is_none() {
            self.codes = Codes::of(region);
            self.culprit = Culprit::of(region);
        }
        self.folded.swap(0, 1);
        self.folded[0].clear();
        while let Some(stack) = self.cursor.next(region.stacks()) {
            self.learn(region, &stack);
            self.add(stack);
        }
        self.glimpses.forget_old(region.held(0));
    }

    fn learn(&mut self, region: &Region, stack: &RawStack) {
        if let Some(codes) = &mut self.codes {
            let frames = stack.frames.iter();
            frames.for_each(|frame| codes.learn(region, frame.code));
        }
    }

    fn add(&mut self, stack: RawStack) {
        let (waiting, spent) = match stack.moment {
            Moment::Acquire => (SiteKind::Wait, SiteKind::Detached),
            Moment::Release => (SiteKind::Blame, SiteKind::Hold),
        };
        let row = self.row_of(stack.thread);
        let parts = self.glimpses.parts(&stack);
        let weights = stack.weights;
        let sums = self.sums.entry(row).or_default();
        let mut add = |kind, frames: &[RawFrame], ns| add(sums, (kind, frames.to_vec()), (ns, 1));
        share(
            &parts,
            weights.waiting_ns,
            |part| part.waiting_ns,
            |frames, ns| {
                add(waiting, frames, ns);
            },
        );
        // Shorter holds before the last one were where they were released.
        let last_ns = weights.spent_ns.min(weights.held_ns);
        share(
            &parts,
            last_ns,
            |part| part.spent_ns,
            |frames, ns| {
                add(spent, frames, ns);
            },
        );
        if weights.spent_ns > last_ns {
            add(spent, &stack.frames, weights.spent_ns - last_ns);
        }
    }

    /// Looks at who holds right now and makes others wait, or holds for long; says
    /// how long to wait before the next look, if there is a reason for one.
    pub(crate) fn look(&mut self, region: &Region) -> Option<Duration> {
        let (culprit, codes) = (self.culprit.as_mut()?, self.codes.as_mut()?);
        let (glimpse, pause) = culprit.look(region);
        if let Some(glimpse) = glimpse {
            let frames = glimpse.frames.map(|frames| {
                let numbered = frames.iter().map(|frame| codes.number(region, frame));
                numbered.collect()
            });
            self.glimpses.keep(glimpse.held, frames, glimpse.spent_ns);
        }
        pause
    }

    /// What the last look cost this thread.
    pub(crate) fn look_cost(&mut self, cost: Duration) {
        if let Some(culprit) = &mut self.culprit {
            culprit.has_cost(cost);
        }
    }

    /// A waiter had to ask for the GIL.
    pub(crate) fn was_asked_for(&mut self) {
        if let Some(culprit) = &mut self.culprit {
            culprit.was_asked_for();
        }
    }

    fn row_of(&self, thread: u32) -> u32 {
        let folded = self.folded.iter().find_map(|map| map.get(&thread));
        folded.copied().unwrap_or(thread)
    }

    /// The row of an ended thread went into that of its group.
    pub(crate) fn fold(&mut self, thread: u32, group: u32) {
        self.folded[0].insert(thread, group);
        let Some(sums) = self.sums.remove(&thread) else {
            return;
        };
        let into = self.sums.entry(group).or_default();
        for (key, sum) in sums {
            add(into, key, sum);
        }
    }

    /// How many stacks were overwritten before they were read.
    pub(crate) fn lost(&self) -> u64 {
        self.cursor.lost()
    }

    /// The frames by which the sites are named, and the sites. A hold that goes on
    /// is among them as far as it was seen.
    pub(crate) fn sites(&self, region: &Region) -> (Vec<Frame>, Vec<Site>) {
        let mut table = Table::default();
        for (&thread, sums) in &self.sums {
            for ((kind, stack), &sum) in sums {
                table.push(self.codes.as_ref(), *kind, thread, stack, sum);
            }
        }
        let present = region.held(0);
        let seen = present.map(|held| (held.thread, self.glimpses.of(held)));
        for (thread, (stack, weights)) in seen
            .into_iter()
            .flat_map(|(thread, seen)| seen.map(move |one| (thread, one)))
        {
            let codes = self.codes.as_ref();
            let kinds = [
                (SiteKind::Blame, weights.waiting_ns),
                (SiteKind::Hold, weights.spent_ns),
            ];
            for (kind, weight_ns) in kinds.into_iter().filter(|(_, weight_ns)| *weight_ns > 0) {
                table.push(codes, kind, thread, stack, (weight_ns, 1));
            }
        }
        (table.frames, table.sites)
    }
}

/// Sites in the making, with the frames that they use.
#[derive(Default)]
struct Table {
    numbers: HashMap<RawFrame, u32>,
    frames: Vec<Frame>,
    sites: Vec<Site>,
}

impl Table {
    fn push(
        &mut self,
        codes: Option<&Codes>,
        kind: SiteKind,
        thread: u32,
        stack: &[RawFrame],
        (weight_ns, samples): Sum,
    ) {
        let stack = codes.map_or_else(Vec::new, |codes| {
            let numbers = stack.iter().map(|frame| self.number(codes, frame));
            numbers.collect()
        });
        self.sites.push(Site {
            kind,
            thread: thread.into(),
            stack,
            weight_ns,
            samples,
            ..Site::default()
        });
    }

    fn number(&mut self, codes: &Codes, frame: &RawFrame) -> u32 {
        *self.numbers.entry(*frame).or_insert_with(|| {
            self.frames.push(codes.name(frame));
            (self.frames.len() - 1) as u32
        })
    }
}

fn add(sums: &mut HashMap<Key, Sum>, key: Key, (weight_ns, samples): Sum) {
    let key = match sums.len() < DIFFERENT || sums.contains_key(&key) {
        true => key,
        false => (key.0, Vec::new()),
    };
    let sum = sums.entry(key).or_default();
    sum.0 = sum.0.saturating_add(weight_ns);
    sum.1 = sum.1.saturating_add(samples);
}
