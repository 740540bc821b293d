//! Follows the sampled stacks of a region and names what is in them.

use std::collections::HashMap;
use std::time::Duration;

use gilprof_code::{Code, CodeLayout, FrameAt, ProcessMemory};
use gilprof_core::{Frame, Site, SiteKind};
use gilprof_region::{CODES, FRAMES, Moment, NO_CODE, RawFrame, RawStack, Region, StackCursor};

use crate::culprit::{Culprit, Glimpse};

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
    reader: Option<CodeReader>,
    culprit: Option<Culprit>,
    codes: HashMap<u32, Option<Code>>,
    /// Code objects that the hooks have not seen yet, by address: their numbers
    /// are beyond those of the region.
    unseen: HashMap<u64, u32>,
    /// What was seen in the middle of holds whose ends were not read yet, by
    /// thread and by when they began.
    glimpses: HashMap<(u32, u64), Glimpses>,
    sums: HashMap<u32, HashMap<Key, Sum>>,
    /// Where the rows of ended threads went, as far back as stacks of theirs may
    /// still come.
    folded: [HashMap<u32, u32>; 2],
}

/// The middle of one hold, as it was looked at.
#[derive(Debug, Default)]
struct Glimpses {
    /// The stacks and their weights. Where the frames did not stand still, it was
    /// in Python code that moves fast: then the line of the release is right.
    seen: Vec<(Option<Vec<RawFrame>>, u64)>,
    /// How often stacks were read since.
    drains: u32,
}

/// Reads code objects of the recorded process.
#[derive(Debug)]
struct CodeReader {
    memory: ProcessMemory,
    layout: CodeLayout,
}

impl CodeReader {
    /// `None` where no stacks are taken.
    fn of(region: &Region) -> Option<Self> {
        let layout = CodeLayout::from_words(&region.stack_plan()?.code_layout).ok()?;
        Some(CodeReader {
            memory: ProcessMemory::of(region.recording().pid),
            layout,
        })
    }

    fn read(&self, region: &Region, number: u32) -> Option<Code> {
        self.read_at(region.stacks().code(number)?)
    }

    fn read_at(&self, address: u64) -> Option<Code> {
        Code::read(&self.memory, &self.layout, address).ok()
    }
}

impl Stacks {
    /// Adds up what is new, and reads code objects that were not seen before: the
    /// process may end at any time.
    pub(crate) fn drain(&mut self, region: &Region) {
        if self.reader.is_none() {
            self.reader = CodeReader::of(region);
            self.culprit = Culprit::of(region);
        }
        self.folded.swap(0, 1);
        self.folded[0].clear();
        while let Some(stack) = self.cursor.next(region.stacks()) {
            self.learn(region, &stack);
            self.add(stack);
        }
        self.forget_glimpses(region);
    }

    /// Not every hold that was looked at ends with a stack.
    fn forget_glimpses(&mut self, region: &Region) {
        let held = region.held(0);
        let present = held.map(|held| (held.thread, held.began_ns));
        self.glimpses.retain(|hold, glimpses| {
            glimpses.drains += 1;
            glimpses.drains <= 2 || Some(*hold) == present
        });
    }

    fn learn(&mut self, region: &Region, stack: &RawStack) {
        let Some(reader) = &self.reader else {
            return;
        };
        for frame in &stack.frames {
            self.codes
                .entry(frame.code)
                .or_insert_with(|| reader.read(region, frame.code));
        }
    }

    fn add(&mut self, stack: RawStack) {
        let (waiting, spent) = match stack.moment {
            Moment::Acquire => (SiteKind::Wait, SiteKind::Detached),
            Moment::Release => (SiteKind::Blame, SiteKind::Hold),
        };
        let row = self.row_of(stack.thread);
        let parts = self.parts(stack.thread, &stack);
        let weights = stack.weights;
        let sums = self.sums.entry(row).or_default();
        for (kind, weight_ns) in [(waiting, weights.waiting_ns), (spent, weights.spent_ns)] {
            if weight_ns > 0 {
                share(&parts, weight_ns, |frames, part_ns| {
                    add(sums, (kind, frames.to_vec()), (part_ns, 1));
                });
            }
        }
    }

    /// What a stack's weight is shared by: what was seen in the middle of the
    /// hold that it ended, else the stack itself.
    fn parts(&mut self, thread: u32, stack: &RawStack) -> Vec<(Vec<RawFrame>, u64)> {
        let hold = (thread, stack.weights.began_ns);
        match self.glimpses.remove(&hold) {
            Some(glimpses) => {
                let root = stack.frames.last();
                let seen = glimpses.seen.into_iter();
                seen.map(|(frames, part)| {
                    let whole = frames.filter(|frames| is_whole(frames, root));
                    (whole.unwrap_or_else(|| stack.frames.clone()), part)
                })
                .collect()
            }
            None => vec![(stack.frames.clone(), 1)],
        }
    }

