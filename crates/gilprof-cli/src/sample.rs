//! Profiles that tests render.

use gilprof::core::{
    Blame, Demand, Distribution, Frame, Gil, Hold, Mode, ProfileParts, Samples, Site, State, Thread,
};
use gilprof::{Ended, Profile};

const MS: u64 = 1_000_000;

/// A thread that held for 500 ms, waited for 400 ms and was away for 100 ms.
pub(crate) fn thread(id: u64, name: &str) -> Thread {
    let of = |values: [u64; 2]| {
        let mut all = Distribution::empty();
        values.iter().for_each(|&value| all.record(value));
        all
    };
    Thread {
        id,
        native_id: Some(1000 + id as u32),
        name: name.into(),
        members: 1,
        pid: 42,
        lifetime_ns: 1000 * MS,
        holding_ns: 500 * MS,
        waiting_ns: 400 * MS,
        detached_ns: 100 * MS,
        acquisitions: 2,
        contended: 2,
        waits: 2,
        state: State::Detached,
        hold: of([200 * MS, 300 * MS]),
        wait: of([150 * MS, 250 * MS]),
        ..Thread::default()
    }
}

/// A profile of these threads, without blame.
pub(crate) fn profile_of(threads: Vec<Thread>) -> Profile {
    Profile::assemble(ProfileParts {
        cpus: Some(2),
        recording: String::from("42-1-1"),
        pid: 42,
        python: String::from("3.12.1"),
        started_at: 1,
        wall_ns: 1000 * MS,
        switch_interval_ns: 5 * MS,
        events: 12_345,
        overhead_ns: Some(2 * MS),
        ended_how: Ended::Exited,
        threads,
        ..ProfileParts::default()
    })
}

fn frame(function: &str, file: &str, line: u32) -> Frame {
    Frame {
        function: function.into(),
        file: file.into(),
        line,
        ..Frame::default()
    }
}

/// Two threads that queue for one GIL, each at a line of its own.
pub(crate) fn contended() -> Profile {
    let mut threads = vec![thread(1, "main"), thread(2, "worker-1")];
    for (thread, handoff_ns) in threads.iter_mut().zip([20 * MS, 10 * MS]) {
        thread.handoff_ns = handoff_ns;
        thread.caused_ns = 370 * MS + handoff_ns;
    }
    let pair = |waiter, holder, waiting_ns, longest_ns| Blame {
        waiter,
        holder,
        gil: 0,
        waiting_ns,
        waits: 2,
        longest_ns,
    };
    let mut parts = profile_of(threads).into_parts();
    parts.blame = vec![
        pair(1, 2, 380 * MS, 240 * MS),
        pair(2, 1, 390 * MS, 245 * MS),
    ];
    parts.gils = vec![Gil {
        pid: 42,
        holding_ns: 1000 * MS,
        waiting_ns: 800 * MS,
        caused_ns: 770 * MS,
        handoff_ns: 30 * MS,
        acquisitions: 4,
        switches: 4,
        waiters_max: 1,
        demand: Demand {
            held_ns: vec![0, 1000 * MS],
            passing_ns: 0,
        },
        ..Gil::default()
    }];
    parts.holds = vec![Hold {
        thread: 1,
        duration_ns: 300 * MS,
        waiters_max: 1,
        waiter_time_ns: 245 * MS,
        requested: true,
        ..Hold::default()
    }];
    parts.frames = vec![
        frame("crunch", "/srv/app/work.py", 10),
        frame("run", "/srv/app/work.py", 30),
        frame("main", "/srv/app.py", 5),
        frame("<module>", "/srv/app.py", 9),
    ];
    let site = |thread, stack: &[u32], weight_ns, samples| Site {
        thread,
        stack: stack.into(),
        weight_ns,
        samples,
        ..Site::default()
    };
    parts.sites = vec![
        site(1, &[0, 1, 2, 3], 380 * MS, 5),
        site(2, &[1], 370 * MS, 4),
    ];
    Profile::assemble(parts)
}

/// The same as looks from outside would show it.
pub(crate) fn sampled() -> Profile {
    let mut parts = contended().into_parts();
    parts.mode = Mode::Sampled;
    parts.samples = Some(Samples {
        count: 500,
        ..Samples::default()
    });
    (parts.events, parts.holds) = (0, Vec::new());
    for thread in &mut parts.threads {
        (thread.acquisitions, thread.contended, thread.waits) = (0, 0, 0);
        (thread.hold, thread.wait) = <(Distribution, Distribution)>::default();
    }
    for row in &mut parts.blame {
        (row.waits, row.longest_ns) = (0, 0);
    }
    Profile::assemble(parts)
}
