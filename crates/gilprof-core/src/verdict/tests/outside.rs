use super::*;

/// Five threads that are blocked in so many calls of this kind all the time.
fn blocked_in(call: &str, on: BlockedOn) -> ProfileParts {
    let threads = (1..=5).map(|id| thread(id, "io", 5, 2));
    let mut parts = parts(threads.collect());
    lines(&mut parts, 1..3);
    parts.sites = (1..=5)
        .map(|id| site(SiteKind::Detached, id, 0, 990))
        .collect();
    parts.blocked = (1..=5)
        .map(|id| blocked(id, State::Detached, call, on, 980))
        .collect();
    parts.blocked_missing = None;
    parts
}

#[test]
fn threads_that_read_from_sockets_are_io_bound() {
    let verdict = verdict(blocked_in("recvfrom", BlockedOn::Socket));
    assert_eq!(verdict.id, FindingId::IoBound);
    assert_eq!(
        verdict.sentence,
        "I/O-bound, not the GIL: 4.9 threads at any time are blocked in socket reads \
         (recvfrom) at crunch (app.py:1); the GIL is held 2 % of the time."
    );
    assert_eq!(verdict.confidence, Confidence::High);
}

#[test]
fn waiting_for_whoever_comes_is_idle() {
    let idle = [
        ("accept4", BlockedOn::Socket),
        ("epoll_wait", BlockedOn::Events),
        ("futex", BlockedOn::Lock),
        ("wait4", BlockedOn::Child),
    ];
    for (call, on) in idle {
        assert_eq!(ids(blocked_in(call, on)), [""; 0], "{call}");
    }
}

#[test]
fn threads_that_never_come_back_beside_others_that_work_are_idle() {
    let mut parts = blocked_in("read", BlockedOn::Pipe);
    for one in &mut parts.threads {
        one.acquisitions = 0;
    }
    assert_eq!(ids(parts.clone()), ["io-bound"]);
    let mut working = thread(6, "worker", 5, 2);
    working.detached_cpu_ns = Some(900 * MS);
    parts.threads.push(working);
    assert_eq!(ids(parts), ["parallel-native"]);
}

#[test]
fn a_socket_with_a_timeout_is_polled_and_read() {
    assert_eq!(ids(blocked_in("poll", BlockedOn::Events)), ["io-bound"]);
}

#[test]
fn io_is_told_beside_the_gil_where_it_is_most_of_it() {
    // Half of the GIL is free, and holds of 200 ms overrun.
    let beside = |threads: u64| {
        let mut parts = parts(vec![thread(1, "hog", 450, 0), thread(2, "other", 50, 200)]);
        let hog = &mut parts.threads[0];
        hog.caused_ns = 200 * MS;
        hog.overrun = Overrun {
            holds: 1,
            after_ns: 195 * MS,
            caused_ns: 200 * MS,
        };
        parts.gils[0].caused_ns = 200 * MS;
        let ids = 3..3 + threads;
        let more = ids.clone().map(|id| thread(id, "io", 1, 0));
        parts.threads.extend(more);
        let blocked =
            ids.map(|id| blocked(id, State::Detached, "recvfrom", BlockedOn::Socket, 990));
        parts.blocked = blocked.collect();
        parts.blocked_missing = None;
        super::ids(parts)
    };
    assert_eq!(beside(1), ["native-hold"]);
    assert_eq!(beside(4), ["native-hold", "io-bound"]);
}

#[test]
fn where_nobody_looked_the_line_is_known_and_not_what_on() {
    let mut parts = blocked_in("recvfrom", BlockedOn::Socket);
    parts.blocked.clear();
    parts.blocked_missing = Some(String::from("n/a (not allowed)"));
    let verdict = verdict(parts);
    assert_eq!(
        (verdict.id, verdict.confidence),
        (FindingId::IoBound, Confidence::Low)
    );
    assert_eq!(
        row(&verdict, "blocked in").unwrap().value,
        "n/a (not allowed)"
    );
}

/// So many threads that wait for one lock for so long, of a life of a second.
fn locked(count: u64, waited_ms: u64, file: &str) -> ProfileParts {
    let threads = (1..=count).map(|id| thread(id, "worker", 5, 2));
    let mut parts = parts(threads.collect());
    parts.frames.push(Frame {
        function: "work".into(),
        file: file.into(),
        line: 7,
        native: false,
    });
    parts.sites = (1..=count)
        .map(|id| site(SiteKind::Detached, id, 0, 990))
        .collect();
    parts.blocked = (1..=count)
        .map(|id| Blocked {
            lock: Some(0x7000),
            ..blocked(id, State::Detached, "futex", BlockedOn::Lock, waited_ms)
        })
        .collect();
    parts.blocked_missing = None;
    parts
}

