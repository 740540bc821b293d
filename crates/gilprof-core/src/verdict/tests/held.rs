use super::*;

/// Two threads that hold for so long at a time.
fn long(each_ms: u64) -> ProfileParts {
    let mut parts = turns();
    let waits = 500 / each_ms;
    parts.blame = vec![waited(2, 1, 500, waits), waited(1, 2, 480, waits)];
    for thread in &mut parts.threads {
        thread.hold = of(thread.holding_ns, waits);
    }
    lines(&mut parts, 1..3);
    parts.sites = vec![
        site(SiteKind::Blame, 1, 0, 500),
        site(SiteKind::Blame, 2, 0, 480),
    ];
    parts
}

fn with_native(mut parts: ProfileParts, functions: &[&str]) -> ProfileParts {
    let first = parts.frames.len() as u32;
    let frames = functions
        .iter()
        .map(|name| native(name, "libpython3.11.so.1.0"));
    parts.frames.extend(frames);
    for site in &mut parts.sites {
        site.native = (first..parts.frames.len() as u32).collect();
    }
    parts.native_missing = None;
    parts
}

#[test]
fn holds_that_outlast_their_request_are_native_and_the_function_is_named() {
    let calls = [
        "unsafe_float_compare",
        "list_sort",
        "cfunction_vectorcall_FASTCALL",
    ];
    let verdict = verdict(with_native(long(50), &calls));
    assert_eq!(verdict.id, FindingId::NativeHold);
    assert_eq!(verdict.cost_ns, 980 * MS);
    assert!(
        verdict
            .sentence
            .starts_with("Native hold: list_sort keeps the GIL, called at crunch (app.py:1)"),
        "{}",
        verdict.sentence
    );
    assert_eq!(verdict.confidence, Confidence::High);
}

#[test]
fn what_is_not_known_of_a_native_function_is_said() {
    let verdict = verdict(long(50));
    assert_eq!(verdict.id, FindingId::NativeHold);
    assert!(verdict.sentence.contains("a native function keeps the GIL"));
    assert_eq!(
        row(&verdict, "native function").unwrap().value,
        "n/a (not allowed)"
    );
}

#[test]
fn holds_of_a_switch_interval_and_a_tick_are_python() {
    assert_eq!(ids(long(8)), ["gil-bound"]);
}

#[test]
fn preempted_holds_are_long_without_being_native() {
    let mut parts = long(15);
    for thread in &mut parts.threads {
        thread.holding_cpu_ns = Some(thread.holding_ns / 2);
        thread.holding_preempted_ns = Some(thread.holding_ns / 2);
    }
    let ids = ids(parts);
    assert_eq!(ids[0], "gil-bound", "{ids:?}");
    assert!(!ids.contains(&"native-hold"));
}

#[test]
fn many_short_holds_in_a_row_are_not_a_long_one() {
    let mut parts = turns();
    parts.blame = vec![waited(2, 1, 500, 25), waited(1, 2, 480, 24)];
    assert_eq!(ids(parts), ["gil-bound"]);
}

#[test]
fn long_holds_are_found_among_many_short_waits() {
    let mut parts = long(5);
    parts.blame = vec![waited(2, 1, 500, 5_000), waited(1, 2, 480, 5_000)];
    for thread in &mut parts.threads {
        thread.hold = of(450 * MS, 10);
    }
    parts.holds = (0..20)
        .map(|n| Hold {
            thread: 1 + n % 2,
            duration_ns: 45 * MS,
            waiter_time_ns: 45 * MS,
            requested: true,
            ..Hold::default()
        })
        .collect();
    assert_eq!(verdict(parts).id, FindingId::NativeHold);
}

/// Two threads that are blocked while they hold.
fn asleep(part: u64) -> ProfileParts {
    let mut parts = long(20);
    for thread in &mut parts.threads {
        thread.holding_blocked_ns = Some(thread.holding_ns * part / 100);
        thread.holding_cpu_ns = Some(thread.holding_ns * (100 - part) / 100);
    }
    parts
}

#[test]
fn a_holder_that_is_blocked_is_named_with_its_call() {
    let mut parts = asleep(98);
    parts.frames.push(native("clock_nanosleep", "libc.so.6"));
    parts.frames.push(native("usleep", "libc.so.6"));
    let row_of = |thread| Blocked {
        native: vec![2, 3],
        ..blocked(
            thread,
            State::Holding,
            "clock_nanosleep",
            BlockedOn::Sleep,
            400,
        )
    };
    parts.blocked = vec![row_of(1), row_of(2)];
    parts.blocked_missing = None;
    let verdict = verdict(parts);
    assert_eq!(verdict.id, FindingId::BlockedHold);
    assert!(
        verdict
            .sentence
            .contains("blocked in usleep (clock_nanosleep) at crunch (app.py:1)"),
        "{}",
        verdict.sentence
    );
}

#[test]
fn without_looks_the_line_of_a_blocked_holder_is_known_all_the_same() {
    let verdict = verdict(asleep(98));
    assert_eq!(verdict.id, FindingId::BlockedHold);
    assert_eq!(
        row(&verdict, "blocked in").unwrap().value,
        "n/a (not allowed)"
    );
    assert!(verdict.sentence.contains("at crunch (app.py:1)"));
}

