//! What was seen in the middle of holds, until their ends are read.

use gilprof_region::{FRAMES, Held, RawFrame, RawStack};
use rustc_hash::FxHashMap;

use crate::period::Period;

/// How many different stacks of one hold are kept; a hold may last for hours.
const DIFFERENT: usize = 4_096;
/// How many different ends of holds are kept, and stacks of each.
const ENDS: usize = 1_024;
const OF_AN_END: usize = 64;
/// What was in a hold of this length is not told by its end.
const LONG_NS: u64 = 1_000_000;

/// Where a part of a hold was.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub(crate) frames: Vec<RawFrame>,
    /// Whether a look in mid-hold told it, and not the stack of the release.
    pub(crate) seen: bool,
}

impl Place {
    /// Where the GIL changed hands.
    pub(crate) fn of(stack: &RawStack) -> Self {
        Place {
            frames: stack.frames.clone(),
            seen: false,
        }
    }
}

/// What was seen of holds, by thread and by when they began; and of all holds that
/// were over, by the stack of their release.
#[derive(Debug, Default)]
pub(crate) struct Glimpses {
    holds: FxHashMap<(u32, u64), Hold>,
    ends: FxHashMap<Vec<RawFrame>, FxHashMap<Place, Weights>>,
}

/// The middle of one hold.
#[derive(Debug, Default)]
struct Hold {
    /// The stacks and what they stand for. Where no frames stood still, it was in Python
    /// code that moves fast: then the line of the release is as good as any.
    seen: FxHashMap<Option<Vec<RawFrame>>, Looks>,
    /// How often stacks were read since.
    drains: u32,
}

/// All looks at a hold that showed the same stack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looks {
    pub(crate) weights: Weights,
    pub(crate) spent: Period,
    /// Of those at which somebody waited.
    pub(crate) waiting: Option<Period>,
}

/// What a glimpse stands for: shares of a hold and of what it cost the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weights {
    /// The waiting that was seen.
    pub(crate) waiting_ns: u64,
    /// The time in which it was seen.
    pub(crate) spent_ns: u64,
}

/// A part of a hold: where and when it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) place: Place,
    pub(crate) spent: Period,
    /// When others waited meanwhile.
    pub(crate) waiting: Period,
}

/// A part of a hold, and its share in it.
pub(crate) type Part = (Spot, Weights);

impl Glimpses {
    /// A hold was like this from one time to another, as far as it was seen.
    pub(crate) fn keep(
        &mut self,
        held: Held,
        frames: Option<Vec<RawFrame>>,
        from_ns: u64,
        to_ns: u64,
    ) {
        let hold = self.holds.entry((held.thread, held.began_ns)).or_default();
        let spent_ns = to_ns.saturating_sub(from_ns);
        let weights = Weights {
            waiting_ns: held.waiters * spent_ns,
            spent_ns,
        };
        let period = Period::new(from_ns, to_ns);
        let known = hold.seen.len() < DIFFERENT || hold.seen.contains_key(&frames);
        let seen = hold.seen.entry(frames.filter(|_| known));
        let seen = seen.or_insert_with(|| Looks {
            weights: Weights::default(),
            spent: period,
            waiting: None,
        });
        seen.weights.absorb(weights);
        seen.spent = seen.spent.and(period);
        if held.waiters > 0 {
            seen.waiting = Some(seen.waiting.map_or(period, |waiting| waiting.and(period)));
        }
    }

    /// What the weights of a release's stack are shared by: what was seen in the middle of the
    /// hold that it ended; if that was a long one and not seen, what was seen of
    /// others that ended so. The last part is the stack itself, for when nothing was.
    pub(crate) fn parts(&mut self, stack: &RawStack) -> Vec<Part> {
        let weights = stack.weights;
        let end = Spot::of(stack);
        let hold = self.holds.remove(&(stack.thread, weights.began_ns));
        let mut parts = match hold {
            Some(hold) => self.seen(hold, stack, &end),
            None if weights.held_ns >= LONG_NS => self.seen_of_others(&stack.frames, &end),
            None => Vec::new(),
        };
        parts.push((end, Weights::default()));
        parts
    }

