use super::*;
use crate::demand::Demand;
use crate::distribution::Distribution;
use crate::frame::Frame;
use crate::gil::Gil;
use crate::profile::ProfileParts;
use crate::site::Site;

const MS: u64 = 1_000_000;
const WALL: u64 = 1_000 * MS;

fn thread(id: u64, holding_ms: u64) -> Thread {
    Thread {
        id,
        name: format!("t-{id}"),
        members: 1,
        lifetime_ns: WALL,
        holding_ns: holding_ms * MS,
        ..Thread::default()
    }
}

/// Held for so long while 0, 1, … others waited, by threads that held for so long.
fn parts(held_ms: &[u64], holding_ms: &[u64]) -> ProfileParts {
    let held_ns: Vec<u64> = held_ms.iter().map(|ms| ms * MS).collect();
    let holding_ns = held_ns.iter().sum();
    let threads = holding_ms.iter().zip(1..);
    ProfileParts {
        wall_ns: WALL,
        switch_interval_ns: 5 * MS,
        threads: threads.map(|(&ms, id)| thread(id, ms)).collect(),
        gils: vec![Gil {
            holding_ns,
            free_ns: WALL - holding_ns,
            demand: Demand {
                held_ns,
                passing_ns: 0,
            },
            ..Gil::default()
        }],
        ..ProfileParts::default()
    }
}

fn without_gil(parts: &ProfileParts, cpus: u32) -> f64 {
    let row = Profile::assemble(parts.clone()).without_gil(cpus);
    row.speed_up.unwrap()
}

