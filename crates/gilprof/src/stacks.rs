//! Follows the sampled stacks of a region and adds them up.

use std::time::Duration;

use gilprof_core::{Frame, SiteKind};
use gilprof_native::Native;
use gilprof_region::{Held, Moment, RawFrame, RawStack, Region, StackCursor};
use rustc_hash::FxHashMap;

use crate::blamed::Blamed;
use crate::codes::Codes;
use crate::culprit::Culprit;
use crate::glimpses::{Glimpses, Place, by_waiting, share};
use crate::natives::Natives;
use crate::period::Period;
use crate::sums::{Key, Sum, Sums};
use crate::table::Table;

/// How often it is looked for the native functions of a hold that is to be told.
const TRIES: usize = 5;

/// A stack, and what its weight means.
type Weighed = (SiteKind, Vec<RawFrame>);

impl Key for Weighed {
    const DIFFERENT: usize = 4_096;

    fn rest(&self) -> Self {
        (self.0, Vec::new())
    }
}

/// What one sample of a stack stands for.
fn sample(weight_ns: u64, seen: bool) -> Sum {
    Sum {
        weight_ns,
        samples: 1,
        seen_ns: if seen { weight_ns } else { 0 },
    }
}

/// What the stacks of one recording add up to.
#[derive(Debug, Default)]
pub(crate) struct Stacks {
    cursor: StackCursor,
    codes: Option<Codes>,
    culprit: Option<Culprit>,
    glimpses: Glimpses,
    natives: Natives,
    sums: Sums<Weighed>,
    /// Where the rows of ended threads went, as far back as stacks of theirs may
    /// still come.
    folded: [FxHashMap<u32, u32>; 2],
}

impl Stacks {
    /// Those of one who reads along with the reader, and writes nothing.
    pub(crate) fn of_visitor() -> Self {
        Stacks {
            cursor: StackCursor::of_visitor(),
            ..Stacks::default()
        }
    }

    /// Stacks are to be read.
    pub(crate) fn begin_drain(&mut self, region: &Region) {
        if self.codes.is_none() {
            self.codes = Codes::of(region);
            self.culprit = Culprit::of(region);
        }
        if self.culprit.is_some() {
            self.natives.try_out(region.recording().pid);
        }
        self.folded.swap(0, 1);
        self.folded[0].clear();
    }

    /// Adds up what is new before `limit`, and reads code objects that were not seen before:
    /// the process may end at any time.
    pub(crate) fn read(&mut self, region: &Region, limit: u64) {
        while let Some(stack) = self.cursor.next(region.stacks(), limit) {
            self.learn(region, &stack);
            self.add(stack);
        }
    }

    /// All stacks that there were have been read.
    pub(crate) fn end_drain(&mut self, region: &Region) {
        self.glimpses.forget_old(region.held(0));
    }

    fn learn(&mut self, region: &Region, stack: &RawStack) {
        if let Some(codes) = &mut self.codes {
            let frames = stack.frames.iter();
            frames.for_each(|frame| codes.learn(region, frame.code));
        }
    }

    fn add(&mut self, stack: RawStack) {
        let row = self.row_of(stack.thread);
        let parts = match stack.moment {
            Moment::Acquire => return self.add_acquire(row, &stack),
            Moment::Release => self.glimpses.parts(&stack),
        };
        let weights = stack.weights;
        let mut add = |kind, place: &Place, ns, period| {
            let key = (kind, place.frames.clone());
            self.sums.add(row, &key, sample(ns, place.seen), period);
        };
        share(
            &parts,
            weights.waiting_ns,
            by_waiting(&parts),
            |spot, ns| add(SiteKind::Blame, &spot.place, ns, spot.waiting),
        );
        // Shorter holds before the last one were where they were released.
        let last_ns = weights.spent_ns.min(weights.held_ns);
        share(
            &parts,
            last_ns,
            |part| part.spent_ns,
            |spot, ns| add(SiteKind::Hold, &spot.place, ns, spot.spent),
        );
        let past_ns = weights.spent_ns - last_ns;
        if past_ns > 0 {
            add(SiteKind::Hold, &Place::of(&stack), past_ns, Period::UNKNOWN);
        }
    }

    /// A wait, or the time before it, that had begun before a window is that window's as a
    /// whole: it is in no earlier one.
    fn add_acquire(&mut self, row: u32, stack: &RawStack) {
        for (kind, ns) in [
            (SiteKind::Wait, stack.weights.waiting_ns),
            (SiteKind::Detached, stack.weights.spent_ns),
        ] {
            if ns > 0 {
                let key = (kind, stack.frames.clone());
                self.sums.add(row, &key, sample(ns, false), Period::UNKNOWN);
            }
        }
    }

    /// Looks at who holds right now and makes others wait, or holds for long; says
    /// how long to wait before the next look, if there is a reason for one.
    pub(crate) fn look(&mut self, region: &Region, native: &mut Native) -> Option<Duration> {
        let (culprit, codes) = (self.culprit.as_mut()?, self.codes.as_mut()?);
        let (glimpse, pause) = culprit.look(region);
        if let Some(glimpse) = glimpse {
            let held = glimpse.held;
            let numbered = glimpse.frames.map(|frames| {
                let stack = glimpse.stood.then(|| {
                    let stands = || culprit.stands(region, held, &frames);
                    self.natives.look(region, native, held.thread, stands)
                });
                let numbered = frames.iter().map(|frame| codes.number(region, frame));
                let numbered: Vec<RawFrame> = numbered.collect();
                if let Some(stack) = stack.flatten() {
                    self.natives.keep(&numbered, stack);
                }
                numbered
            });
            self.glimpses
                .keep(held, numbered, glimpse.from_ns, glimpse.to_ns);
        }
        pause
    }

