use super::*;

#[test]
fn two_threads_that_share_a_full_gil_are_gil_bound_and_the_culprit_is_named() {
    let verdict = verdict(turns());
    assert_eq!(verdict.id, FindingId::GilBound);
    assert_eq!(verdict.confidence, Confidence::High);
    assert_eq!(verdict.cost_ns, 980 * MS);
    assert_eq!(
        verdict.sentence,
        "GIL-bound: on average 1.0 threads wait for a GIL that is held 98 % of the time; \
         hog held it for 500 ms of the waiting."
    );
}

#[test]
fn a_queue_just_long_enough_is_of_low_confidence_and_a_shorter_one_is_none() {
    let queue = |waiting_ms| {
        let mut threads = vec![
            thread(1, "hog", 800, 0),
            thread(2, "other", 100, waiting_ms),
        ];
        threads[0].caused_ns = waiting_ms * MS;
        let mut parts = parts(threads);
        parts.blame = vec![waited(2, 1, waiting_ms, 500)];
        parts.threads[1].wait = of(waiting_ms * MS, 500);
        parts
    };
    let just = verdict(queue(260));
    assert_eq!(
        (just.id, just.confidence),
        (FindingId::GilBound, Confidence::Low)
    );
    assert!(!ids(queue(240)).contains(&"gil-bound"));
}

#[test]
fn the_line_that_caused_most_of_the_waiting_is_named() {
    let place = |weights: &[u64]| {
        let mut parts = turns();
        lines(&mut parts, 1..10);
        let own = (0..).zip(weights);
        parts.sites = own
            .map(|(frame, &weight)| site(SiteKind::Blame, 1, frame, weight))
            .collect();
        verdict(parts)
    };
    let most = place(&[10, 30, 5]);
    let line = row(&most, "most of it at").unwrap();
    assert_eq!(line.value, "crunch (app.py:2)");
    assert_eq!(line.meaning, "67 % of the waiting");
    let largest = place(&[10, 12, 9]);
    let line = row(&largest, "the largest part at").unwrap();
    assert_eq!(line.value, "crunch (app.py:2)");
    let unknown = place(&[]);
    assert_eq!(row(&unknown, "the line").unwrap().value, "n/a (no samples)");
}

#[test]
fn holds_of_two_gils_are_not_added_up() {
    let one = vec![thread(1, "a", 600, 0)];
    let mut other = vec![thread(2, "b", 600, 0)];
    other[0].gil = 1;
    let mut parts = parts(one.clone());
    parts.gils.push(gil(1, &other));
    parts.threads.extend(other);
    assert_eq!(verdict(parts).id, FindingId::NotTheGil);
}

/// A thread that comes back so often, and each time waits that long for the other.
fn coming_back(times: u64, each_ms: u64) -> ProfileParts {
    let waiting_ms = times * each_ms;
    let mut threads = vec![thread(1, "cpu", 950, 10), thread(2, "echo", 10, waiting_ms)];
    threads[0].caused_ns = waiting_ms * MS;
    threads[1].waits = times;
    threads[1].wait = of(waiting_ms * MS, times);
    let mut parts = parts(threads);
    parts.blame = vec![waited(2, 1, waiting_ms, times)];
    parts
}

#[test]
fn one_that_waits_an_interval_at_each_return_is_in_a_convoy() {
    let findings = findings(coming_back(120, 5));
    assert_eq!(findings[0].id, FindingId::Convoy, "{findings:?}");
    assert!(
        findings[0]
            .sentence
            .starts_with("Convoy: echo waits 5.00 ms"),
        "{findings:?}"
    );
    assert!(findings[0].sentence.contains("cpu never lets go"));
    assert!(
        findings[0]
            .advice
            .as_ref()
            .unwrap()
            .contains("setswitchinterval (now 5.00 ms)")
    );
    // The GIL is full all the same, but hardly anybody else queues for it.
    assert_eq!(findings[1].id, FindingId::GilBound);
    assert!(findings[1].cost_ns < findings[0].cost_ns / 10);
}

#[test]
fn short_waits_are_no_convoy() {
    let mut parts = coming_back(120, 5);
    parts.switch_interval_ns = 50 * MS;
    assert!(!ids(parts).contains(&"convoy"));
}

#[test]
fn two_equals_are_no_convoy() {
    assert_eq!(ids(turns()), ["gil-bound"]);
}

#[test]
fn a_convoy_beside_a_queue_is_told_after_it() {
    let mut parts = turns();
    let mut tick = thread(3, "tick", 5, 600);
    tick.wait = of(600 * MS, 100);
    parts.threads[0].caused_ns += 300 * MS;
    parts.threads[1].caused_ns += 300 * MS;
    parts.threads.push(tick);
    parts.gils = vec![gil(0, &parts.threads)];
    parts
        .blame
        .extend([waited(3, 1, 300, 60), waited(3, 2, 300, 60)]);
    assert_eq!(ids(parts), ["gil-bound", "convoy"]);
}

/// Threads that give the GIL to each other all the time.
fn storm(switches: u64, handoff_ms: u64) -> ProfileParts {
    let mut threads = vec![thread(1, "ping", 250, 250), thread(2, "pong", 250, 250)];
    for thread in &mut threads {
        thread.handoff_ns = handoff_ms * MS;
        thread.caused_ns = 250 * MS - handoff_ms * MS;
    }
    let mut parts = parts(threads);
    parts.gils[0].switches = switches;
    parts.blame = vec![waited(1, 2, 250 - handoff_ms, 10_000)];
    parts
}

#[test]
fn a_storm_of_small_holds_loses_time_in_hand_off() {
    let verdict = verdict(storm(50_000, 180));
    assert_eq!(verdict.id, FindingId::HandOff);
    assert_eq!(verdict.cost_ns, 360 * MS);
    assert!(
        row(&verdict, "switches")
            .unwrap()
            .value
            .starts_with("50000")
    );
}

#[test]
fn slow_waking_on_a_busy_machine_is_no_storm() {
    assert!(!ids(storm(200, 180)).contains(&"hand-off"));
    assert!(!ids(storm(50_000, 50)).contains(&"hand-off"));
}

#[test]
fn who_finds_no_cpu_beside_native_code_is_in_no_storm() {
    let mut parts = storm(50_000, 180);
    parts.threads[0].detached_cpu_ns = Some(400 * MS);
    assert!(ids(parts.clone()).contains(&"hand-off"));
    for thread in &mut parts.threads {
        thread.detached_cpu_ns = Some(800 * MS);
    }
    assert!(!ids(parts).contains(&"hand-off"));
}

/// That many threads that count, of which one runs at a time.
fn crowd(count: u64) -> ProfileParts {
    let threads = (1..=count).map(|id| {
        let holding_ms = 960 / count;
        let mut one = thread(id, "spin", holding_ms, 970 - holding_ms);
        one.caused_ns = one.waiting_ns;
        one
    });
    parts(threads.collect())
}

#[test]
fn eight_threads_for_one_gil_are_too_many() {
    let findings = findings(crowd(8));
    let ids: Vec<&str> = findings.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["gil-bound", "too-many-threads"]);
    assert!(
        findings[1].sentence.contains("2 would keep it as busy"),
        "{findings:?}"
    );
}

#[test]
fn four_workers_are_not_too_many() {
    assert_eq!(ids(crowd(4)), ["gil-bound"]);
}
