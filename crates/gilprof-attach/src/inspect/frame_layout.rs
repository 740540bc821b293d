//! Where frames are, found in the stacks of a program that runs.
//!
//! A thread state is searched for ways to a frame: a place with a code object, and one
//! that leads to a further such frame, and so on to the end. Of several ways, the one that
//! leads to all that the others lead to is right: it begins at the innermost frame and
//! leaves none out. Threads run meanwhile, so they are looked at many times, twice each
//! time. In every frame that stood still, the place of the instruction must lie in the
//! bytecode of its code object.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::ops::RangeInclusive;

use gilprof_code::{FrameLayout, Instruction, Memory, ProcessMemory};

use super::anchors::is_pointer;
use super::frame::{FRAME_WORDS, Frame, Known, Places, TAGS, Words};
use super::pages::Pages;
use super::states::INTERPRETER;

/// How far a thread state is searched at most, in words.
const STATE_WORDS: usize = 96;
/// What stands between it and a frame is no larger. It lies on the stack of a C function,
/// and what is behind it there may lead to frames that have ended.
const BETWEEN_WORDS: usize = 2;
/// No stack is walked further.
const DEPTH: usize = 4_000;
/// So many stacks have to be seen of which two frames or more stood still.
const ENOUGH: usize = 16;
/// Of so many frames one may be seen wrong, since it changed while it was read.
const DOUBTFUL: usize = 20;

/// A way from a thread state to its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    current: u32,
    through: Option<u32>,
    previous: u32,
    code: u32,
}

/// The head of a stack of frames, and the part of it that is free.
type Chunk = (u64, RangeInclusive<u64>);

/// What a way has led to.
#[derive(Debug)]
struct Trail {
    way: Way,
    /// The stacks, the innermost frame first; each with the number of the look.
    stacks: Vec<(usize, Vec<Frame>)>,
}

/// The stacks seen so far.
#[derive(Debug)]
pub(crate) struct Looks {
    known: Known,
    trails: Vec<Trail>,
    looks: usize,
    /// How far thread states are searched, in words.
    state_words: usize,
}

impl Looks {
    pub(crate) fn new(known: Known) -> Self {
        Looks {
            known,
            trails: Vec::new(),
            looks: 0,
            state_words: STATE_WORDS,
        }
    }

    /// Thread states are no larger than the space between any two of them, which are often
    /// neighbours: what is further behind one leads to the frames of the next.
    pub(crate) fn bound(&mut self, states: impl Iterator<Item = u64>) {
        self.state_words = self.state_words.min(least_space(states) / 8);
        let is_within = |way: Way| (way.current as usize) < 8 * self.state_words;
        self.trails.retain(|trail| is_within(trail.way));
    }

    /// Looks at the frames of these thread states.
    pub(crate) fn look(&mut self, memory: ProcessMemory, states: impl Iterator<Item = u64>) {
        for state in states {
            self.looks += 1;
            let (pages, again) = (Pages::of(memory), Pages::of(memory));
            for way in self.known.ways(&pages, state, self.state_words) {
                if self.trails.iter().all(|trail| trail.way != way) {
                    let stacks = Vec::new();
                    self.trails.push(Trail { way, stacks });
                }
            }
            let chunk = Known::chunk(&pages, state, self.state_words);
            for trail in &mut self.trails {
                let chunk = chunk.as_ref();
                let stack = self.known.walk(&pages, &again, trail.way, state, chunk);
                trail.stacks.extend(stack.map(|stack| (self.looks, stack)));
            }
        }
    }

    /// The layout that all that was seen agrees on.
    ///
    /// # Errors
    /// What is not known yet, or not known for sure.
    pub(crate) fn conclude(&self) -> Result<FrameLayout, String> {
        let trail = self.innermost()?;
        let deep = trail.stacks.iter().filter(|(_, stack)| {
            let still = stack
                .iter()
                .filter(|frame| frame.is_still && frame.is_proved);
            still.count() > 1
        });
        let deep = deep.count();
        if deep < ENOUGH {
            return Err(format!(
                "of {deep} stacks two frames or more stood still while they were read, but \
                 {ENOUGH} are needed: the program makes no calls, or each is very short"
            ));
        }
        let (instruction, kind) = trail.instruction(&self.known)?;
        Ok(FrameLayout {
            current: trail.way.current,
            through: trail.way.through,
            previous: trail.way.previous,
            code: trail.way.code,
            instruction,
            kind,
            code_type: self.known.layout.code_type,
            shim: trail.shim()?,
        })
    }

