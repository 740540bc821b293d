//! The ledger against a naive account of the same events.

mod oracle;

use gilprof_core::{Account, Event, EventKind, Ledger, Overrun};
use oracle::{Oracle, Step, Writer, choices};
use proptest::prelude::*;

fn ledger_of(script: &[Step]) -> Ledger {
    let mut ledger = Ledger::new(3);
    for &step in script {
        match step {
            Step::Event(event) => ledger.apply(event),
            Step::Lost => ledger.lost(7),
        }
    }
    ledger
}

fn sums_agree(account: &Account, oracle: &Oracle) {
    let mut expected = oracle.sums(0, u64::MAX);
    for thread in &account.threads {
        let sums = expected.remove(&thread.id).unwrap_or_default();
        assert_eq!(thread.holding_ns, sums.holding, "holding of {}", thread.id);
        assert_eq!(thread.waiting_ns, sums.waiting, "waiting of {}", thread.id);
        assert_eq!(
            thread.detached_ns, sums.detached,
            "detached of {}",
            thread.id
        );
        assert_eq!(thread.handoff_ns, sums.handoff, "handoff of {}", thread.id);
        assert_eq!(thread.caused_ns, sums.caused, "caused by {}", thread.id);
        assert!(thread.overrun.caused_ns <= sums.caused);
        assert!(thread.overrun.after_ns <= sums.holding);
        assert_eq!(
            thread.wait.count(),
            sums.waits_closed,
            "waits of {}",
            thread.id
        );
        assert_eq!(thread.wait.total_ns(), sums.waits_total);
        assert_eq!(thread.handoff.total_ns(), sums.handoff_closed);
    }
    expected.remove(&0);
    assert!(expected.is_empty(), "no rows for {expected:?}");
}

fn blame_agrees(account: &Account, oracle: &Oracle) {
    let mut expected = oracle.blame(0, u64::MAX);
    let unknown: u64 = expected
        .iter()
        .filter(|(pair, _)| pair.1 == 0)
        .map(|(_, row)| row.0)
        .sum();
    expected.retain(|pair, _| pair.1 != 0);
    assert_eq!(account.unattributed_ns, unknown);
    for row in &account.blame {
        let pair = (row.waiter, row.holder);
        let (waiting_ns, waits, longest_ns) = expected.remove(&pair).unwrap_or_default();
        assert_eq!(row.waiting_ns, waiting_ns, "{pair:?}");
        // A wait that was open when a holder was folded counts once for its group.
        if row.holder < oracle::GROUPS {
            assert_eq!((row.waits, row.longest_ns), (waits, longest_ns), "{pair:?}");
        } else {
            assert!(1 <= row.waits && row.waits <= waits && row.longest_ns >= longest_ns);
        }
    }
    assert!(expected.is_empty(), "no rows for {expected:?}");
}

fn history_agrees(account: &Account, oracle: &Oracle) {
    let history = &account.history;
    assert!(history.slices.len() <= gilprof_core::SLICES_MAX);
    let mut from = history.start_ns;
    for slice in &history.slices {
        let to = from + history.width_ns;
        let mut sums = oracle.sums(from, to);
        sums.retain(|&id, s| id != 0 && s.holding + s.waiting + s.detached > 0);
        let rows = slice.threads.iter().map(|r| {
            (
                r.thread,
                r.holding_ns,
                r.waiting_ns,
                r.detached_ns,
                r.handoff_ns,
            )
        });
        let expected = sums
            .iter()
            .map(|(&id, s)| (id, s.holding, s.waiting, s.detached, s.handoff));
        assert!(
            rows.clone().eq(expected.clone()),
            "slice at {from}: {:?} not {:?}",
            rows.collect::<Vec<_>>(),
            expected.collect::<Vec<_>>()
        );
        let pairs = slice
            .blame
            .iter()
            .map(|r| ((r.waiter, r.holder), r.waiting_ns));
        let blame = oracle.blame(from, to);
        let expected = blame
            .iter()
            .filter(|(pair, _)| pair.1 != 0)
            .map(|(&pair, row)| (pair, row.0));
        assert!(pairs.eq(expected), "blame of the slice at {from}");
        from = to;
    }
}

