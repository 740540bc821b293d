use super::*;

#[test]
fn on_one_cpu_it_is_the_cpu() {
    let mut parts = turns();
    parts.cpus = Some(1);
    let verdict = verdict(parts.clone());
    assert_eq!(verdict.id, FindingId::CpuStarved);
    assert!(verdict.sentence.contains("one CPU only"));
    assert!(
        verdict
            .advice
            .unwrap()
            .contains("nothing is won without it")
    );
    assert!(!ids(parts).contains(&"gil-bound"));
}

#[test]
fn holders_that_are_not_let_run_are_starved() {
    let mut lone = thread(1, "hog", 900, 0);
    lone.holding_cpu_ns = Some(300 * MS);
    lone.holding_preempted_ns = Some(600 * MS);
    let findings = findings(parts(vec![lone]));
    assert_eq!(findings[0].id, FindingId::CpuStarved);
    assert_eq!(findings[1].id, FindingId::SingleThreaded);
    assert!(
        findings[0].sentence.contains("has no CPU for 67 %"),
        "{findings:?}"
    );
}

#[test]
fn a_neighbour_now_and_then_is_nothing() {
    let mut parts = turns();
    for thread in &mut parts.threads {
        thread.holding_cpu_ns = Some(thread.holding_ns * 6 / 10);
        thread.holding_preempted_ns = Some(thread.holding_ns * 4 / 10);
    }
    assert_eq!(ids(parts), ["gil-bound"]);
}

#[test]
fn a_gil_held_all_the_time_that_nobody_wants_is_no_contention() {
    let verdict = verdict(parts(vec![thread(1, "MainThread", 990, 0)]));
    assert_eq!(verdict.id, FindingId::SingleThreaded);
    assert!(verdict.sentence.contains("MainThread does all the work"));
}

#[test]
fn a_parent_that_holds_its_gil_for_life_without_running_is_nothing() {
    let mut parent = thread(1, "apache", 1_000, 0);
    parent.holding_cpu_ns = Some(0);
    parent.holding_blocked_ns = Some(SECOND);
    assert_eq!(ids(parts(vec![parent.clone()])), [""; 0]);
    parent.holding_cpu_ns = None;
    assert_eq!(ids(parts(vec![parent])), [""; 0]);
}

#[test]
fn two_threads_that_work_in_turns_without_waiting_are_not_one() {
    let threads = vec![thread(1, "a", 450, 0), thread(2, "b", 450, 0)];
    assert_eq!(ids(parts(threads)), [""; 0]);
}

/// An event loop with turns of so many ms, 200 ms in all.
fn event_loop(turn_ms: u64) -> ProfileParts {
    let mut lone = thread(1, "MainThread", 200, 0);
    lone.hold = of(200 * MS, 200 / turn_ms);
    let mut parts = parts(vec![lone]);
    parts.blocked = vec![blocked(
        1,
        State::Detached,
        "epoll_wait",
        BlockedOn::Events,
        700,
    )];
    parts.blocked_missing = None;
    parts
}

#[test]
fn a_loop_that_its_callbacks_block_is_single_threaded() {
    let verdict = verdict(event_loop(50));
    assert_eq!(verdict.id, FindingId::SingleThreaded);
    assert!(
        verdict.sentence.contains("4 times it did not come round"),
        "{verdict:?}"
    );
}

#[test]
fn a_loop_that_comes_round_is_not() {
    assert_eq!(ids(event_loop(2)), [""; 0]);
}

#[test]
fn a_server_that_is_blocked_while_it_serves_is_both() {
    let mut parts = event_loop(2);
    parts.blocked.push(blocked(
        1,
        State::Detached,
        "recvfrom",
        BlockedOn::Socket,
        600,
    ));
    assert_eq!(ids(parts), ["io-bound", "single-threaded"]);
}