    /// The way to all frames; of several that lead to the same ones, the first.
    fn innermost(&self) -> Result<&Trail, String> {
        let rank = |trail: &&Trail| (trail.frames(), Reverse(trail.way));
        let most = self.trails.iter().max_by_key(rank);
        let most = most.ok_or("no thread has two Python frames")?;
        let mut rivals = self.trails.iter().filter(|other| other.beats(most));
        match rivals.next() {
            None => Ok(most),
            Some(rival) => Err(format!(
                "several ways lead to frames: {:?} and {:?}",
                most.way, rival.way
            )),
        }
    }
}

impl Trail {
    fn frames(&self) -> usize {
        self.stacks
            .iter()
            .map(|(_, stack)| codes(stack).count())
            .sum()
    }

    /// Whether this way leads about as often to frames, and to others. Behind the head of a
    /// frame are its variables, and other frames: no code that is found there counts.
    fn beats(&self, other: &Trail) -> bool {
        let (own, theirs) = (self.way, other.way);
        let has_same_begin = (own.current, own.through) == (theirs.current, theirs.through);
        if has_same_begin && own.code >= theirs.code && own.previous >= theirs.previous {
            return false;
        }
        let beaten = self.stacks.iter().filter(|(look, stack)| {
            let theirs = other.stacks.binary_search_by_key(look, |(look, _)| *look);
            !theirs.is_ok_and(|index| has_all(&other.stacks[index].1, stack))
        });
        self.stacks.len() * 2 > other.stacks.len() && beaten.count() * 10 > self.stacks.len()
    }

    /// Where frames keep the place of their instruction: the one place that fits all that
    /// stood still. Before 3.11, those that have called others are at a call there.
    fn instruction(&self, known: &Known) -> Result<(u32, Instruction), String> {
        let (mut frames, mut callers) = (0, 0);
        let (mut fitting, mut calling) = ([0; 2 * FRAME_WORDS], [0; 2 * FRAME_WORDS]);
        for (_, stack) in &self.stacks {
            for (depth, frame) in stack.iter().enumerate() {
                if frame.is_still && frame.is_proved {
                    frames += 1;
                    count(&mut fitting, frame.instructions);
                    callers += usize::from(depth > 0);
                    count(&mut calling, if depth > 0 { frame.calls } else { 0 });
                }
            }
        }
        let kind = match known.unit() {
            None => Instruction::Pointer {
                start: known.layout.instructions,
            },
            Some(unit) => Instruction::Index { unit },
        };
        let mut found: Vec<usize> = (0..2 * FRAME_WORDS)
            .filter(|&at| (frames - fitting[at]) * DOUBTFUL <= frames)
            .collect();
        // Of several numbers that are small enough, one is mostly at a call.
        if known.unit().is_some() {
            found.retain(|&at| calling[at] * 2 > callers);
        }
        match found[..] {
            [at] => Ok((4 * at as u32, kind)),
            _ => Err(format!(
                "the place of the instruction may be at {} places",
                found.len()
            )),
        }
    }

    /// The one code object of frames that stand for C, where they have one, which is in
    /// 3.12. It is in nearly all stacks; code of no function that the program runs once and
    /// throws away is not.
    fn shim(&self) -> Result<u64, String> {
        let frames = self.stacks.iter().flat_map(|(_, stack)| stack);
        let strange = frames.filter(|frame| frame.is_still && frame.code != 0 && !frame.is_proved);
        let mut codes: HashSet<u64> = strange.map(|frame| frame.code).collect();
        let has = |stack: &[Frame], code| stack.iter().any(|frame| frame.code == code);
        let stacks = || self.stacks.iter().filter(|(_, stack)| !stack.is_empty());
        let most = stacks().count() / 2;
        codes.retain(|&code| stacks().filter(|(_, stack)| has(stack, code)).count() > most);
        match codes.len() {
            0 | 1 => Ok(codes.into_iter().next().unwrap_or(0)),
            several => Err(format!("frames of {several} codes belong to no function")),
        }
    }
}

/// Between two of these addresses, in bytes; as much as can be where there are no two.
fn least_space(addresses: impl Iterator<Item = u64>) -> usize {
    let addresses: BTreeSet<u64> = addresses.collect();
    let pairs = addresses.iter().zip(addresses.iter().skip(1));
    let least = pairs.map(|(one, next)| next - one).min();
    least.map_or(usize::MAX, |bytes| bytes as usize)
}

fn count(places: &mut [usize; 2 * FRAME_WORDS], bits: Places) {
    for (at, count) in places.iter_mut().enumerate() {
        *count += usize::from(bits >> at & 1 == 1);
    }
}

/// The code objects of a stack's frames, the innermost first.
fn codes(stack: &[Frame]) -> impl Iterator<Item = u64> {
    let proved = stack.iter().filter(|frame| frame.is_proved);
    proved.map(|frame| frame.code)
}

/// Whether a stack has all that is in the other one, in the same order.
fn has_all(whole: &[Frame], part: &[Frame]) -> bool {
    let mut whole = codes(whole);
    codes(part).all(|code| whole.any(|other| other == code))
}