fn demand_agrees(account: &Account, oracle: &Oracle) {
    let (held_ns, passing_ns) = oracle.demand();
    let demand = &account.gil.demand;
    let told = demand.held_ns.iter().copied().zip(0..);
    let told: Vec<(u64, usize)> = told.filter(|&(ns, _)| ns > 0).collect();
    let expected = held_ns.into_iter().map(|(waiters, ns)| (ns, waiters));
    assert_eq!(told, expected.collect::<Vec<_>>());
    assert_eq!(demand.passing_ns, passing_ns);
}

fn balances(account: &Account) {
    let threads = &account.threads;
    for thread in threads {
        let sum = thread.holding_ns + thread.waiting_ns + thread.detached_ns;
        assert_eq!(sum, thread.lifetime_ns);
    }
    let sum = |part: fn(&gilprof_core::Thread) -> u64| threads.iter().map(part).sum::<u64>();
    let caused = account.blame.iter().map(|row| row.waiting_ns).sum::<u64>();
    assert_eq!(sum(|t| t.caused_ns), caused);
    let parts = caused + sum(|t| t.handoff_ns) + account.unattributed_ns;
    assert_eq!(sum(|t| t.waiting_ns), parts);
    assert_eq!(account.gil.holding_ns, sum(|t| t.holding_ns));
    assert_eq!(account.gil.waiting_ns, sum(|t| t.waiting_ns));
    assert_eq!(account.gil.demand.total_held_ns(), account.gil.holding_ns);
    assert_eq!(account.gil.acquisitions, sum(|t| t.acquisitions));
    assert_eq!(account.ignored, 0);
}

fn last_time(script: &[Step]) -> u64 {
    let empty = ledger_of(script).at(0);
    empty.at_ns
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_those_of_the_naive_account(choices in choices(), later in 0u64..50_000_000) {
        let script = Writer::write(&choices, true);
        let now = last_time(&script) + later;
        let (account, oracle) = (ledger_of(&script).at(now), Oracle::of(&script, now));
        sums_agree(&account, &oracle);
        blame_agrees(&account, &oracle);
    }

    #[test]
    fn slices_are_those_of_the_naive_account(choices in choices(), later in 0u64..50_000_000) {
        let script = Writer::write(&choices, true);
        let now = last_time(&script) + later;
        history_agrees(&ledger_of(&script).at(now), &Oracle::of(&script, now));
    }

    #[test]
    fn demand_is_that_of_the_naive_account(choices in choices(), later in 0u64..50_000_000) {
        let script = Writer::write(&choices, true);
        let now = last_time(&script) + later;
        demand_agrees(&ledger_of(&script).at(now), &Oracle::of(&script, now));
    }

    #[test]
    fn sums_balance_at_every_instant(choices in choices()) {
        let script = Writer::write(&choices, true);
        for end in 0..=script.len() {
            let ledger = ledger_of(&script[..end]);
            balances(&ledger.at(0));
            balances(&ledger.at(last_time(&script) + 12_345_678));
        }
    }

    #[test]
    fn without_losses_nothing_after_the_first_hold_is_unattributed(choices in choices()) {
        let script = Writer::write(&choices, false);
        let account = ledger_of(&script).at(0);
        let oracle = Oracle::of(&script, 0);
        let unknown = oracle.intervals.iter().filter(|i| i.thread == 0).count();
        prop_assert!(unknown <= 1);
        prop_assert_eq!(account.lost, 0);
    }

    #[test]
    fn asking_changes_nothing(choices in choices(), later in 0u64..5_000_000_000) {
        let script = Writer::write(&choices, true);
        let ledger = ledger_of(&script);
        let first = ledger.at(0);
        ledger.at(first.at_ns + later);
        prop_assert_eq!(ledger.at(0), first);
    }

    #[test]
    fn any_words_are_survived(words in prop::collection::vec((0u64..1 << 60, 0u32..5, 0u16..4, 1u8..10, any::<bool>()), 0..80)) {
        let mut ledger = Ledger::new(0);
        for (time_ns, thread, slot, kind, near) in words {
            let time_ns = if near { time_ns % 1_000 } else { time_ns };
            let rest = u64::from(kind) | u64::from(slot) << 16 | u64::from(thread) << 32;
            if let Some(event) = gilprof_core::Event::from_words([time_ns, rest]) {
                ledger.apply(event);
            }
        }
        let account = ledger.at(1 << 58);
        for thread in &account.threads {
            let sum = thread.holding_ns + thread.waiting_ns + thread.detached_ns;
            prop_assert_eq!(sum, thread.lifetime_ns);
        }
    }
}

