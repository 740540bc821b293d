use super::*;
use crate::frame::Frame;
use crate::profile::ProfileParts;
use crate::site::Site;

const SECOND: u64 = 1_000_000_000;

fn thread(id: u64, name: &str, holding_ns: u64, waiting_ns: u64) -> Thread {
    Thread {
        id,
        name: name.into(),
        lifetime_ns: SECOND,
        holding_ns,
        waiting_ns,
        detached_ns: SECOND.saturating_sub(holding_ns + waiting_ns),
        ..Thread::default()
    }
}

fn gil(index: u32, holding_ns: u64, waiting_ns: u64) -> Gil {
    Gil {
        index,
        holding_ns,
        free_ns: SECOND - holding_ns,
        waiting_ns,
        caused_ns: waiting_ns,
        acquisitions: 1_000,
        ..Gil::default()
    }
}

fn verdict(gils: Vec<Gil>, threads: Vec<Thread>) -> Verdict {
    Profile::assemble(ProfileParts {
        wall_ns: SECOND,
        switch_interval_ns: 5_000_000,
        gils,
        threads,
        ..ProfileParts::default()
    })
    .verdict()
}

#[test]
fn two_threads_that_share_a_full_gil_are_gil_bound_and_the_culprit_is_named() {
    let mut hog = thread(1, "hog", SECOND * 6 / 10, SECOND * 4 / 10);
    hog.caused_ns = SECOND * 6 / 10;
    let other = thread(2, "other", SECOND * 4 / 10, SECOND * 6 / 10);
    let verdict = verdict(vec![gil(0, SECOND, SECOND)], vec![hog, other]);
    assert_eq!(verdict.id, VerdictId::GilBound);
    assert_eq!(verdict.confidence, Confidence::High);
    assert_eq!(
        verdict.sentence,
        "GIL-bound: on average 1.0 threads wait for a GIL that is held 100 % of the time; \
         hog held it for 600 ms of the waiting."
    );
}

/// Two threads that share a full GIL; `hog` causes waiting of these weights, each at
/// another line.
fn hogged(weights: &[u64]) -> Profile {
    let mut hog = thread(1, "hog", SECOND * 6 / 10, SECOND * 4 / 10);
    hog.caused_ns = SECOND * 6 / 10;
    let other = thread(2, "other", SECOND * 4 / 10, SECOND * 6 / 10);
    let frame = |line| Frame {
        function: "crunch".into(),
        file: "app.py".into(),
        line,
        ..Frame::default()
    };
    let site = |thread, line: usize, weight_ns| Site {
        thread,
        stack: vec![line as u32],
        weight_ns,
        samples: 1,
        ..Site::default()
    };
    let own = weights.iter().enumerate();
    let mut sites: Vec<Site> = own
        .map(|(line, &weight_ns)| site(1, line, weight_ns))
        .collect();
    // The lines of those that cause less do not matter.
    sites.push(site(2, 0, SECOND));
    Profile::assemble(ProfileParts {
        wall_ns: SECOND,
        gils: vec![gil(0, SECOND, SECOND)],
        threads: vec![hog, other],
        frames: (1..10).map(frame).collect(),
        sites,
        ..ProfileParts::default()
    })
}

fn place_of_blame(profile: &Profile) -> Option<(String, String, String)> {
    let evidence = profile.verdict().evidence.into_iter();
    let mut rows = evidence.skip_while(|row| row.what != "held while others waited");
    let row = rows.nth(1)?;
    Some((row.what, row.value, row.meaning))
}

#[test]
fn the_line_that_caused_most_of_the_waiting_is_named() {
    let (what, value, meaning) = place_of_blame(&hogged(&[10, 30, 5])).unwrap();
    assert_eq!(
        (what.as_str(), value.as_str()),
        ("most of it at", "crunch (app.py:2)")
    );
    assert_eq!(meaning, "67 % of the waiting it caused");
}

#[test]
fn the_largest_of_many_parts_is_not_most_of_it() {
    let (what, value, _) = place_of_blame(&hogged(&[10, 12, 9])).unwrap();
    assert_eq!(
        (what.as_str(), value.as_str()),
        ("the largest part at", "crunch (app.py:2)")
    );
}

#[test]
fn without_stacks_no_line_is_named() {
    assert_eq!(place_of_blame(&hogged(&[])), None);
}

#[test]
fn a_gil_held_all_the_time_that_nobody_wants_is_not_the_problem() {
    let verdict = verdict(
        vec![gil(0, SECOND, 0)],
        vec![thread(1, "MainThread", SECOND, 0)],
    );
    assert_eq!(verdict.id, VerdictId::NotTheGil);
    assert!(verdict.sentence.contains("MainThread does all the work"));
}

#[test]
fn threads_that_are_detached_are_not_slowed_by_the_gil() {
    let threads = (1..=5).map(|id| thread(id, "io", SECOND / 200, SECOND / 500));
    let verdict = verdict(vec![gil(0, SECOND / 40, SECOND / 100)], threads.collect());
    assert_eq!(verdict.id, VerdictId::NotTheGil);
    assert_eq!(verdict.advice, None);
}

#[test]
fn holds_of_two_gils_are_not_added_up() {
    let gils = vec![gil(0, SECOND * 6 / 10, 0), gil(1, SECOND * 6 / 10, 0)];
    let threads = vec![thread(1, "a", SECOND / 2, 0), thread(2, "b", SECOND / 2, 0)];
    assert_eq!(verdict(gils, threads).id, VerdictId::NotTheGil);
}

#[test]
fn too_short_a_recording_gives_no_verdict() {
    let profile = Profile::assemble(ProfileParts {
        wall_ns: LEAST_WALL_NS - 1,
        gils: vec![gil(0, 10, 10)],
        ..ProfileParts::default()
    });
    assert_eq!(profile.verdict().id, VerdictId::NothingYet);
}

#[test]
fn a_duration_has_three_digits() {
    let texts = [12, 1_234, 45_600_000, 789_000_000, 1_500_000_000].map(duration);
    assert_eq!(texts, ["12 ns", "1.23 µs", "45.6 ms", "789 ms", "1.50 s"]);
}
