//! Which stacks threads were seen in, and for how long.

use std::collections::BTreeMap;

use crate::site::SiteKind;
use crate::state::State;

use super::sight::{Sight, ThreadSight};

/// How many different stacks of one thread and kind are kept; what comes later goes to
/// the last one.
const DIFFERENT: usize = 4_096;

/// Which stacks threads were seen in, and for how long: by thread and kind.
#[derive(Debug, Default)]
pub(super) struct Stacks(BTreeMap<(u64, SiteKind), Shelf>);

/// The stacks of one thread and kind.
#[derive(Debug, Default)]
struct Shelf {
    sums: BTreeMap<u32, (u64, u64)>,
    /// The stack seen last.
    last: Option<u32>,
    /// Time that no stack was seen for yet: it is the next one's.
    due_ns: u64,
}

impl Stacks {
    /// A sample counts once, for each kind that its time is of.
    pub(super) fn see(&mut self, sight: &Sight) {
        for thread in &sight.threads {
            let blames = thread.state == State::Holding && sight.caused_by(thread) > 0;
            for kind in kinds(thread.state, blames) {
                if let Some(stack) = thread.stack {
                    self.shelf(thread.id, kind).see(stack);
                }
            }
        }
    }

    /// Adds time that a thread was in a state; `waiters` waited for it.
    pub(super) fn spend(&mut self, thread: &ThreadSight, ns: u64, waiters: u64) {
        for kind in kinds(thread.state, waiters > 0) {
            let weight_ns = match kind {
                SiteKind::Blame => ns.saturating_mul(waiters),
                _ => ns,
            };
            self.shelf(thread.id, kind).spend(thread.stack, weight_ns);
        }
    }

    fn shelf(&mut self, thread: u64, kind: SiteKind) -> &mut Shelf {
        self.0.entry((thread, kind)).or_default()
    }

    pub(super) fn fold(&mut self, group: impl Fn(u64) -> u64) {
        for ((thread, kind), shelf) in std::mem::take(&mut self.0) {
            self.shelf(group(thread), kind).absorb(shelf);
        }
    }

    /// A row for each, by thread, kind, stack, time and samples. Time that no stack was
    /// seen for is that of the last one; where there was none, it is in no row.
    pub(super) fn rows<R>(&self, mut row: impl FnMut(u64, SiteKind, u32, u64, u64) -> R) -> Vec<R> {
        let mut rows = Vec::new();
        for (&(thread, kind), shelf) in &self.0 {
            for (&stack, &(ns, samples)) in &shelf.sums {
                let due_ns = match shelf.last == Some(stack) {
                    true => shelf.due_ns,
                    false => 0,
                };
                rows.push(row(thread, kind, stack, ns + due_ns, samples));
            }
        }
        rows
    }
}

impl Shelf {
    fn see(&mut self, stack: u32) {
        let stack = self.kept(stack);
        self.sums.entry(stack).or_default().1 += 1;
    }

    fn spend(&mut self, stack: Option<u32>, ns: u64) {
        self.due_ns += ns;
        if let Some(stack) = stack {
            let stack = self.kept(stack);
            self.sums.entry(stack).or_default().0 += std::mem::take(&mut self.due_ns);
            self.last = Some(stack);
        }
    }

    /// The stack, or the one that is in its place where there are too many.
    fn kept(&self, stack: u32) -> u32 {
        let is_full = self.sums.len() >= DIFFERENT && !self.sums.contains_key(&stack);
        self.last.filter(|_| is_full).unwrap_or(stack)
    }

    fn absorb(&mut self, other: Self) {
        self.due_ns += other.due_ns;
        self.last = other.last.or(self.last);
        for (stack, (ns, samples)) in other.sums {
            let sum = self.sums.entry(stack).or_default();
            *sum = (sum.0 + ns, sum.1 + samples);
        }
    }
}

/// What the time of a thread in a state is of.
fn kinds(state: State, blames: bool) -> impl Iterator<Item = SiteKind> {
    let first = match state {
        State::Holding => SiteKind::Hold,
        State::Waiting => SiteKind::Wait,
        _ => SiteKind::Detached,
    };
    let second = blames.then_some(SiteKind::Blame);
    std::iter::once(first).chain(second)
}