impl Known {
    /// The stack of frames: its head, which is none, and the part that is free, where frames
    /// have ended. A thread state has the stack, its top and its limit side by side, and the
    /// stack its size (`_PyStackChunk`, `pystate.h`, 3.11 to 3.15).
    fn chunk(pages: &Pages, state: u64, state_words: usize) -> Option<Chunk> {
        let words = pages.words(state, state_words);
        words.windows(3).find_map(|words| {
            let [stack, top, limit] = *words.first_chunk()?;
            let is_stack = is_pointer(stack) && stack < top && top <= limit;
            let size = is_stack.then(|| pages.word(stack.wrapping_add(8)))??;
            (stack.checked_add(size) == Some(limit)).then_some((stack, top..=limit))
        })
    }

    /// Whether this is a thread state, whose neighbours in their list are not its frames.
    fn is_state(&self, pages: &Pages, word: u64) -> bool {
        let interpreter = word.checked_add(INTERPRETER);
        interpreter.and_then(|place| pages.word(place)) == Some(self.interpreter)
    }

    /// All ways from this state to a frame that leads to another one.
    fn ways(&self, pages: &Pages, state: u64, state_words: usize) -> Vec<Way> {
        let mut found = Vec::new();
        for (current, word) in (0..).step_by(8).zip(pages.words(state, state_words)) {
            if !is_pointer(word) || self.is_state(pages, word) {
                continue;
            }
            let between = pages.words(word, BETWEEN_WORDS);
            let between = (0..).step_by(8).map(Some).zip(between);
            for (through, frame) in std::iter::once((None, word)).chain(between) {
                let links = self.links(pages, frame).into_iter();
                found.extend(links.map(|(previous, code)| Way {
                    current,
                    through,
                    previous,
                    code,
                }));
            }
        }
        found
    }

    /// The places of the code object and of the frame that called it with which this is a
    /// frame.
    fn links(&self, pages: &Pages, frame: u64) -> Vec<(u32, u32)> {
        let mut found = Vec::new();
        let Some(words) = Self::words(pages, frame) else {
            return found;
        };
        let is_frame = |words: &Words, at: usize| {
            let code = self.code(pages, words[at]);
            code != 0 && self.is_frame(pages, words, code)
        };
        for code in (0..FRAME_WORDS).filter(|&at| is_frame(&words, at)) {
            for (previous, &next) in words.iter().enumerate() {
                let caller = Self::words(pages, next).filter(|_| next != frame);
                if caller.is_some_and(|caller| is_frame(&caller, code)) {
                    found.push((8 * previous as u32, 8 * code as u32));
                }
            }
        }
        found
    }

    /// All frames on a way; `None` unless it ends, and has seen each once. Frames that stand
    /// for C have no code object of their own.
    fn walk(
        &self,
        pages: &Pages,
        again: &Pages,
        way: Way,
        state: u64,
        chunk: Option<&Chunk>,
    ) -> Option<Vec<Frame>> {
        let mut next = pages.word(state + u64::from(way.current))?;
        let is_none = |place: u64| {
            let inside = |(head, free): &Chunk| place == *head || free.contains(&place);
            chunk.is_some_and(inside)
        };
        if let Some(through) = way.through {
            if self.is_state(pages, next) || is_none(next) {
                return None;
            }
            next = pages.word(next.checked_add(through.into())?)?;
        }
        if is_none(next) {
            return None;
        }
        let mut stack = Vec::new();
        let (mut seen, mut strangers) = (HashSet::new(), HashSet::new());
        while next != 0 {
            if !seen.insert(next) || stack.len() == DEPTH {
                return None;
            }
            let words = Self::words(pages, next)?;
            let word = words[way.code as usize / 8];
            let code = self.code(pages, word);
            let is_proved = code != 0 && self.is_frame(pages, &words, code);
            // The innermost may have lost its code already: it is about to end.
            let is_ending = stack.is_empty() && word & !TAGS == 0;
            if !is_proved && !is_ending {
                strangers.insert(word);
            }
            let (instructions, calls) = match is_proved {
                true => self.instructions(pages, &words, code),
                false => (0, 0),
            };
            stack.push(Frame {
                address: next,
                code,
                is_proved,
                is_still: Self::words(again, next) == Some(words),
                instructions,
                calls,
            });
            next = words[way.previous as usize / 8];
        }
        let has_any = stack.iter().any(|frame| frame.is_proved);
        (has_any && strangers.len() <= 1).then_some(stack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_state_ends_where_the_nearest_of_all_pairs_has_its_next_one() {
        assert_eq!(
            least_space([0x9000, 0x5290, 0x5000, 0x7000].into_iter()),
            0x290
        );
        assert_eq!(least_space([0x5000, 0x5000].into_iter()), usize::MAX);
    }
}