    fn seen(&mut self, hold: Hold, stack: &RawStack, end: &Spot) -> Vec<Part> {
        let root = stack.frames.last();
        let seen = hold.seen.into_iter().map(|(frames, seen)| {
            let whole = frames.filter(|frames| is_whole(frames, root));
            let place = whole.map(|frames| Place { frames, seen: true });
            let spot = Spot {
                place: place.unwrap_or_else(|| end.place.clone()),
                spent: seen.spent,
                waiting: seen.waiting.unwrap_or(end.waiting),
            };
            (spot, seen.weights)
        });
        let parts: Vec<Part> = seen.collect();
        self.remember(&stack.frames, &parts);
        parts
    }

    fn remember(&mut self, end: &[RawFrame], parts: &[Part]) {
        if self.ends.len() >= ENDS && !self.ends.contains_key(end) {
            return;
        }
        let seen = self.ends.entry(end.to_vec()).or_default();
        for (Spot { place, .. }, part) in parts {
            if seen.len() < OF_AN_END || seen.contains_key(place) {
                seen.entry(place.clone()).or_default().absorb(*part);
            }
        }
    }

    fn seen_of_others(&self, frames: &[RawFrame], end: &Spot) -> Vec<Part> {
        let seen = self.ends.get(frames).into_iter().flatten();
        let spot = |place: &Place| Spot {
            place: place.clone(),
            ..end.clone()
        };
        seen.map(|(place, part)| (spot(place), *part)).collect()
    }

    /// Not every hold that was looked at ends with a stack. `present` goes on.
    pub(crate) fn forget_old(&mut self, present: Option<Held>) {
        let present = present.map(|held| (held.thread, held.began_ns));
        self.holds.retain(|hold, glimpses| {
            glimpses.drains += 1;
            glimpses.drains <= 2 || Some(*hold) == present
        });
    }

    /// What was seen of a hold that goes on: the waiting and the time itself, and when.
    pub(crate) fn of(&self, held: Held) -> impl Iterator<Item = (&[RawFrame], Looks)> {
        let hold = self.holds.get(&(held.thread, held.began_ns));
        let seen = hold.into_iter().flat_map(|hold| &hold.seen);
        seen.map(|(frames, &looks)| (frames.as_deref().unwrap_or_default(), looks))
    }
}

impl Spot {
    /// Where the GIL was released, as if the hold had been there all the time and others had
    /// waited at its end.
    fn of(stack: &RawStack) -> Self {
        let weights = stack.weights;
        let end_ns = weights.began_ns.saturating_add(weights.held_ns);
        let waiting_ns = weights.waiting_ns.min(weights.held_ns);
        Spot {
            place: Place::of(stack),
            spent: Period::new(weights.began_ns, end_ns),
            waiting: Period::before(end_ns, waiting_ns),
        }
    }
}

impl Weights {
    fn absorb(&mut self, other: Weights) {
        self.waiting_ns = self.waiting_ns.saturating_add(other.waiting_ns);
        self.spent_ns = self.spent_ns.saturating_add(other.spent_ns);
    }
}

/// Whether frames that were read while the thread ran reach down to the same
/// function as the stack of its release. The last release of a thread has none.
fn is_whole(frames: &[RawFrame], root: Option<&RawFrame>) -> bool {
    let Some(root) = root else { return true };
    frames.last().map(|frame| frame.code) == Some(root.code) || frames.len() == FRAMES
}

/// By what the waiting that a hold caused is divided: the waiting that was seen, or, if
/// it was only looked at before anybody waited, the time.
pub(crate) fn by_waiting(parts: &[Part]) -> fn(Weights) -> u64 {
    match parts.iter().any(|(_, part)| part.waiting_ns > 0) {
        true => |part| part.waiting_ns,
        false => |part| part.spent_ns,
    }
}

