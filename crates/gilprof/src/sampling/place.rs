//! What each thread does, from what the GIL says and where each thread is blocked.

use gilprof_attach::{GilNow, GilWords};
use gilprof_core::{State, ThreadSight};
use gilprof_native::{Call, Doing};

/// A thread as it was before, and where it is blocked now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) id: u64,
    /// The kernel's number of it, as the process itself sees it.
    pub(super) own_id: u32,
    pub(super) gil: u32,
    pub(super) before: State,
    pub(super) was_switching: bool,
    /// Whether it may have run since it was seen to wait.
    pub(super) has_run: bool,
    pub(super) doing: Doing,
}

/// A GIL, and who holds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder {
    pub(super) now: GilNow,
    /// `None` where nobody does, or nobody that is known.
    pub(super) id: Option<u64>,
    /// Whether it still held after it was looked at: else what it does is of later.
    pub(super) goes_on: bool,
}

/// What each thread does. `gils` are by their index. Beside it, how many waited of whom it is
/// not known who they are.
///
/// A thread waits that is blocked inside the GIL's condition. One that was woken is not
/// blocked; as long as it has not run since, it waits. For others, which are on their way, the
/// GIL's mutex tells that there are such: it counts those in the wait. They are taken to be
/// such as waited before, else any that are ready to run. Who has the mutex is not in the count:
/// where it waited before it does so still.
pub(super) fn place(found: &[Found], gils: &[(GilWords, Holder)]) -> (Vec<ThreadSight>, u64) {
    let mut sights: Vec<ThreadSight> = found.iter().map(|one| sight(one, gils)).collect();
    let mut unplaced = 0;
    for (index, (words, holder)) in (0..).zip(gils) {
        for (count, is_switching) in [(holder.now.waiting, false), (holder.now.switching, true)] {
            let placed = found.iter().zip(&sights).filter(|(found, one)| {
                let waits = one.gil == index && one.state == State::Waiting;
                let is_counted = holder.now.owner != Some(found.own_id);
                waits && is_counted && one.is_switching == is_switching
            });
            let missing = count
                .map_or(0, |count| count as usize)
                .saturating_sub(placed.count());
            unplaced += fill(found, &mut sights, words, index, is_switching, missing);
        }
    }
    (sights, unplaced)
}

fn sight(one: &Found, gils: &[(GilWords, Holder)]) -> ThreadSight {
    let mut sight = ThreadSight {
        id: one.id,
        gil: one.gil,
        state: State::Detached,
        is_ready: one.doing == Doing::Ready,
        ..ThreadSight::default()
    };
    let held = (0..)
        .zip(gils)
        .find(|(_, (_, holder))| holder.id == Some(one.id));
    if let Some((gil, (_, holder))) = held {
        (sight.gil, sight.state) = (gil, State::Holding);
        // Who let go since had a CPU.
        sight.is_ready |= !holder.goes_on;
        return sight;
    }
    if !one.has_run {
        (sight.state, sight.is_switching) = (one.before, one.was_switching);
        return sight;
    }
    let mut owners = gils.iter().filter_map(|(_, holder)| holder.now.owner);
    if one.before == State::Waiting && owners.any(|owner| owner == one.own_id) {
        // It has woken and is about to take the GIL or to wait on.
        sight.state = State::Waiting;
        return sight;
    }
    let Some(futex) = futex(one.doing) else {
        return sight;
    };
    for (gil, (words, _)) in (0..).zip(gils) {
        if words.is_waited_for(futex) || words.is_switched_at(futex) {
            (sight.gil, sight.state) = (gil, State::Waiting);
            sight.is_switching = words.is_switched_at(futex);
        }
    }
    sight
}

fn futex(doing: Doing) -> Option<u64> {
    match doing {
        Doing::Call(call) => Call::futex(&call),
        Doing::Ready | Doing::Page => None,
    }
}

/// Has so many more of those that run, or come for the mutex, wait for the GIL; says how many there were too few.
fn fill(
    found: &[Found],
    sights: &mut [ThreadSight],
    words: &GilWords,
    gil: u32,
    is_switching: bool,
    missing: usize,
) -> u64 {
    let mut left = missing;
    for waited_before in [true, false] {
        let ready = found.iter().zip(sights.iter_mut());
        let ready = ready.filter(|(one, sight)| {
            let fits = (one.before == State::Waiting) == waited_before;
            let at_mutex = || futex(one.doing).is_some_and(|futex| words.is_locked_at(futex));
            let may = sight.is_ready || at_mutex();
            fits && may && sight.gil == gil && sight.state == State::Detached
        });
        for (_, sight) in ready.take(left) {
            sight.state = State::Waiting;
            sight.is_switching = is_switching;
            left -= 1;
        }
    }
    left as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const COND: u64 = 0x1000;

    fn gil(id: Option<u64>, waiting: Option<u32>) -> (GilWords, Holder) {
        let now = GilNow {
            is_held: id.is_some(),
            last_holder: 0,
            switches: 0,
            waiting,
            owner: None,
            switching: waiting.map(|_| 0),
        };
        let goes_on = true;
        (GilWords::of(1, COND, true), Holder { now, id, goes_on })
    }

    fn found(id: u64, before: State) -> Found {
        Found {
            id,
            own_id: id as u32,
            gil: 0,
            before,
            was_switching: false,
            has_run: true,
            doing: Doing::Ready,
        }
    }

    fn states(sights: &[ThreadSight]) -> Vec<State> {
        sights.iter().map(|one| one.state).collect()
    }

    #[test]
    fn who_was_woken_and_has_no_cpu_yet_still_waits() {
        let all = [
            found(1, State::Waiting),
            found(2, State::Detached),
            found(3, State::Waiting),
        ];
        let (sights, unplaced) = place(&all, &[gil(Some(1), Some(1))]);
        let expected = [State::Holding, State::Detached, State::Waiting];
        assert_eq!((states(&sights), unplaced), (expected.into(), 0));
    }

    #[test]
    fn of_two_that_waited_the_one_that_has_not_run_still_does() {
        let all = [
            found(1, State::Holding),
            found(2, State::Waiting),
            Found {
                has_run: false,
                ..found(3, State::Waiting)
            },
        ];
        let (sights, unplaced) = place(&all, &[gil(Some(1), Some(1))]);
        let expected = [State::Holding, State::Detached, State::Waiting];
        assert_eq!((states(&sights), unplaced), (expected.into(), 0));
    }

    #[test]
    fn who_waited_and_has_the_mutex_waits_beside_those_that_are_counted() {
        let (words, mut holder) = gil(None, Some(1));
        holder.now.owner = Some(1);
        let all = [found(1, State::Waiting), found(2, State::Detached)];
        let (sights, unplaced) = place(&all, &[(words, holder)]);
        assert_eq!((states(&sights), unplaced), ([State::Waiting; 2].into(), 0));
    }

    #[test]
    fn a_waiter_that_nobody_can_be_is_counted() {
        let (sights, unplaced) = place(&[found(1, State::Holding)], &[gil(Some(1), Some(2))]);
        assert_eq!((states(&sights), unplaced), (vec![State::Holding], 2));
    }

    #[test]
    fn without_a_count_who_runs_is_detached() {
        let (sights, _) = place(&[found(2, State::Waiting)], &[gil(None, None)]);
        assert_eq!(states(&sights), [State::Detached]);
    }
}
