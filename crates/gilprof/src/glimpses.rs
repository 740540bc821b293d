//! What was seen in the middle of holds, until their ends are read.

use std::collections::HashMap;

use gilprof_region::{FRAMES, Held, RawFrame, RawStack};

/// A stack, and its part of a weight.
pub(crate) type Part = (Vec<RawFrame>, u64);

/// What was seen of holds, by thread and by when they began.
#[derive(Debug, Default)]
pub(crate) struct Glimpses(HashMap<(u32, u64), Hold>);

/// The middle of one hold.
#[derive(Debug, Default)]
struct Hold {
    /// The stacks and their weights. Where the frames did not stand still, it was
    /// in Python code that moves fast: then the line of the release is right.
    seen: Vec<(Option<Vec<RawFrame>>, u64)>,
    /// How often stacks were read since.
    drains: u32,
}

impl Glimpses {
    pub(crate) fn keep(&mut self, held: Held, frames: Option<Vec<RawFrame>>, weight_ns: u64) {
        let hold = self.0.entry((held.thread, held.began_ns)).or_default();
        hold.seen.push((frames, weight_ns));
    }

    /// What the weight of a stack is shared by: what was seen in the middle of the
    /// hold that it ended, else the stack itself.
    pub(crate) fn parts(&mut self, stack: &RawStack) -> Vec<Part> {
        let hold = (stack.thread, stack.weights.began_ns);
        let Some(hold) = self.0.remove(&hold) else {
            return vec![(stack.frames.clone(), 1)];
        };
        let root = stack.frames.last();
        let seen = hold.seen.into_iter();
        seen.map(|(frames, part)| {
            let whole = frames.filter(|frames| is_whole(frames, root));
            (whole.unwrap_or_else(|| stack.frames.clone()), part)
        })
        .collect()
    }

    /// Not every hold that was looked at ends with a stack. `present` goes on.
    pub(crate) fn forget_old(&mut self, present: Option<Held>) {
        let present = present.map(|held| (held.thread, held.began_ns));
        self.0.retain(|hold, glimpses| {
            glimpses.drains += 1;
            glimpses.drains <= 2 || Some(*hold) == present
        });
    }

    /// What was seen of a hold that goes on.
    pub(crate) fn of(&self, held: Held) -> impl Iterator<Item = (&[RawFrame], u64)> {
        let hold = self.0.get(&(held.thread, held.began_ns));
        let seen = hold.into_iter().flat_map(|hold| &hold.seen);
        seen.map(|(frames, weight_ns)| (frames.as_deref().unwrap_or_default(), *weight_ns))
    }
}

/// Whether frames that were read while the thread ran reach down to the same
/// function as the stack of its release.
fn is_whole(frames: &[RawFrame], root: Option<&RawFrame>) -> bool {
    let same = frames.last().map(|frame| frame.code) == root.map(|frame| frame.code);
    same || frames.len() == FRAMES
}

/// Divides a weight by parts, so that nothing is lost.
pub(crate) fn share(parts: &[Part], weight_ns: u64, mut each: impl FnMut(&[RawFrame], u64)) {
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

#[cfg(test)]
mod tests {
    use gilprof_region::{Moment, Weights};

    use super::*;

    fn frames(codes: &[u32]) -> Vec<RawFrame> {
        let frame = |&code| RawFrame { code, offset: 0 };
        codes.iter().map(frame).collect()
    }

    fn held(began_ns: u64) -> Held {
        Held {
            thread: 1,
            began_ns,
            waiters: 1,
        }
    }

    fn release(began_ns: u64) -> RawStack {
        RawStack {
            thread: 1,
            moment: Moment::Release,
            weights: Weights {
                began_ns,
                ..Weights::default()
            },
            frames: frames(&[5, 9]),
        }
    }

    #[test]
    fn a_hold_that_nobody_saw_is_where_it_was_released() {
        let mut glimpses = Glimpses::default();
        glimpses.keep(held(100), Some(frames(&[1, 9])), 10);
        assert_eq!(glimpses.parts(&release(200)), [(frames(&[5, 9]), 1)]);
    }

    #[test]
    fn a_hold_is_where_it_was_seen_and_where_it_moved_as_released() {
        let mut glimpses = Glimpses::default();
        glimpses.keep(held(100), Some(frames(&[1, 9])), 30);
        glimpses.keep(held(100), None, 10);
        // Its frames end in the air: they were read while they changed.
        glimpses.keep(held(100), Some(frames(&[1, 2])), 20);
        let parts = glimpses.parts(&release(100));
        let released = frames(&[5, 9]);
        assert_eq!(
            parts,
            [
                (frames(&[1, 9]), 30),
                (released.clone(), 10),
                (released, 20)
            ]
        );
    }

    #[test]
    fn what_is_shared_adds_up() {
        let parts: Vec<Part> = [3, 0, 7, 11].map(|part| (Vec::new(), part)).into();
        for weight_ns in [0, 1, 20, 1_000_003] {
            let mut sum = 0;
            share(&parts, weight_ns, |_, part_ns| sum += part_ns);
            assert_eq!(sum, weight_ns);
        }
    }

    #[test]
    fn a_hold_that_goes_on_is_not_forgotten() {
        let mut glimpses = Glimpses::default();
        for began_ns in [100, 200] {
            glimpses.keep(held(began_ns), Some(frames(&[1])), 1);
        }
        for _ in 0..5 {
            glimpses.forget_old(Some(held(200)));
        }
        assert_eq!(glimpses.of(held(100)).count(), 0);
        assert_eq!(glimpses.of(held(200)).count(), 1);
    }
}
