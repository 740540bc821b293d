//! Looks at who holds the main GIL, in the middle of the hold: often while others
//! wait, rarely while nobody does and the hold is a long one.
//!
//! Where the GIL is released says little about where it was held: from 3.10 on
//! the interpreter lets go at calls and loop edges only, so a long operator would
//! be charged to a later line. While such an operator runs the frames stand still
//! and can be read from another thread: twice, and kept when both are the same. Of
//! calls that come and go the outer ones are kept that stood for both readings; of a
//! recursion too deep to be read to its end, the function that it is in both times.

use std::time::{Duration, Instant};

use gilprof_code::{FrameAt, FrameLayout, Memory, ProcessMemory};
use gilprof_region::{FRAMES, Held, Region};

use crate::chance::around;

/// How long it is between two looks, on average, while somebody waits.
const WAITED_FOR: Duration = Duration::from_millis(1);
/// And while nobody does, but somebody lately had to ask for the GIL.
const LATELY: Duration = Duration::from_millis(3);
const LATELY_ENDS: Duration = Duration::from_millis(200);
/// And while one thread holds for long and nobody waits; or what costs a quarter of
/// what looking may cost, as it is worth less.
const ALONE: Duration = Duration::from_millis(8);
const ALONE_AFFORDED: u32 = 4 * AFFORDED;
/// A shorter hold is told by the line of its release.
const LONG: Duration = Duration::from_millis(1);
/// While only such are met, it is up to so much longer between two looks.
const DOUBLINGS: u32 = 6;
/// What looking may cost: one part in so many of a core, on average.
const AFFORDED: u32 = 200;
/// How often frames that changed while they were read are read again.
const TRIES: usize = 3;
/// From `cond` to the last holder's thread state (pycore_gil.h, 3.9 to 3.13).
const LAST_HOLDER: u64 = 24;

/// The holder's frames, and what was seen since the last look. No frames: they did
/// not stand still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glimpse {
    pub(crate) held: Held,
    pub(crate) frames: Option<Vec<FrameAt>>,
    /// Whether not even the innermost instruction moved on.
    pub(crate) stood: bool,
    /// Since when, and until when.
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
}

/// Looks at holders.
#[derive(Debug)]
pub(crate) struct Culprit {
    layout: FrameLayout,
    memory: ProcessMemory,
    last_holder: u64,
    /// The hold that was looked at last, and when.
    last: (u64, u64),
    asked_for: Option<Instant>,
    /// When a long hold was seen for which nobody waited.
    alone: Option<Instant>,
    /// How many short holds were met one after the other while somebody waited.
    short: u32,
    /// What a look costs lately, the way there and back included.
    cost: Duration,
    seed: u64,
}

impl Culprit {
    /// `None` where no stacks are taken.
    pub(crate) fn of(region: &Region) -> Option<Self> {
        let plan = region.stack_plan()?;
        Some(Culprit {
            layout: FrameLayout::from_words(&plan.frame_layout).ok()?,
            memory: ProcessMemory::of(region.recording().pid),
            last_holder: plan.gil_address.checked_sub(LAST_HOLDER)?,
            last: (0, 0),
            asked_for: None,
            alone: None,
            short: 0,
            cost: Duration::ZERO,
            seed: plan.gil_address,
        })
    }

    /// A waiter had to ask for the GIL: it is worth to look again soon.
    pub(crate) fn was_asked_for(&mut self) {
        self.asked_for = Some(Instant::now());
        self.short = 0;
    }

    /// The last look cost this thread so much, from one sleep to the next.
    pub(crate) fn has_cost(&mut self, cost: Duration) {
        self.cost = (7 * self.cost + cost.min(WAITED_FOR)) / 8;
    }

