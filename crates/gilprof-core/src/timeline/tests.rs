use super::*;
use crate::event::FLAG_REQUESTED;

fn event(time_ns: u64, thread: u32, kind: EventKind) -> Event {
    Event {
        time_ns,
        thread,
        slot: thread as u16,
        kind,
        flags: 0,
    }
}

fn timeline(events: &[Event]) -> Timeline {
    let mut timeline = Timeline::with_room(1 << 20);
    events.iter().for_each(|&event| timeline.push(0, event));
    timeline
}

/// Thread 1 holds from 10 to 60, thread 2 waits from 20 to 70 and holds to 90.
fn story() -> Vec<Event> {
    use EventKind::{Acquire, Release, Wait};
    let release = |time_ns, thread, flags| Event {
        flags,
        ..event(time_ns, thread, Release)
    };
    vec![
        event(10, 1, Acquire),
        event(20, 2, Wait),
        release(60, 1, FLAG_REQUESTED),
        event(70, 2, Acquire),
        release(90, 2, 0),
    ]
}

#[test]
fn holds_and_waits_are_told_one_by_one() {
    let (holds, waits) = timeline(&story()).spans();
    let held: Vec<_> = holds
        .iter()
        .map(|h| (h.thread, h.start_ns, h.duration_ns))
        .collect();
    assert_eq!(held, [(1, 10, 50), (2, 70, 20)]);
    assert_eq!((holds[0].waiters_max, holds[0].waiter_time_ns), (1, 40));
    assert!(holds[0].requested && !holds[1].requested);
    let wait = Wait {
        thread: 2,
        gil: 0,
        start_ns: 20,
        duration_ns: 50,
        handoff_ns: 10,
    };
    assert_eq!(waits, [wait]);
}

#[test]
fn what_began_or_ended_unseen_is_not_told() {
    let (holds, waits) = timeline(&story()[2..]).spans();
    assert_eq!((holds.len(), waits.len()), (1, 0));
    let (holds, waits) = timeline(&story()[..2]).spans();
    assert_eq!((holds.len(), waits.len()), (0, 0));
}

#[test]
fn a_loss_lies_between_the_events_where_it_happened() {
    let mut lossy = timeline(&story()[..2]);
    lossy.lost(0, 7);
    story()[2..].iter().for_each(|&event| lossy.push(0, event));
    let at = lossy
        .moments()
        .position(|(_, moment)| moment == Moment::Lost(7));
    assert_eq!((at, lossy.len()), (Some(2), 5));
    assert_eq!(lossy.spans().0.len(), 1);
}

#[test]
fn gils_are_told_apart() {
    let mut two = Timeline::with_room(1 << 20);
    for event in story() {
        two.push(0, event);
        two.push(1, event);
    }
    let (holds, waits) = two.spans();
    let gils: Vec<u32> = holds.iter().map(|hold| hold.gil).collect();
    assert_eq!((gils, waits.len()), (vec![0, 0, 1, 1], 2));
}

#[test]
fn the_oldest_events_are_forgotten_and_counted() {
    let mut small = Timeline::with_room(3 * 16 * CHUNK as u64);
    let all = 10 * CHUNK as u64 + 5;
    (0..all).for_each(|at| small.push(0, event(at, 1, EventKind::Wait)));
    assert!(small.len() <= 3 * CHUNK, "{}", small.len());
    assert_eq!(small.forgotten() + small.len() as u64, all);
    let first = small.moments().next();
    let kept_from = event(small.forgotten(), 1, EventKind::Wait);
    assert_eq!(first, Some((0, Moment::Event(kept_from))));
}

#[test]
fn a_copy_does_not_change_with_the_original() {
    let mut timeline = timeline(&story());
    let copy = timeline.clone();
    timeline.push(0, event(99, 1, EventKind::Acquire));
    assert_eq!((copy.len(), timeline.len()), (5, 6));
}

#[test]
fn a_difference_begins_where_the_earlier_ended() {
    let earlier = timeline(&story()[..3]);
    let rest = timeline(&story()).since(&earlier, 65);
    assert_eq!(rest.len(), 2);
    assert_eq!(rest.forgotten(), 0);
}

#[test]
fn folded_threads_are_told_with_their_group() {
    let fold = event(900, 5, EventKind::Fold);
    assert_eq!(timeline(&[fold]).folded(), BTreeMap::from([(5, 900)]));
}

#[test]
fn a_timeline_is_the_same_after_json() {
    let mut timeline = timeline(&story());
    timeline.lost(3, 2);
    let json = serde_json::to_string(&timeline).unwrap();
    assert_eq!(serde_json::from_str::<Timeline>(&json).unwrap(), timeline);
    let broken = json.replacen("[10,", "[10,0,", 1);
    assert!(serde_json::from_str::<Timeline>(&broken).is_err());
}