    /// Looks at who makes others wait right now; says how long to wait before the
    /// next look, if there is a reason for one.
    pub(crate) fn look(&mut self, region: &Region) -> Option<Duration> {
        let culprit = self.culprit.as_mut()?;
        let (glimpse, pause) = culprit.look(region);
        if let Some(glimpse) = glimpse {
            self.keep(region, glimpse);
        }
        pause
    }

    /// A waiter had to ask for the GIL.
    pub(crate) fn was_asked_for(&mut self) {
        if let Some(culprit) = &mut self.culprit {
            culprit.was_asked_for();
        }
    }

    fn keep(&mut self, region: &Region, glimpse: Glimpse) {
        let frames = glimpse.frames.map(|frames| {
            let numbered = frames.iter().map(|frame| self.number(region, frame));
            numbered.collect()
        });
        let hold = (glimpse.held.thread, glimpse.held.began_ns);
        let hold = self.glimpses.entry(hold).or_default();
        hold.seen.push((frames, glimpse.waiting_ns));
    }

    /// A frame with the number of its code object.
    fn number(&mut self, region: &Region, frame: &FrameAt) -> RawFrame {
        let known = region.stacks().find(frame.code);
        let code = known.unwrap_or_else(|| self.number_unseen(frame.code));
        if let (Some(number), Some(reader)) = (known, &self.reader) {
            let codes = self.codes.entry(number);
            codes.or_insert_with(|| reader.read(region, number));
        }
        RawFrame {
            code,
            offset: frame.offset,
        }
    }

    /// Nothing keeps such a code object alive, and another may have its address:
    /// so it is read each time.
    fn number_unseen(&mut self, address: u64) -> u32 {
        let Some(code) = self.reader.as_ref().and_then(|one| one.read_at(address)) else {
            return NO_CODE;
        };
        let code = Some(code);
        let known = self.unseen.get(&address).copied();
        if let Some(number) = known
            && self.codes.get(&number) == Some(&code)
        {
            return number;
        }
        let number = (CODES + self.codes.len()) as u32;
        self.unseen.insert(address, number);
        self.codes.insert(number, code);
        number
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

    /// The frames by which the sites are named, and the sites.
    pub(crate) fn sites(&self) -> (Vec<Frame>, Vec<Site>) {
        let mut numbers = HashMap::new();
        let mut frames = Vec::new();
        let mut number = |frame: &RawFrame| {
            *numbers.entry(*frame).or_insert_with(|| {
                frames.push(self.name(frame));
                (frames.len() - 1) as u32
            })
        };
        let mut sites = Vec::new();
        for (&thread, sums) in &self.sums {
            for ((kind, stack), &(weight_ns, samples)) in sums {
                sites.push(Site {
                    kind: *kind,
                    thread: thread.into(),
                    stack: stack.iter().map(&mut number).collect(),
                    weight_ns,
                    samples,
                });
            }
        }
        (frames, sites)
    }

    fn name(&self, frame: &RawFrame) -> Frame {
        match self.codes.get(&frame.code) {
            Some(Some(code)) => Frame {
                function: code.function.clone(),
                file: code.file.clone(),
                line: code.line_at(frame.offset),
            },
            _ => Frame {
                function: String::from("(unreadable)"),
                ..Frame::default()
            },
        }
    }
}

/// Whether frames that were read while the thread ran reach down to the same
/// function as the stack of its release.
fn is_whole(frames: &[RawFrame], root: Option<&RawFrame>) -> bool {
    let same = frames.last().map(|frame| frame.code) == root.map(|frame| frame.code);
    same || frames.len() == FRAMES
}

/// Divides a weight by parts, so that nothing is lost.
fn share(parts: &[(Vec<RawFrame>, u64)], weight_ns: u64, mut each: impl FnMut(&[RawFrame], u64)) {
    let whole: u128 = parts.iter().map(|(_, part)| u128::from(*part)).sum();
    let (mut passed, mut given) = (0_u128, 0_u64);
    for (at, (frames, part)) in parts.iter().enumerate() {
        passed += u128::from(*part);
        let due = match at + 1 == parts.len() || whole == 0 {
            true => weight_ns,
            false => (u128::from(weight_ns) * passed / whole) as u64,
        };
        each(frames, due - given);
        given = due;
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
