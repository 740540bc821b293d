use super::*;
use crate::blame::Blame;
use crate::blocked::{Blocked, BlockedOn};
use crate::distribution::Distribution;
use crate::frame::Frame;
use crate::gil::Gil;
use crate::overrun::Overrun;
use crate::profile::ProfileParts;
use crate::site::{Site, SiteKind};
use crate::state::State;
use crate::thread::Thread;

mod churn;
mod held;
mod outside;
mod queue;
mod supply;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// A thread that lives for a second and is on a CPU whenever it holds.
fn thread(id: u64, name: &str, holding_ms: u64, waiting_ms: u64) -> Thread {
    let (holding_ns, waiting_ns) = (holding_ms * MS, waiting_ms * MS);
    Thread {
        id,
        name: name.into(),
        members: 1,
        lifetime_ns: SECOND,
        holding_ns,
        waiting_ns,
        detached_ns: SECOND.saturating_sub(holding_ns + waiting_ns),
        acquisitions: 100,
        waits: 100,
        holding_cpu_ns: Some(holding_ns),
        holding_preempted_ns: Some(0),
        holding_blocked_ns: Some(0),
        detached_cpu_ns: Some(0),
        hold: of(holding_ns, 100),
        wait: of(waiting_ns, 100),
        ..Thread::default()
    }
}

/// That much in so many equal durations.
fn of(total_ns: u64, count: u64) -> Distribution {
    let mut all = Distribution::empty();
    (0..count).for_each(|_| all.record(total_ns / count));
    all
}

/// A second of a GIL that these threads used; all waiting has a holder.
fn gil(index: u32, threads: &[Thread]) -> Gil {
    let sum = |part: fn(&Thread) -> u64| threads.iter().map(part).sum::<u64>();
    let holding_ns = sum(|one| one.holding_ns);
    Gil {
        index,
        holding_ns,
        free_ns: SECOND.saturating_sub(holding_ns),
        waiting_ns: sum(|one| one.waiting_ns),
        caused_ns: sum(|one| one.waiting_ns) - sum(|one| one.handoff_ns),
        handoff_ns: sum(|one| one.handoff_ns),
        acquisitions: 1_000,
        switches: 500,
        ..Gil::default()
    }
}

/// A second of these threads, which share one GIL.
fn parts(threads: Vec<Thread>) -> ProfileParts {
    ProfileParts {
        python: String::from("3.11.7"),
        wall_ns: SECOND,
        switch_interval_ns: 5 * MS,
        cpus: Some(2),
        gils: vec![gil(0, &threads)],
        threads,
        native_missing: Some(String::from("n/a (not allowed)")),
        blocked_missing: Some(String::from("n/a (not allowed)")),
        ..ProfileParts::default()
    }
}

/// The first waited for the second that long, in so many waits.
fn waited(waiter: u64, holder: u64, waiting_ms: u64, waits: u64) -> Blame {
    Blame {
        waiter,
        holder,
        gil: 0,
        waiting_ns: waiting_ms * MS,
        waits,
        longest_ns: waiting_ms * MS / waits,
    }
}

/// Two threads that take turns of a switch interval.
fn turns() -> ProfileParts {
    let mut threads = vec![thread(1, "hog", 500, 480), thread(2, "other", 480, 500)];
    (threads[0].caused_ns, threads[1].caused_ns) = (500 * MS, 480 * MS);
    let mut parts = parts(threads);
    parts.blame = vec![waited(2, 1, 500, 95), waited(1, 2, 480, 95)];
    parts
}

/// Frames of Python, one a line of `app.py`.
fn lines(parts: &mut ProfileParts, lines: std::ops::Range<u32>) {
    parts.frames.extend(lines.map(|line| Frame {
        function: "crunch".into(),
        file: "app.py".into(),
        line,
        native: false,
    }));
}

/// A site whose innermost frames have these indexes.
fn site(kind: SiteKind, thread: u64, frame: u32, weight_ms: u64) -> Site {
    Site {
        kind,
        thread,
        stack: vec![frame],
        native: Vec::new(),
        weight_ns: weight_ms * MS,
        samples: weight_ms,
        ..Site::default()
    }
}

fn native(function: &str, file: &str) -> Frame {
    Frame {
        function: function.into(),
        file: file.into(),
        line: 0,
        native: true,
    }
}

fn blocked(thread: u64, state: State, call: &str, on: BlockedOn, weight_ms: u64) -> Blocked {
    Blocked {
        thread,
        state,
        call: call.into(),
        on: Some(on),
        weight_ns: weight_ms * MS,
        samples: weight_ms,
        ..Blocked::default()
    }
}

fn findings(parts: ProfileParts) -> Vec<Finding> {
    Profile::assemble(parts).findings()
}