#[test]
fn threads_that_queue_for_one_lock_are_lock_bound() {
    let verdict = verdict(locked(4, 740, "app.py"));
    assert_eq!(verdict.id, FindingId::LockBound);
    assert!(
        verdict.sentence.contains(
            "3.0 of 4 threads at any time wait for a lock of the program at work (app.py:7)"
        ),
        "{}",
        verdict.sentence
    );
}

#[test]
fn a_lock_of_a_library_is_named_by_it() {
    let mut parts = locked(2, 450, "app.py");
    parts.frames.push(native("__lll_lock_wait", "libc.so.6"));
    parts
        .frames
        .push(native("sqlite3_malloc", "libsqlite3.so.0"));
    for row in &mut parts.blocked {
        row.native = vec![1, 2];
    }
    let verdict = verdict(parts);
    assert_eq!(verdict.id, FindingId::LockBound);
    assert!(
        verdict.sentence.contains("a lock in libsqlite3.so.0"),
        "{}",
        verdict.sentence
    );
}

#[test]
fn a_pool_that_waits_for_work_is_not_lock_bound() {
    // All wait: nobody has it.
    assert_eq!(ids(locked(4, 990, "app.py")), [""; 0]);
    // They wait in the code of a pool.
    let pool = "/usr/lib/python3.11/concurrent/futures/thread.py";
    assert_eq!(ids(locked(4, 700, pool)), [""; 0]);
}

#[test]
fn a_queue_of_the_library_is_no_lock() {
    let mut parts = locked(4, 700, "app.py");
    let get = native("_queue_SimpleQueue_get_impl", "_queue.cpython-311.so");
    parts.frames.push(get);
    for row in &mut parts.blocked {
        row.native = vec![1];
    }
    assert_eq!(ids(parts), [""; 0]);
}

#[test]
fn locks_of_their_own_are_no_queue() {
    let mut parts = locked(4, 700, "app.py");
    for (address, row) in (0..).zip(&mut parts.blocked) {
        row.lock = Some(address);
    }
    assert_eq!(ids(parts), [""; 0]);
}

#[test]
fn a_lock_that_was_hardly_ever_seen_is_nothing() {
    let mut parts = locked(2, 450, "app.py");
    for row in &mut parts.blocked {
        row.samples = 2;
    }
    let read = blocked(2, State::Detached, "read", BlockedOn::File, 20);
    parts.blocked.push(read);
    assert!(!ids(parts).contains(&"lock-bound"));
}

#[test]
fn a_lock_that_is_hardly_waited_for_is_nothing() {
    assert_eq!(ids(locked(4, 50, "app.py")), [""; 0]);
}

/// Two threads that compute outside of the GIL for so long at a time.
fn computing(stretches: u64) -> ProfileParts {
    let threads = (1..=2).map(|id| {
        let mut one = thread(id, "hash", 20, 5);
        one.detached_cpu_ns = Some(900 * MS);
        one.acquisitions = stretches;
        one
    });
    parts(threads.collect())
}

#[test]
fn native_code_outside_the_gil_is_good_news() {
    let verdict = verdict(computing(100));
    assert_eq!(verdict.id, FindingId::ParallelNative);
    assert_eq!((verdict.cost_ns, verdict.advice), (0, None));
    assert!(
        verdict.sentence.contains("1.8 CPUs"),
        "{}",
        verdict.sentence
    );
}

#[test]
fn native_code_that_leaves_no_cpu_has_threads_wait_for_those_that_lack_one() {
    let waiting = |each_ms: u64| {
        let mut parts = computing(100);
        for one in &mut parts.threads {
            (one.waiting_ns, one.handoff_ns) = (each_ms * MS, each_ms * MS);
            one.detached_ns -= each_ms * MS;
        }
        parts.gils[0].waiting_ns = 2 * each_ms * MS;
        parts.gils[0].handoff_ns = parts.gils[0].waiting_ns;
        ids(parts)
    };
    assert_eq!(waiting(140), ["parallel-native"]);
    assert!(!waiting(400).contains(&"parallel-native"));
}

#[test]
fn giving_the_gil_away_is_no_computing() {
    assert_eq!(ids(computing(100_000)), [""; 0]);
}

#[test]
fn what_few_looks_saw_of_a_lock_is_nothing_beside_a_queue_for_the_gil() {
    let beside = |samples: u64| {
        let mut parts = locked(4, 400, "app.py");
        for one in &mut parts.threads {
            (one.waiting_ns, one.detached_ns) = (400 * MS, one.detached_ns - 400 * MS);
        }
        parts.gils[0].waiting_ns = 1_600 * MS;
        for row in &mut parts.blocked {
            row.samples = samples;
        }
        ids(parts).contains(&"lock-bound")
    };
    assert!(beside(2) && !beside(1));
}

#[test]
fn what_few_looks_saw_of_a_lock_is_no_io() {
    let mut parts = locked(4, 740, "app.py");
    for row in &mut parts.blocked {
        row.samples = 1;
    }
    assert_eq!(ids(parts)[0], "lock-bound");
}