/// Divides a weight by parts, so that nothing is lost: what no part claims is the
/// last one's.
pub(crate) fn share<T, P: Copy>(
    parts: &[(T, P)],
    weight_ns: u64,
    part_of: impl Fn(P) -> u64,
    mut each: impl FnMut(&T, u64),
) {
    let whole: u128 = parts
        .iter()
        .map(|(_, part)| u128::from(part_of(*part)))
        .sum();
    let (mut passed, mut given) = (0_u128, 0_u64);
    for (at, (place, part)) in parts.iter().enumerate() {
        passed += u128::from(part_of(*part));
        let due = match at + 1 == parts.len() {
            true => weight_ns,
            false => (u128::from(weight_ns) * passed / whole.max(1)) as u64,
        };
        if due > given {
            each(place, due - given);
        }
        given = due;
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use gilprof_region::Moment;

    use super::*;

    fn frames(codes: &[u32]) -> Vec<RawFrame> {
        let frame = |&code| RawFrame { code, offset: 0 };
        codes.iter().map(frame).collect()
    }

    fn seen(codes: &[u32]) -> Place {
        Place {
            frames: frames(codes),
            seen: true,
        }
    }

    /// Of a hold with one waiter.
    fn weights(spent_ns: u64) -> Weights {
        Weights {
            waiting_ns: spent_ns,
            spent_ns,
        }
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
            weights: gilprof_region::Weights {
                began_ns,
                ..gilprof_region::Weights::default()
            },
            frames: frames(&[5, 9]),
        }
    }

    /// Without when it was.
    fn told(parts: Vec<Part>) -> Vec<(Place, Weights)> {
        let parts = parts.into_iter();
        parts.map(|(spot, part)| (spot.place, part)).collect()
    }

    #[test]
    fn a_hold_was_at_a_place_from_when_it_was_first_seen_there_to_the_last_time() {
        let mut glimpses = Glimpses::default();
        for (code, waiters, from_ns, to_ns) in
            [(1, 0, 100, 110), (2, 1, 110, 130), (1, 1, 130, 160)]
        {
            let held = Held {
                waiters,
                ..held(100)
            };
            glimpses.keep(held, Some(frames(&[code, 9])), from_ns, to_ns);
        }
        let mut end = release(100);
        (end.weights.held_ns, end.weights.waiting_ns) = (90, 60);
        let parts = glimpses.parts(&end);
        let periods = |place: Place| {
            let spot = parts
                .iter()
                .map(|(spot, _)| spot)
                .find(|spot| spot.place == place);
            spot.map(|spot| (spot.spent, spot.waiting))
        };
        let both = |spent: (u64, u64), waiting: (u64, u64)| {
            Some((
                Period::new(spent.0, spent.1),
                Period::new(waiting.0, waiting.1),
            ))
        };
        assert_eq!(periods(seen(&[1, 9])), both((100, 160), (130, 160)));
        assert_eq!(periods(seen(&[2, 9])), both((110, 130), (110, 130)));
        assert_eq!(periods(Place::of(&end)), both((100, 190), (130, 190)));
    }

    #[test]
    fn a_hold_that_nobody_saw_is_where_it_was_released() {
        let mut glimpses = Glimpses::default();
        glimpses.keep(held(100), Some(frames(&[1, 9])), 0, 10);
        assert_eq!(
            told(glimpses.parts(&release(200))),
            [(Place::of(&release(200)), Weights::default())]
        );
    }

    #[test]
    fn a_hold_is_where_it_was_seen_and_where_it_moved_as_released() {
        let mut glimpses = Glimpses::default();
        for spent_ns in [10, 20] {
            glimpses.keep(held(100), Some(frames(&[1, 9])), 0, spent_ns);
        }
        glimpses.keep(held(100), None, 0, 10);
        // Its frames end in the air: they were read while they changed.
        glimpses.keep(held(100), Some(frames(&[1, 2])), 0, 20);
        let mut parts = told(glimpses.parts(&release(100)));
        parts.sort_by_key(|(_, part)| Reverse(part.spent_ns));
        let released = Place::of(&release(100));
        assert_eq!(
            parts,
            [
                (seen(&[1, 9]), weights(30)),
                (released.clone(), weights(20)),
                (released.clone(), weights(10)),
                (released, Weights::default()),
            ]
        );
    }

    #[test]
    fn a_hold_that_ends_with_its_thread_is_where_it_was_seen() {
        let mut glimpses = Glimpses::default();
        glimpses.keep(held(100), Some(frames(&[1, 9])), 0, 10);
        let mut last = release(100);
        last.frames.clear();
        let parts = told(glimpses.parts(&last));
        assert_eq!(parts[0], (seen(&[1, 9]), weights(10)));
    }

    #[test]
    fn a_long_hold_that_nobody_saw_is_where_others_were_that_ended_so() {
        let mut glimpses = Glimpses::default();
        glimpses.keep(held(100), Some(frames(&[1, 9])), 0, 10);
        glimpses.parts(&release(100));
        let mut unseen = release(200);
        assert_eq!(glimpses.parts(&unseen).len(), 1);
        unseen.weights.held_ns = LONG_NS;
        assert_eq!(
            told(glimpses.parts(&unseen))[0],
            (seen(&[1, 9]), weights(10))
        );
        unseen.frames = frames(&[6, 9]);
        assert_eq!(glimpses.parts(&unseen).len(), 1);
    }

    #[test]
    fn what_a_hold_cost_nobody_is_no_part_of_blame() {
        let mut glimpses = Glimpses::default();
        let alone = Held {
            waiters: 0,
            ..held(100)
        };
        glimpses.keep(alone, Some(frames(&[1, 9])), 0, 90);
        glimpses.keep(held(100), Some(frames(&[2, 9])), 0, 10);
        let parts = glimpses.parts(&release(100));
        let blamed = |code: u32| {
            let mut sum = 0;
            share(&parts, 1_000, by_waiting(&parts), |spot, part_ns| {
                sum += part_ns * u64::from(spot.place == seen(&[code, 9]));
            });
            sum
        };
        assert_eq!((blamed(1), blamed(2)), (0, 1_000));
    }

    #[test]
    fn a_hold_that_was_seen_before_anybody_waited_is_blamed_where_it_was_seen() {
        let mut glimpses = Glimpses::default();
        let alone = Held {
            waiters: 0,
            ..held(100)
        };
        glimpses.keep(alone, Some(frames(&[1, 9])), 0, 90);
        let parts = glimpses.parts(&release(100));
        let mut blamed = Vec::new();
        share(&parts, 1_000, by_waiting(&parts), |spot, part_ns| {
            blamed.push((spot.place.clone(), part_ns));
        });
        assert_eq!(blamed, [(seen(&[1, 9]), 1_000)]);
    }

    #[test]
    fn a_hold_of_endless_different_stacks_keeps_so_many() {
        let mut glimpses = Glimpses::default();
        for code in 0..2 * DIFFERENT as u32 {
            glimpses.keep(held(100), Some(frames(&[code])), 0, 1);
        }
        let seen: Vec<_> = glimpses.of(held(100)).collect();
        assert!(seen.len() <= DIFFERENT + 1);
        let spent: u64 = seen.iter().map(|(_, looks)| looks.weights.spent_ns).sum();
        assert_eq!(spent, 2 * DIFFERENT as u64);
    }

    #[test]
    fn what_is_shared_adds_up() {
        let parts = [3, 0, 7, 11].map(|part| (seen(&[]), weights(part)));
        for weight_ns in [0, 1, 20, 1_000_003] {
            let mut sum = 0;
            share(
                &parts,
                weight_ns,
                |part| part.spent_ns,
                |_, part_ns| sum += part_ns,
            );
            assert_eq!(sum, weight_ns);
        }
    }

    #[test]
    fn a_hold_that_goes_on_is_not_forgotten() {
        let mut glimpses = Glimpses::default();
        for began_ns in [100, 200] {
            glimpses.keep(held(began_ns), Some(frames(&[1])), 0, 1);
        }
        for _ in 0..5 {
            glimpses.forget_old(Some(held(200)));
        }
        assert_eq!(glimpses.of(held(100)).count(), 0);
        assert_eq!(glimpses.of(held(200)).count(), 1);
    }
}