#[test]
fn a_holder_that_nobody_saw_blocked_is_not() {
    let mut parts = asleep(70);
    parts.blocked = vec![blocked(1, State::Detached, "futex", BlockedOn::Lock, 10)];
    parts.blocked_missing = None;
    assert_eq!(ids(parts)[0], "native-hold");
}

#[test]
fn a_holder_that_mostly_runs_is_not_blocked() {
    assert!(!ids(asleep(40)).contains(&"blocked-hold"));
}

/// A thread that is blocked at one of its lines, for so much of what it causes.
fn asleep_at_a_line(part: u64) -> ProfileParts {
    let mut parts = asleep(part.min(40));
    parts.frames.push(native("clock_nanosleep", "libc.so.6"));
    let index = parts.frames.len() as u32 - 1;
    lines(&mut parts, 7..8);
    parts.sites = vec![site(SiteKind::Blame, 1, 0, 1_000 - 10 * part)];
    parts.sites.push(Site {
        native: vec![index],
        ..site(SiteKind::Blame, 1, index + 1, 10 * part)
    });
    parts.blocked = vec![Blocked {
        native: vec![index],
        ..blocked(1, State::Holding, "clock_nanosleep", BlockedOn::Sleep, 100)
    }];
    parts.blocked_missing = None;
    parts
}

#[test]
fn a_holder_that_is_blocked_at_one_of_its_lines_is_named_with_that_line() {
    let found = Profile::assemble(asleep_at_a_line(30)).findings();
    let mut found = found.iter();
    let found = found.find(|one| one.id == FindingId::BlockedHold).unwrap();
    assert!(
        found
            .sentence
            .contains("in clock_nanosleep at crunch (app.py:7)"),
        "{}",
        found.sentence
    );
    assert!(!ids(asleep_at_a_line(5)).contains(&"blocked-hold"));
}

#[test]
fn collections_that_others_wait_for_are_named() {
    let verdict = verdict(with_native(
        long(50),
        &["visit_reachable", "gc_collect_main"],
    ));
    assert_eq!(verdict.id, FindingId::Gc);
    assert!(
        verdict.sentence.contains("while hog collected"),
        "{}",
        verdict.sentence
    );
    assert!(row(&verdict, "most of it at").is_some());
}

#[test]
fn a_few_collections_are_no_finding() {
    let mut parts = with_native(long(8), &["gc_collect_main"]);
    let more: Vec<Site> = parts
        .sites
        .iter()
        .map(|site| Site {
            native: Vec::new(),
            weight_ns: site.weight_ns * 19,
            ..site.clone()
        })
        .collect();
    parts.sites.extend(more);
    assert_eq!(ids(parts), ["gil-bound"]);
}

/// Python code that goes on when it is asked for the GIL, and a native function that was
/// seen elsewhere.
fn deaf(python: &str) -> ProfileParts {
    let mut parts = long(100);
    parts.python = python.into();
    parts.native_missing = None;
    parts.frames.push(native("sock_recv", "_socket.so"));
    parts.sites.push(Site {
        native: vec![2],
        ..site(SiteKind::Blame, 1, 1, 5)
    });
    parts
}

#[test]
fn python_code_that_is_asked_in_vain_is_in_another_interpreter() {
    let verdict = verdict(deaf("3.11.2"));
    assert_eq!(verdict.id, FindingId::StarvedInterpreter);
    assert!(
        verdict
            .sentence
            .contains("other waits up to 100 ms for hog"),
        "{verdict:?}"
    );
    assert_eq!(verdict.confidence, Confidence::Low);
}

#[test]
fn newer_interpreters_hear_each_other() {
    assert_eq!(verdict(deaf("3.13.0")).id, FindingId::GilBound);
}

#[test]
fn where_no_native_function_was_ever_seen_none_is_missed() {
    let mut parts = deaf("3.11.2");
    parts.sites.pop();
    assert_eq!(verdict(parts).id, FindingId::NativeHold);
}

#[test]
fn little_that_was_read_of_a_holder_does_not_tell_that_it_was_blocked() {
    let mut parts = asleep(98);
    for thread in &mut parts.threads {
        thread.holding_blocked_ns = Some(thread.holding_ns / 10);
        thread.holding_cpu_ns = Some(0);
    }
    assert!(!ids(parts).contains(&"blocked-hold"));
}

/// Many short holds, and one of 100 ms in which the holder was off the CPU for so long.
fn one_long(preempted_ms: u64) -> ProfileParts {
    let mut parts = turns();
    let hog = &mut parts.threads[0];
    hog.holding_preempted_ns = Some(preempted_ms * MS);
    hog.holding_cpu_ns = Some(hog.holding_ns - preempted_ms * MS);
    parts.holds = vec![Hold {
        thread: 1,
        duration_ns: 100 * MS,
        waiter_time_ns: 200 * MS,
        requested: true,
        ..Hold::default()
    }];
    parts
}

#[test]
fn a_single_long_hold_on_a_cpu_is_native() {
    assert!(ids(one_long(0)).contains(&"native-hold"));
}

#[test]
fn a_single_long_hold_that_was_preempted_is_not() {
    assert!(!ids(one_long(90)).contains(&"native-hold"));
}

#[test]
fn a_native_function_without_a_name_is_told_by_its_module() {
    let verdict = verdict(with_native(long(50), &["(no symbol)"]));
    assert!(
        verdict
            .sentence
            .starts_with("Native hold: a native function of libpython3.11.so.1.0 keeps"),
        "{}",
        verdict.sentence
    );
}
