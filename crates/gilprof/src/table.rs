//! Sampled rows in the making, with the frames that they use.

use gilprof_core::{Blocked, Frame, Site, SiteKind};
use gilprof_native::Native;
use gilprof_region::RawFrame;
use rustc_hash::FxHashMap;

use crate::codes::Codes;
use crate::glimpses::share;
use crate::natives::Natives;
use crate::sums::Sum;

/// Sampled rows in the making, with the frames that they use.
pub(crate) struct Table<'r> {
    codes: Option<&'r Codes>,
    native: Option<&'r Native>,
    lines: FxHashMap<RawFrame, u32>,
    functions: FxHashMap<u32, u32>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) sites: Vec<Site>,
}

impl<'r> Table<'r> {
    pub(crate) fn new(codes: Option<&'r Codes>, native: Option<&'r Native>) -> Self {
        Table {
            codes,
            native,
            lines: FxHashMap::default(),
            functions: FxHashMap::default(),
            frames: Vec::new(),
            sites: Vec::new(),
        }
    }

    /// Adds a site with what its samples add up to. Those of holders are shared by
    /// the native functions that were seen in the same stack.
    pub(crate) fn push(
        &mut self,
        natives: &Natives,
        kind: SiteKind,
        thread: u32,
        stack: &[RawFrame],
        sum: Sum,
    ) {
        let of_holder = matches!(kind, SiteKind::Blame | SiteKind::Hold);
        let seen = natives.of(stack).filter(|_| of_holder);
        let unknown = [(Vec::new(), 1)];
        let seen = seen.unwrap_or(&unknown);
        let stack = self.stack(stack);
        let parts: Vec<(usize, u64)> = (0..).zip(seen.iter().map(|(_, count)| *count)).collect();
        let shared = |whole| {
            let mut shares = vec![0; parts.len()];
            share(&parts, whole, |part| part, |&at, part| shares[at] = part);
            shares
        };
        let weights = shared(sum.weight_ns);
        let (samples, seen_in_hold) = (shared(sum.samples), shared(sum.seen_ns));
        for (at, (native, _)) in seen.iter().enumerate() {
            let site = Site {
                kind,
                thread: thread.into(),
                stack: stack.clone(),
                native: self.functions(native),
                weight_ns: weights[at],
                samples: samples[at],
                seen_ns: seen_in_hold[at],
            };
            self.sites.push(site);
        }
    }

    /// Rows with functions by the numbers of [`Native`], with indexes instead.
    pub(crate) fn blocked(&mut self, rows: impl Iterator<Item = Blocked>) -> Vec<Blocked> {
        let rows = rows.map(|row| Blocked {
            native: self.functions(&row.native),
            ..row
        });
        rows.collect()
    }

    fn stack(&mut self, stack: &[RawFrame]) -> Vec<u32> {
        let Some(codes) = self.codes else {
            return Vec::new();
        };
        let mut index = |frame: &RawFrame| {
            *self.lines.entry(*frame).or_insert_with(|| {
                self.frames.push(codes.name(frame));
                (self.frames.len() - 1) as u32
            })
        };
        stack.iter().map(&mut index).collect()
    }

    fn functions(&mut self, numbers: &[u32]) -> Vec<u32> {
        let mut index = |number: &u32| {
            if let Some(&index) = self.functions.get(number) {
                return Some(index);
            }
            self.frames.push(self.native?.frame(*number)?.clone());
            let index = (self.frames.len() - 1) as u32;
            self.functions.insert(*number, index);
            Some(index)
        };
        let indexes: Option<Vec<u32>> = numbers.iter().map(&mut index).collect();
        indexes.unwrap_or_default()
    }
}
