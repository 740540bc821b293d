use super::*;

/// Two threads that hold for so long at a time.
fn long(each_ms: u64) -> ProfileParts {
    let mut parts = turns();
    let waits = 500 / each_ms;
    parts.blame = vec![waited(2, 1, 500, waits), waited(1, 2, 480, waits)];
    for thread in &mut parts.threads {
        thread.hold = of(thread.holding_ns, waits);
        // They are asked after 5 ms.
        let after_ns = thread.holding_ns / each_ms * each_ms.saturating_sub(5);
        if each_ms >= 10 {
            thread.overrun = Overrun {
                holds: waits,
                after_ns,
                caused_ns: thread.caused_ns,
            };
        }
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
        thread.holding_cpu_ns = Some(thread.holding_ns / 3);
        thread.holding_preempted_ns = Some(thread.holding_ns / 3 * 2);
    }
    let ids = ids(parts);
    assert_eq!(ids[0], "gil-bound", "{ids:?}");
    assert!(!ids.contains(&"native-hold"));
}

#[test]
fn native_holds_on_a_busy_machine_are_native() {
    let mut parts = long(20);
    for thread in &mut parts.threads {
        thread.holding_cpu_ns = Some(thread.holding_ns / 2);
        thread.holding_preempted_ns = Some(thread.holding_ns / 2);
    }
    assert_eq!(verdict(parts).id, FindingId::NativeHold);
}

#[test]
fn a_native_function_that_a_machine_leaves_hardly_any_cpu_is_native() {
    let mut parts = with_native(long(20), &["encoder_call"]);
    for thread in &mut parts.threads {
        thread.holding_cpu_ns = Some(thread.holding_ns / 20);
        thread.holding_preempted_ns = Some(thread.holding_ns / 20 * 19);
    }
    assert!(ids(parts).contains(&"native-hold"));
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
    let mut parts = asleep(60);
    parts.blocked = vec![blocked(1, State::Detached, "futex", BlockedOn::Lock, 10)];
    parts.blocked_missing = None;
    assert_eq!(ids(parts)[0], "native-hold");
}

#[test]
fn a_holder_that_lacked_a_cpu_is_not_blocked_where_nobody_looked() {
    let blocked_beside = |preempted_part: u64| {
        let mut parts = asleep(60);
        for thread in &mut parts.threads {
            thread.holding_preempted_ns = Some(thread.holding_ns * preempted_part / 100);
        }
        ids(parts).contains(&"blocked-hold")
    };
    assert!(blocked_beside(10));
    assert!(!blocked_beside(70));
}

#[test]
fn a_holder_that_the_host_kept_from_its_cpu_is_not_blocked() {
    let mut parts = asleep(98);
    assert_eq!(ids(parts.clone())[0], "blocked-hold");
    parts.stolen_ns = parts.threads[0].holding_blocked_ns;
    assert!(!ids(parts).contains(&"blocked-hold"));
    // Unless it was seen to be.
    let mut parts = asleep_at_a_line(60);
    parts.stolen_ns = parts.threads[0].holding_blocked_ns;
    assert!(ids(parts).contains(&"blocked-hold"));
}

#[test]
fn a_holder_that_mostly_runs_is_not_blocked() {
    assert!(!ids(asleep(5)).contains(&"blocked-hold"));
}

/// A thread some of whose holds overrun, and that is blocked in a part of these.
fn asleep_at_a_line(part: u64) -> ProfileParts {
    let mut parts = turns();
    lines(&mut parts, 1..3);
    let hog = &mut parts.threads[0];
    hog.overrun = Overrun {
        holds: 2,
        after_ns: 300 * MS,
        caused_ns: 310 * MS,
    };
    hog.holding_blocked_ns = Some(hog.overrun.after_ns * part / 100);
    hog.holding_cpu_ns = Some(hog.holding_ns - hog.overrun.after_ns * part / 100);
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
    let found = Profile::assemble(asleep_at_a_line(60)).findings();
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
fn what_is_left_of_long_holds_that_were_blocked_is_native() {
    let findings = findings(asleep_at_a_line(60));
    let cost = |id| {
        let found = findings.iter().find(|found| found.id == id);
        found.map(|found| found.cost_ns / MS)
    };
    assert_eq!(cost(FindingId::BlockedHold), Some(186));
    assert_eq!(cost(FindingId::NativeHold), Some(124));
    assert_eq!(cost(FindingId::GilBound), Some(980 - 310));
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
/// seen elsewhere; who asks is of another interpreter for such a part of its waiting.
fn deaf(part: u64) -> ProfileParts {
    let mut parts = long(100);
    for thread in &mut parts.threads {
        thread.foreign_wait_ns = thread.waiting_ns * part / 100;
    }
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
    let verdict = verdict(deaf(100));
    assert_eq!(verdict.id, FindingId::StarvedInterpreter);
    assert!(
        verdict
            .sentence
            .contains("other waits up to 100 ms for hog"),
        "{verdict:?}"
    );
    assert_eq!(verdict.cost_ns, 980 * MS);
    assert_eq!(verdict.confidence, Confidence::High);
}

#[test]
fn a_native_function_is_one_with_several_interpreters_too() {
    let verdict = verdict(with_native(deaf(100), &["list_sort"]));
    assert_eq!(verdict.id, FindingId::NativeHold);
}

#[test]
fn an_interpreter_starves_others_only() {
    assert_eq!(ids(deaf(0)), ["gil-bound"]);
    assert_eq!(ids(deaf(5)), ["gil-bound"]);
    assert_eq!(ids(deaf(40)), ["gil-bound", "starved-interpreter"]);
}

#[test]
fn interpreters_that_hear_each_other_do_not_starve() {
    let mut parts = deaf(100);
    for thread in &mut parts.threads {
        thread.overrun = Overrun::default();
    }
    assert_eq!(ids(parts), ["gil-bound"]);
}

#[test]
fn where_no_native_function_was_ever_seen_none_is_missed() {
    let mut parts = deaf(0);
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
    hog.overrun = Overrun {
        holds: 1,
        after_ns: 95 * MS,
        caused_ns: 200 * MS,
    };
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

#[test]
fn for_a_line_of_a_library_the_programs_own_is_named_too() {
    let mut parts = with_native(long(20), &["sre_ucs1_match"]);
    let own = parts.frames.len() as u32;
    lines(&mut parts, 7..8);
    let library = parts.sites[0].stack[0];
    parts.frames[library as usize].file = "/usr/lib/python3.12/re/__init__.py".into();
    let called = |finding: &Finding| row(finding, "called from").map(|row| row.value.clone());
    assert_eq!(called(&verdict(parts.clone())), None);
    for site in &mut parts.sites {
        site.stack.push(own);
    }
    let found = verdict(parts.clone());
    assert_eq!(called(&found).as_deref(), Some("crunch (app.py:7)"));
    parts.frames[library as usize].file = "app.py".into();
    assert_eq!(called(&verdict(parts)), None);
}