fn ids(parts: ProfileParts) -> Vec<&'static str> {
    let findings = findings(parts);
    findings.iter().map(|finding| finding.id.as_str()).collect()
}

fn verdict(parts: ProfileParts) -> Finding {
    Profile::assemble(parts).verdict()
}

fn row<'f>(finding: &'f Finding, what: &str) -> Option<&'f Evidence> {
    finding.evidence.iter().find(|row| row.what == what)
}

#[test]
fn a_verdict_is_the_first_finding() {
    let profile = Profile::assemble(turns());
    assert_eq!(
        Some(profile.verdict()),
        profile.findings().into_iter().next()
    );
}

#[test]
fn findings_come_by_what_they_cost() {
    let mut parts = turns();
    parts.threads[0].holding_preempted_ns = Some(300 * MS);
    parts.threads[0].holding_cpu_ns = Some(200 * MS);
    parts.threads[1].holding_preempted_ns = Some(300 * MS);
    parts.threads[1].holding_cpu_ns = Some(180 * MS);
    let findings = findings(parts);
    assert!(findings.len() > 1, "{findings:?}");
    assert!(findings.is_sorted_by(|a, b| a.cost_ns >= b.cost_ns));
}

#[test]
fn what_the_rules_charge_is_no_more_than_the_waiting() {
    let gil_ns = |parts: ProfileParts| -> (u64, u64) {
        let waiting_ns = parts.gils[0].waiting_ns;
        let profile = Profile::assemble(parts);
        let shares = Shares::of(&Gauge::of(&profile, &profile.gils()[0]));
        let holds = shares.blocked_ns + shares.gc_ns + shares.long_ns + shares.deaf_ns;
        let sum = holds + shares.plain_ns;
        (sum + shares.handoff_ns, waiting_ns)
    };
    let (charged, waiting) = gil_ns(turns());
    assert_eq!(charged, waiting);
}

#[test]
fn nothing_that_any_rule_knows_is_not_the_gil() {
    let verdict = verdict(parts(vec![thread(1, "a", 100, 10), thread(2, "b", 80, 10)]));
    assert_eq!((verdict.id, verdict.advice), (FindingId::NotTheGil, None));
}

#[test]
fn too_short_a_recording_gives_no_verdict() {
    let mut parts = turns();
    parts.wall_ns = LEAST_WALL_NS - 1;
    assert_eq!(verdict(parts.clone()).id, FindingId::NothingYet);
    assert!(findings(parts).is_empty());
}

#[test]
fn one_long_hold_is_few_takes_of_the_gil_and_yet_something_to_say() {
    let mut parts = turns();
    parts.gils[0].acquisitions = 3;
    assert_ne!(verdict(parts).id, FindingId::NothingYet);
}

#[test]
fn a_finding_that_several_gils_have_is_told_once_of_the_worst() {
    let mut one = turns();
    let mut threads = turns().threads;
    for thread in &mut threads {
        (thread.gil, thread.id) = (1, thread.id + 10);
        thread.caused_ns /= 2;
        thread.waiting_ns /= 2;
    }
    one.gils.push(gil(1, &threads));
    one.threads.extend(threads);
    let findings = findings(one);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert!(findings[0].sentence.contains("1.0 threads"), "{findings:?}");
}

#[test]
fn an_id_is_saved_as_its_word() {
    for id in [
        FindingId::GilBound,
        FindingId::HandOff,
        FindingId::TooManyThreads,
    ] {
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("{:?}", id.as_str()));
    }
}

#[test]
fn without_a_gil_its_threads_are_said_to_run() {
    let mut parts = turns();
    parts.gils[0].enabled = Some(false);
    for thread in &mut parts.threads {
        thread.detached_cpu_ns = Some(500 * MS);
        thread.holding_cpu_ns = Some(0);
    }
    let count = parts.threads.len();
    let findings = findings(parts);
    assert_eq!(findings[0].id, FindingId::NoGil, "{findings:?}");
    let busy = format!("keep {:.1} CPUs busy", 0.5 * count as f64);
    assert!(findings[0].sentence.contains(&busy), "{findings:?}");
    assert!(!ids(turns()).contains(&"no-gil"));
}

#[test]
fn what_switched_a_gil_on_is_named_before_what_it_costs() {
    let mut parts = turns();
    parts.gils[0].enabled = Some(true);
    parts.gils[0].needed_by = vec![String::from("one"), String::from("two")];
    let found = findings(parts.clone());
    assert_eq!(found[0].id, FindingId::NoGil, "{found:?}");
    assert!(found[0].sentence.contains("for one, two;"), "{found:?}");
    assert_eq!(found[1].id, findings(turns())[0].id);
    parts.gils[0].needed_by.clear();
    assert!(findings(parts)[0].sentence.contains("is not known"));
}