/// What a ledger says at `now` of events, each with its thread and its time.
fn account(events: &[(EventKind, u32, u64)], now: u64) -> Account {
    let mut ledger = Ledger::new(0);
    apply(&mut ledger, events);
    ledger.at(now)
}

fn apply(ledger: &mut Ledger, events: &[(EventKind, u32, u64)]) {
    for &(kind, thread, time_ns) in events {
        ledger.apply(Event {
            time_ns,
            thread,
            slot: thread as u16,
            kind,
            flags: 0,
        });
    }
}

/// Thread 1 holds from 0 on, thread 2 waits from 10 on and asks at the given times; what
/// the holds of thread 1 overran by at `now`.
fn overrun(asked_at: &[u64], released_at: Option<u64>, now: u64) -> Overrun {
    let mut events = vec![(EventKind::Acquire, 1, 0), (EventKind::Wait, 2, 10)];
    events.extend(asked_at.iter().map(|&at| (EventKind::DropRequest, 2, at)));
    if let Some(at) = released_at {
        events.extend([(EventKind::Release, 1, at), (EventKind::Acquire, 2, at)]);
    }
    let account = account(&events, now);
    assert_eq!(account.threads[1].overrun, Overrun::default());
    account.threads[0].overrun
}

#[test]
fn a_hold_that_goes_on_as_long_again_after_it_was_asked_to_end_overran() {
    let expected = Overrun {
        holds: 1,
        after_ns: 5,
        caused_ns: 10,
    };
    assert_eq!(overrun(&[15], Some(20), 30), expected);
    // It is the first who asks that counts.
    assert_eq!(overrun(&[15, 19], Some(20), 30), expected);
}

#[test]
fn a_hold_that_ends_soon_after_it_was_asked_to_did_not_overrun() {
    assert_eq!(overrun(&[15], Some(19), 30), Overrun::default());
    assert_eq!(overrun(&[], Some(1_000), 2_000), Overrun::default());
}

#[test]
fn a_hold_that_still_goes_on_has_overrun_up_to_now() {
    let expected = Overrun {
        holds: 1,
        after_ns: 85,
        caused_ns: 90,
    };
    assert_eq!(overrun(&[15], None, 100), expected);
}

#[test]
fn one_who_came_before_the_hold_waits_for_it_from_its_beginning() {
    let events = [
        (EventKind::Acquire, 1, 0),
        (EventKind::Wait, 2, 10),
        (EventKind::Release, 1, 100),
        (EventKind::Acquire, 3, 100),
        (EventKind::DropRequest, 2, 105),
        (EventKind::Release, 3, 110),
    ];
    let account = account(&events, 110);
    assert_eq!(account.threads[0].overrun, Overrun::default());
    let expected = Overrun {
        holds: 1,
        after_ns: 5,
        caused_ns: 10,
    };
    assert_eq!(account.threads[2].overrun, expected);
}