    /// The holder's frames, if somebody waits for it or it holds for long; and how
    /// long to wait before the next look.
    pub(crate) fn look(&mut self, region: &Region) -> (Option<Glimpse>, Option<Duration>) {
        match region.held(0) {
            Some(held) if is_long(region, held) && held.waiters > 0 => {
                self.was_asked_for();
                (self.glimpse(region, held), Some(self.about(WAITED_FOR)))
            }
            Some(held) if is_long(region, held) => {
                self.alone = Some(Instant::now());
                (self.glimpse(region, held), self.soon())
            }
            Some(held) if held.waiters > 0 => {
                self.short = DOUBLINGS.min(self.short + 1);
                (None, Some(self.about(WAITED_FOR * (1 << self.short))))
            }
            _ => (None, self.soon()),
        }
    }

    /// When to look again while nobody waits, if there was a reason lately.
    fn soon(&mut self) -> Option<Duration> {
        let lately = |at: &Instant| at.elapsed() < LATELY_ENDS;
        let mean = match (self.asked_for.filter(lately), self.alone.filter(lately)) {
            (Some(_), _) => LATELY,
            (None, Some(_)) => ALONE.max(ALONE_AFFORDED * self.cost),
            (None, None) => return None,
        };
        Some(self.about(mean))
    }

    /// `None` where the hold ended meanwhile: whether it stood still nobody knows then.
    fn glimpse(&mut self, region: &Region, held: Held) -> Option<Glimpse> {
        let seen = self.frames(region, held);
        if seen.is_none() && !goes_on(region, held) {
            return None;
        }
        let (frames, stood) = seen.unzip();
        let now_ns = region.clock().now_ns();
        let since_ns = match self.last {
            (began_ns, at_ns) if began_ns == held.began_ns => at_ns,
            _ => held.began_ns,
        };
        self.last = (held.began_ns, now_ns);
        Some(Glimpse {
            held,
            frames,
            stood: stood.unwrap_or(false),
            from_ns: since_ns,
            to_ns: now_ns,
        })
    }

    /// The holder's frames, as far out as they stood while it went on holding; and whether
    /// not even the innermost instruction moved on.
    fn frames(&self, region: &Region, held: Held) -> Option<(Vec<FrameAt>, bool)> {
        steady(|| self.read(region), || goes_on(region, held))
    }

    /// Whether the holder goes on holding with these very frames.
    pub(crate) fn stands(&self, region: &Region, held: Held, frames: &[FrameAt]) -> bool {
        self.read(region).as_deref() == Some(frames) && goes_on(region, held)
    }

    fn read(&self, region: &Region) -> Option<Vec<FrameAt>> {
        let state = self.memory.word(self.last_holder)?;
        // Those in the table are kept alive.
        let known = |code| region.stacks().find(code).is_some();
        self.layout.frames(&self.memory, state, FRAMES, known)
    }

    /// A random time with this mean, or one that can be afforded: what recurs in
    /// the program is not met in step.
    fn about(&mut self, mean: Duration) -> Duration {
        around(mean.max(AFFORDED * self.cost), &mut self.seed)
    }
}

/// The frames of a thread as far out as they stood while it went on; and whether not even
/// the innermost instruction moved on.
pub(crate) fn steady(
    read: impl Fn() -> Option<Vec<FrameAt>>,
    goes_on: impl Fn() -> bool,
) -> Option<(Vec<FrameAt>, bool)> {
    let (mut before, mut outer) = (None::<Vec<FrameAt>>, None);
    let mut tries = 0;
    // Memory of calls that come and go is given back, too: then nothing was read.
    for _ in 0..=2 * TRIES {
        let now = read();
        if !goes_on() {
            return None;
        }
        let Some(now) = now else { continue };
        if let Some(last) = before {
            if same(&last, &now) {
                let stood = last == now;
                return Some((now, stood));
            }
            outer = Some(kept(&last, &now).to_vec()).filter(|kept| !kept.is_empty());
            tries += 1;
        }
        if tries == TRIES {
            break;
        }
        before = Some(now);
    }
    Some((outer?, false))
}

fn is_long(region: &Region, held: Held) -> bool {
    let since_ns = region.clock().now_ns().saturating_sub(held.began_ns);
    Duration::from_nanos(since_ns) >= LONG
}