fn as_processes(parts: &ProfileParts, processes: u32, cpus: u32) -> f64 {
    let row = Profile::assemble(parts.clone()).as_processes(processes, cpus);
    row.speed_up.unwrap()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

#[test]
fn a_thread_that_does_all_gains_nothing_without_a_gil_but_may_be_divided() {
    let lone = parts(&[1_000], &[1_000]);
    assert!(near(without_gil(&lone, 8), 1.0));
    assert!(near(as_processes(&lone, 4, 8), 4.0));
    assert!(near(as_processes(&lone, 4, 2), 2.0));
}

#[test]
fn two_threads_that_always_want_it_need_two_cpus_for_twice_the_speed() {
    let pair = parts(&[0, 1_000], &[500, 500]);
    assert!(near(without_gil(&pair, 1), 1.0));
    assert!(near(without_gil(&pair, 2), 2.0));
    assert!(near(without_gil(&pair, 64), 2.0));
}

#[test]
fn what_one_thread_does_alone_in_the_end_is_not_divided() {
    // Two for 800 ms, then the longer one alone.
    let uneven = parts(&[200, 800], &[400, 600]);
    assert!(near(without_gil(&uneven, 2), 1.0 / 0.6));
}

#[test]
fn a_thread_cannot_get_ahead_of_itself() {
    // The other always waits and hardly holds: the first has all the work.
    let convoy = parts(&[0, 1_000], &[990, 10]);
    assert!(near(without_gil(&convoy, 2), 1.0 / 0.99));
}

#[test]
fn time_in_which_nobody_wants_it_stays() {
    let half = parts(&[0, 500], &[250, 250]);
    assert!(near(without_gil(&half, 2), 1.0 / 0.75));
    assert!(near(as_processes(&half, 2, 2), 1.0 / 0.75));
    let idle = parts(&[0], &[0]);
    assert!(near(without_gil(&idle, 2), 1.0));
    assert!(near(as_processes(&idle, 2, 2), 1.0));
}

#[test]
fn handing_it_over_falls_away() {
    let mut storm = parts(&[0, 500], &[250, 250]);
    storm.gils[0].demand.passing_ns = 500 * MS;
    assert!(near(without_gil(&storm, 2), 4.0));
    assert!(near(without_gil(&storm, 1), 2.0));
}

#[test]
fn a_hold_that_sleeps_needs_no_cpu() {
    let mut asleep = parts(&[0, 0, 0, 1_000], &[250; 4]);
    for thread in &mut asleep.threads {
        thread.holding_cpu_ns = Some(0);
        thread.holding_preempted_ns = Some(0);
        thread.holding_blocked_ns = Some(250 * MS);
    }
    assert!(near(without_gil(&asleep, 1), 4.0));
}

#[test]
fn a_hold_that_is_ready_to_run_needs_a_cpu() {
    let mut starved = parts(&[0, 1_000], &[500, 500]);
    for thread in &mut starved.threads {
        thread.holding_cpu_ns = Some(100 * MS);
        thread.holding_preempted_ns = Some(400 * MS);
        thread.holding_blocked_ns = Some(0);
    }
    assert!(near(without_gil(&starved, 1), 1.0));
    assert!(near(without_gil(&starved, 2), 2.0));
}

#[test]
fn native_code_that_runs_in_parallel_needs_its_cpus_too() {
    let mut native = parts(&[0, 1_000], &[500, 500]);
    native.threads.push(Thread {
        detached_cpu_ns: Some(1_000 * MS),
        ..thread(3, 0)
    });
    // Two seconds of CPU time on two CPUs.
    assert!(near(without_gil(&native, 2), 1.0));
    assert!(near(without_gil(&native, 2), without_gil(&native, 3)));
}

#[test]
fn the_bound_never_exceeds_the_cpus_where_holds_run() {
    for waiting in 0..20 {
        let mut held = vec![0; waiting + 1];
        held[waiting] = 1_000;
        for cpus in 1..12 {
            let bound = without_gil(&parts(&held, &[1]), cpus);
            assert!(bound <= f64::from(cpus) + 1e-9, "{waiting} {cpus}");
        }
    }
}

#[test]
fn what_was_dropped_was_like_the_rest() {
    let mut lossy = parts(&[0, 1_000], &[500, 500]);
    lossy.gils[0].demand.held_ns[1] /= 10;
    assert!(near(without_gil(&lossy, 2), 2.0));
}

#[test]
fn without_a_count_of_who_wanted_it_there_is_no_bound() {
    let mut old = parts(&[0, 1_000], &[500, 500]);
    old.gils[0].demand = Demand::default();
    let row = Profile::assemble(old).without_gil(2);
    assert_eq!(row.speed_up, None);
    assert!(row.missing.unwrap().starts_with("n/a (it was not recorded"));
}

fn with_sites(mut parts: ProfileParts, held_ms: u64) -> Profile {
    parts.frames = vec![Frame {
        function: "crunch".into(),
        file: "/srv/work.py".into(),
        line: 3,
        ..Frame::default()
    }];
    let site = |kind, weight_ns| Site {
        kind,
        thread: 1,
        stack: vec![0],
        weight_ns,
        samples: 1,
        ..Site::default()
    };
    parts.sites = vec![
        site(SiteKind::Hold, held_ms * MS),
        site(SiteKind::Blame, 5 * MS),
    ];
    Profile::assemble(parts)
}

#[test]
fn half_a_hold_saves_no_more_than_half_its_time() {
    let profile = with_sites(parts(&[0, 1_000], &[500, 500]), 400);
    let row = profile.half_hold("cr*", "*");
    assert!(near(row.speed_up.unwrap(), 1.0 / 0.8));
    assert!(near(profile.half_hold("other", "*").speed_up.unwrap(), 1.0));
    assert!(near(
        profile.half_hold_of("t-1").speed_up.unwrap(),
        1.0 / 0.75
    ));
    let worst = &profile.what_if(2)[2];
    assert_eq!(worst.what, "half the hold in crunch (/srv/work.py)");
    assert_eq!(worst.speed_up, row.speed_up);
}

#[test]
fn without_stacks_half_the_hold_is_that_of_a_thread() {
    let mut none = parts(&[0, 1_000], &[500, 500]);
    none.threads[1].caused_ns = 5;
    none.stacks_missing = Some("n/a (switched off)".into());
    let profile = Profile::assemble(none);
    assert_eq!(profile.what_if(2)[2].what, "half the hold of t-2");
    let missing = profile.half_hold("crunch", "*").missing.unwrap();
    assert!(missing.contains("switched off"), "{missing}");
}

#[test]
fn a_name_with_stars_is_a_pattern_of_itself_only() {
    use crate::pattern::fits;
    for name in ["Pool.run.<locals>.f", "Thread-* (f)", "a[b]{c,d}?\\!"] {
        assert!(fits(&literal(name), name), "{name}");
    }
    assert!(!fits(&literal("Thread-* (f)"), "Thread-1 (f)"));
}

fn durations(of: &[(u64, u64)]) -> Distribution {
    let mut all = Distribution::empty();
    for &(ns, times) in of {
        (0..times).for_each(|_| all.record(ns));
    }
    all
}

#[test]
fn a_convoy_gets_shorter_waits_from_a_shorter_interval() {
    let mut convoy = parts(&[0, 1_000], &[990, 10]);
    let io = &mut convoy.threads[1];
    io.waiting_ns = 500 * MS;
    io.wait = durations(&[(5 * MS, 100)]);
    io.hold = durations(&[(100_000, 100)]);
    let profile = Profile::assemble(convoy);
    let row = profile.with_switch_interval(500_000).unwrap();
    assert_eq!(row.thread, Some(2));
    assert_eq!(row.what, "switch interval of 0.5 ms, for t-2");
    // 100 waits of 5 ms come to 0.5 ms each; buckets are within 1 %.
    assert!((row.speed_up.unwrap() - 1.0 / 0.55).abs() < 0.03);
    assert_eq!(profile.with_switch_interval(5 * MS), None);
}

#[test]
fn threads_that_are_made_to_let_go_gain_nothing_from_a_shorter_interval() {
    let mut pair = parts(&[0, 1_000], &[500, 500]);
    for thread in &mut pair.threads {
        thread.waiting_ns = 500 * MS;
        thread.wait = durations(&[(5_100_000, 98)]);
        thread.hold = durations(&[(5_100_000, 98)]);
    }
    assert_eq!(Profile::assemble(pair).with_switch_interval(500_000), None);
}
