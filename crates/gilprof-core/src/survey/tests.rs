use super::*;
use crate::profile::{Profile, ProfileParts};

fn thread(id: u64, state: State) -> ThreadSight {
    ThreadSight {
        id,
        state,
        is_ready: state == State::Holding,
        ..ThreadSight::default()
    }
}

fn sight(at_ns: u64, states: &[State]) -> Sight {
    let threads = (1..).zip(states).map(|(id, &state)| thread(id, state));
    Sight {
        at_ns,
        gils: vec![GilSight {
            index: 0,
            is_held: states.contains(&State::Holding),
        }],
        threads: threads.collect(),
    }
}

fn survey(sights: impl IntoIterator<Item = Sight>) -> Survey {
    let mut survey = Survey::default();
    sights.into_iter().for_each(|sight| survey.add(sight));
    survey
}

fn profile(survey: &Survey) -> Profile {
    Profile::assemble(ProfileParts {
        wall_ns: survey.wall_ns(),
        threads: survey.threads(|_| None),
        gils: survey.gils(),
        blame: survey.blame(),
        history: survey.history(),
        ..ProfileParts::default()
    })
}

use State::{Detached, Holding, Waiting};

#[test]
fn a_gap_is_halved_between_the_samples_beside_it() {
    let survey = survey([
        sight(100, &[Holding]),
        sight(120, &[Detached]),
        sight(160, &[Detached]),
    ]);
    let row = &survey.threads(|_| None)[0];
    assert_eq!((row.holding_ns, row.detached_ns), (10, 50));
    assert_eq!(row.lifetime_ns, survey.wall_ns());
}

#[test]
fn waiting_is_blamed_on_who_holds_at_that_instant() {
    let survey = survey([
        sight(0, &[Holding, Waiting, Waiting]),
        sight(10, &[Waiting, Holding, Waiting]),
        sight(20, &[Waiting, Holding, Detached]),
    ]);
    let blame = survey.blame();
    let pairs = blame
        .iter()
        .map(|row| (row.waiter, row.holder, row.waiting_ns));
    let pairs: Vec<_> = pairs.collect();
    assert_eq!(pairs, [(1, 2, 15), (2, 1, 5), (3, 1, 5), (3, 2, 10)]);
}

#[test]
fn waiting_for_a_free_gil_is_hand_off() {
    let survey = survey([
        sight(0, &[Waiting, Detached]),
        sight(10, &[Waiting, Detached]),
    ]);
    let row = &survey.threads(|_| None)[0];
    assert_eq!((row.waiting_ns, row.handoff_ns), (10, 10));
    assert_eq!(survey.gils()[0].demand.passing_ns, 10);
    assert!(survey.blame().is_empty());
}

#[test]
fn a_holder_that_is_not_known_is_blamed_by_nobody_and_said_to_be_so() {
    let mut unknown = sight(0, &[Waiting]);
    unknown.gils[0].is_held = true;
    let later = Sight {
        at_ns: 10,
        ..unknown.clone()
    };
    let profile = profile(&survey([unknown, later]));
    assert_eq!(profile.unattributed_ns(), 10);
    assert_eq!(profile.imbalances(), []);
}

#[test]
fn stacks_have_the_time_since_they_were_last_looked_at() {
    let seen = |at_ns, stack| {
        let mut sight = sight(at_ns, &[Holding, Waiting]);
        sight.threads[0].stack = stack;
        sight
    };
    let survey = survey([
        seen(0, None),
        seen(10, Some(7)),
        seen(20, None),
        seen(30, Some(8)),
    ]);
    let sites = survey.sites(|number| vec![number]);
    let blame = sites.iter().filter(|site| site.kind == SiteKind::Blame);
    let blame = blame.map(|site| (site.stack[0], site.weight_ns, site.samples));
    let blame: Vec<_> = blame.collect();
    assert_eq!(blame, [(7, 15, 1), (8, 15, 1)]);
}

#[test]
fn cpu_time_is_shared_by_the_times_a_thread_was_ready() {
    let mut away = sight(100, &[Detached]);
    away.threads[0].is_ready = true;
    let later = Sight {
        at_ns: 200,
        ..away.clone()
    };
    let survey = survey([sight(0, &[Holding]), sight(50, &[Holding]), away, later]);
    let cpu = CpuReading {
        cpu_ns: 100,
        ..CpuReading::default()
    };
    let row = &survey.threads(|_| Some(cpu))[0];
    // Ready for all of 200 ns, of which it held for 75.
    assert_eq!(
        (row.holding_cpu_ns, row.detached_cpu_ns),
        (Some(37), Some(63))
    );
    assert_eq!(
        (row.holding_preempted_ns, row.holding_blocked_ns),
        (Some(38), Some(0))
    );
}

#[test]
fn ended_threads_that_share_a_row_keep_their_sums() {
    let mut survey = survey([
        sight(0, &[Holding, Waiting, Waiting]),
        sight(10, &[Holding, Waiting, Waiting]),
    ]);
    let before = profile(&survey);
    survey.fold(&HashMap::from([(2, 9), (3, 9)]));
    let after = profile(&survey);
    assert_eq!(after.waiting_ns(), before.waiting_ns());
    assert_eq!(after.threads().len(), 2);
    assert_eq!(after.blame()[0].waiting_ns, 20);
    assert_eq!(after.imbalances(), []);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn states() -> impl Strategy<Value = Vec<State>> {
        let one = prop_oneof![Just(Waiting), Just(Detached)];
        let others = proptest::collection::vec(one, 0..5);
        (others, any::<bool>(), any::<prop::sample::Index>()).prop_map(|(mut all, held, at)| {
            if held && !all.is_empty() {
                let at = at.index(all.len());
                all[at] = Holding;
            }
            all
        })
    }

    proptest! {
        #[test]
        fn sums_balance_whatever_is_seen(
            sights in proptest::collection::vec((1_u64..50_000_000, states()), 1..60),
        ) {
            let mut at_ns = 0;
            let survey = survey(sights.iter().map(|(gap_ns, states)| {
                at_ns += gap_ns;
                sight(at_ns, states)
            }));
            let profile = profile(&survey);
            prop_assert_eq!(profile.imbalances(), []);
            // One sight alone has no time.
            let known = profile.gils().iter().map(|gil| gil.holding_ns + gil.free_ns);
            prop_assert_eq!(known.sum::<u64>(), survey.wall_ns());
            let noted = profile.history().slices.iter().flat_map(|slice| &slice.threads);
            let noted: u64 = noted.map(|row| row.holding_ns + row.waiting_ns + row.detached_ns).sum();
            let lived: u64 = profile.threads().iter().map(|row| row.lifetime_ns).sum();
            prop_assert_eq!(noted, lived);
        }
    }
}