/// Thread 1 holds for 20 from `at` on, while threads 2 and 3 wait for 10 and for 5 of it.
fn contended(at: u64) -> [(EventKind, u32, u64); 8] {
    [
        (EventKind::Acquire, 1, at),
        (EventKind::Wait, 2, at + 10),
        (EventKind::Wait, 3, at + 15),
        (EventKind::Release, 1, at + 20),
        (EventKind::Acquire, 2, at + 20),
        (EventKind::Release, 2, at + 20),
        (EventKind::Acquire, 3, at + 20),
        (EventKind::Release, 3, at + 20),
    ]
}

#[test]
fn a_hold_is_contended_for_as_long_as_anybody_waits() {
    let account = account(&contended(0), 30);
    let hold = &account.holds[0];
    assert_eq!((hold.contended_ns, hold.waiter_time_ns), (10, 15));
}

#[test]
fn a_window_has_the_worst_holds_of_its_time_until_it_is_closed() {
    let mut ledger = Ledger::new(0);
    (0..40).for_each(|turn| apply(&mut ledger, &contended(100 * turn)));
    ledger.open_window(7, 3_920);
    apply(
        &mut ledger,
        &[(EventKind::Acquire, 1, 5_000), (EventKind::Wait, 2, 5_000)],
    );
    let starts = |ledger: &Ledger, window| -> Vec<u64> {
        let holds = ledger.charges_at(5_001, window).holds;
        holds.iter().map(|hold| hold.start_ns).collect()
    };
    // One that goes on is among them.
    assert_eq!(starts(&ledger, Some(7)), [5_000]);
    assert_eq!(starts(&ledger, None).len(), 32);
    assert!(!starts(&ledger, None).contains(&5_000));
    ledger.close_window(7);
    assert_eq!(starts(&ledger, Some(7)).len(), 32);
}

#[test]
fn the_worst_hold_of_a_window_counts_from_its_begin_on() {
    let mut ledger = Ledger::new(0);
    let begun = [(EventKind::Acquire, 1, 0), (EventKind::Wait, 2, 10)];
    apply(&mut ledger, &begun);
    ledger.open_window(7, 600);
    assert_eq!(ledger.worst_hold_ns(7), Some(0));
    apply(&mut ledger, &[(EventKind::Release, 1, 900)]);
    assert_eq!(ledger.worst_hold_ns(7), Some(300));
    apply(&mut ledger, &[(EventKind::Acquire, 2, 900)]);
    apply(&mut ledger, &[(EventKind::Release, 2, 950)]);
    apply(&mut ledger, &contended(1_000));
    assert_eq!(ledger.worst_hold_ns(7), Some(300));
    assert_eq!(ledger.worst_hold_ns(8), None);
}

#[test]
fn what_nobody_waited_for_before_a_window_is_not_taken_from_its_worst_hold() {
    let mut ledger = Ledger::new(0);
    apply(&mut ledger, &[(EventKind::Acquire, 1, 0)]);
    ledger.open_window(7, 600);
    let waited = [(EventKind::Wait, 2, 700), (EventKind::Release, 1, 900)];
    apply(&mut ledger, &waited);
    assert_eq!(ledger.worst_hold_ns(7), Some(200));
}

#[test]
fn the_history_of_a_window_is_the_end_of_the_whole_one() {
    let mut ledger = Ledger::new(0);
    let turn = 30_000_000;
    (0..10).for_each(|at| apply(&mut ledger, &contended(at * turn)));
    ledger.open_window(7, 9 * turn + 20);
    (10..15).for_each(|at| apply(&mut ledger, &contended(at * turn)));
    let history = |window| ledger.charges_at(15 * turn, window).history;
    let (whole, part) = (history(None), history(Some(7)));
    let past = (part.start_ns - whole.start_ns) / whole.width_ns;
    assert_eq!(past, 9 * turn / whole.width_ns);
    assert_eq!(part.slices, whole.slices[past as usize..]);
}