    /// Where a hold of the main GIL that goes on was seen most: functions of Python, and the
    /// native ones that the innermost of them has called.
    pub(crate) fn seen_in(
        &mut self,
        region: &Region,
        native: &mut Native,
        held: Held,
    ) -> (Vec<Frame>, Vec<Frame>) {
        // Without regard to what looks may cost: this is rare.
        for _ in 0..TRIES {
            self.natives.hurry();
            self.look(region, native);
            if self.native_in(held).is_some() {
                break;
            }
        }
        let (Some(stack), Some(codes)) = (self.most_in(held), &self.codes) else {
            return (Vec::new(), Vec::new());
        };
        let functions = self.native_in(held).unwrap_or_default().iter();
        (
            stack.iter().map(|frame| codes.name(frame)).collect(),
            functions
                .filter_map(|&number| native.frame(number).cloned())
                .collect(),
        )
    }

    /// The stack in which a hold that goes on was seen most.
    fn most_in(&self, held: Held) -> Option<&[RawFrame]> {
        let seen = self
            .glimpses
            .of(held)
            .filter(|(stack, _)| !stack.is_empty());
        let most = seen.max_by_key(|(_, looks)| looks.weights.spent_ns)?;
        Some(most.0)
    }

    /// The native functions that were seen in it most.
    fn native_in(&self, held: Held) -> Option<&[u32]> {
        let seen = self.natives.of(self.most_in(held)?)?.iter();
        let (functions, _) = seen.max_by_key(|(_, count)| *count)?;
        Some(functions)
    }

    /// What the last look cost this thread. Native functions have a budget of their
    /// own.
    pub(crate) fn look_cost(&mut self, cost: Duration) {
        let native = Duration::from_nanos(std::mem::take(&mut self.natives.spent_ns));
        if let Some(culprit) = &mut self.culprit {
            culprit.has_cost(cost.saturating_sub(native));
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
        self.sums.fold(thread, group);
    }

    /// From `at_ns` on, what is added up is added up for this window, too.
    pub(crate) fn open_window(&mut self, number: u64, at_ns: u64) {
        self.sums.open_window(number, at_ns);
    }

    pub(crate) fn close_window(&mut self, number: u64) {
        self.sums.close_window(number);
    }

    /// Why native functions of holders are not known.
    pub(crate) fn native_missing(&self) -> Option<String> {
        self.natives.missing()
    }

    /// Closes all files, until it goes on.
    pub(crate) fn pause(&mut self) {
        self.natives.pause();
    }

    /// How many stacks were overwritten before they were read.
    pub(crate) fn lost(&self) -> u64 {
        self.cursor.lost()
    }

    /// The sites: those of an open window, if one is given. A hold that goes on is among
    /// them as far as it was seen.
    pub(crate) fn sites<'r>(
        &'r self,
        region: &Region,
        native: Option<&'r Native>,
        window: Option<u64>,
    ) -> Table<'r> {
        self.sites_of(region, native, window, |_| true)
    }

    /// The place whose code made others wait for longest in an open window.
    pub(crate) fn blamed(&self, region: &Region, native: Option<&Native>, window: u64) -> Blamed {
        let blame = |kind| kind == SiteKind::Blame;
        let table = self.sites_of(region, native, Some(window), blame);
        let Some(most) = table.sites.iter().max_by_key(|site| site.weight_ns) else {
            return Blamed::default();
        };
        let frames = |at: &[u32]| {
            at.iter()
                .map(|&at| table.frames[at as usize].clone())
                .collect()
        };
        Blamed {
            stack: frames(&most.stack),
            native: frames(&most.native),
            weight_ns: most.weight_ns,
            worst_hold_ns: 0,
        }
    }

    fn sites_of<'r>(
        &'r self,
        region: &Region,
        native: Option<&'r Native>,
        window: Option<u64>,
        wanted: impl Fn(SiteKind) -> bool,
    ) -> Table<'r> {
        let mut table = Table::new(self.codes.as_ref(), native);
        let natives = &self.natives;
        let rows = self.sums.rows(window);
        for (thread, (kind, stack), sum) in rows.filter(|(_, (kind, _), _)| wanted(*kind)) {
            table.push(natives, *kind, thread, stack, sum);
        }
        if let Some(held) = region.held(0) {
            for (stack, looks) in self.glimpses.of(held) {
                let (weights, waiting) = (looks.weights, looks.waiting.unwrap_or(looks.spent));
                let kinds = [
                    (SiteKind::Blame, weights.waiting_ns, waiting),
                    (SiteKind::Hold, weights.spent_ns, looks.spent),
                ];
                let kinds = kinds.into_iter().filter(|(kind, ..)| wanted(*kind));
                for (kind, weight_ns, period) in kinds.filter(|(_, ns, _)| *ns > 0) {
                    let sum = sample(weight_ns, !stack.is_empty());
                    if let Some(part) = self.sums.part(window, sum, period) {
                        table.push(natives, kind, held.thread, stack, part);
                    }
                }
            }
        }
        table
    }
}
