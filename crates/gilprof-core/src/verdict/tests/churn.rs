use super::*;

/// So many threads that ended after they held and waited for so long in all.
fn ended(members: u64, holding_ms: u64, waiting_ms: u64) -> ProfileParts {
    let mut brief = thread(2, "Thread-* (int)", holding_ms, waiting_ms);
    brief.ended = true;
    brief.members = members;
    brief.caused_ns = waiting_ms * MS;
    let mut starter = thread(1, "starter", 100, 100);
    starter.caused_ns = 100 * MS;
    parts(vec![starter, brief])
}

#[test]
fn threads_that_end_at_once_are_churn() {
    let verdict = verdict(ended(3_000, 250, 600));
    assert_eq!(verdict.id, FindingId::ThreadChurn);
    assert!(
        verdict
            .sentence
            .starts_with("Thread churn: 3000 threads a second"),
        "{}",
        verdict.sentence
    );
}

#[test]
fn threads_that_do_some_work_are_no_churn() {
    // A thread for each request, of 8 ms.
    assert_eq!(ids(ended(100, 800, 600))[0], "gil-bound");
}

#[test]
fn a_few_short_threads_are_no_churn() {
    assert!(!ids(ended(40, 20, 20)).contains(&"thread-churn"));
}

#[test]
fn what_churning_threads_were_read_of_tells_no_blocked_hold() {
    let mut parts = ended(3_000, 250, 600);
    let brief = &mut parts.threads[1];
    brief.holding_cpu_ns = Some(5 * MS);
    brief.holding_blocked_ns = Some(15 * MS);
    assert_eq!(ids(parts), ["thread-churn"]);
}