fn goes_on(region: &Region, held: Held) -> bool {
    region
        .held(0)
        .is_some_and(|now| (now.thread, now.began_ns) == (held.thread, held.began_ns))
}

/// Whether two readings show the same functions calling each other. What they do may
/// have moved on.
fn same(first: &[FrameAt], second: &[FrameAt]) -> bool {
    let codes = |frames| <[FrameAt]>::iter(frames).map(|frame| frame.code);
    codes(first).eq(codes(second))
}

/// What two different readings say that is true of both.
fn kept<'f>(first: &'f [FrameAt], second: &'f [FrameAt]) -> &'f [FrameAt] {
    if first.len().max(second.len()) < FRAMES {
        return &second[second.len() - common(first, second)..];
    }
    // What they have in common may be further out; the function they are in is known.
    let innermost = |frames: &[FrameAt]| frames.first().map(|frame| frame.code);
    match innermost(first) == innermost(second) {
        true if second.len() < FRAMES => first,
        true => second,
        false => &[],
    }
}

/// How many of the outermost calls two readings have in common.
fn common(first: &[FrameAt], second: &[FrameAt]) -> usize {
    let pairs = first.iter().rev().zip(second.iter().rev());
    let same = pairs.take_while(|(one, other)| one.code == other.code);
    same.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(codes: &[u64]) -> Vec<FrameAt> {
        let frame = |&code| FrameAt { code, offset: 0 };
        codes.iter().map(frame).collect()
    }

    #[test]
    fn calls_are_the_same_wherever_they_are_in_their_functions() {
        let mut moved = frames(&[1, 2]);
        moved[0].offset = 8;
        assert!(same(&frames(&[1, 2]), &moved));
        assert!(!same(&frames(&[1, 2]), &frames(&[3, 1, 2])));
    }

    fn kept_of(first: &[u64], second: &[u64]) -> Vec<FrameAt> {
        kept(&frames(first), &frames(second)).to_vec()
    }

    #[test]
    fn of_calls_that_move_the_outer_ones_are_kept() {
        assert_eq!(kept_of(&[3, 1, 2], &[4, 5, 1, 2]), frames(&[1, 2]));
        assert_eq!(kept_of(&[3, 1, 2], &[1, 2]), frames(&[1, 2]));
        assert_eq!(kept_of(&[1], &[2]), []);
    }

    #[test]
    fn of_a_recursion_too_deep_to_be_read_the_function_is_kept() {
        let deep = [7; FRAMES];
        assert_eq!(kept_of(&deep, &[7, 7, 2]), frames(&deep));
        assert_eq!(kept_of(&[7, 7, 2], &deep), frames(&deep));
    }

    /// What was read one time after the other; once all is read, the last for ever.
    fn steady_of(readings: &[Option<&[u64]>]) -> Option<(Vec<FrameAt>, bool)> {
        let next = std::cell::Cell::new(0);
        let read = || {
            let at = next.replace(next.get() + 1);
            let reading = readings[at.min(readings.len() - 1)];
            reading.map(frames)
        };
        steady(read, || true)
    }

    #[test]
    fn a_reading_that_fails_is_made_again() {
        let found = steady_of(&[None, Some(&[1, 2]), None, Some(&[1, 2]), None]);
        assert_eq!(found, Some((frames(&[1, 2]), true)));
        assert_eq!(steady_of(&[None]), None);
        assert_eq!(steady_of(&[None, Some(&[1, 2]), None]), None);
    }

    #[test]
    fn calls_that_never_stand_still_are_given_up() {
        let moving: Vec<Vec<u64>> = (10..20).map(|code| vec![code, 2]).collect();
        let readings: Vec<Option<&[u64]>> = moving.iter().map(|codes| Some(&codes[..])).collect();
        assert_eq!(steady_of(&readings), Some((frames(&[2]), false)));
    }

    #[test]
    fn calls_too_deep_to_be_read_that_are_in_two_places_tell_nothing() {
        assert_eq!(kept_of(&[7; FRAMES], &[8, 2]), []);
        assert_eq!(kept_of(&[8, 2], &[7; FRAMES]), []);
    }
}
