//! How the numbers were got, what they cost, and what they do not cover.

use gilprof::core::{Clock, CpuSource, Mode};
use gilprof::{Ended, Profile};

use super::document::Section;
use crate::duration::duration;
use crate::number::{count, percent, plural};

/// Sums that do not balance and are named.
const SHOWN: usize = 3;

/// Facts about the profile itself.
pub(crate) fn honesty(profile: &Profile) -> Section {
    let mut facts = vec![
        ("mode", mode(profile)),
        ("clock", clock(profile.clock()).into()),
        ("cpu time", cpu_time(profile)),
        ("kept by the host", stolen(profile)),
        ("switch interval", duration(profile.switch_interval_ns())),
        ("events", events(profile)),
        ("own cost", cost(profile)),
        ("not accounted for", unaccounted(profile)),
        ("ended", ended(profile.ended_how()).into()),
        ("sums", sums(profile)),
    ];
    if profile.mode() == Mode::Sampled {
        facts.retain(|(what, _)| *what != "events");
    }
    facts.extend(error(profile).map(|error| ("error", error)));
    facts.extend(missed(profile).map(|missed| ("samples", missed)));
    facts.extend(stacks(profile).map(|stacks| ("stacks", stacks)));
    facts.extend(native(profile).map(|reason| ("native functions", reason)));
    let counters = profile.counters_missing().map(String::from);
    facts.extend(counters.map(|reason| ("CPU counters", reason)));
    facts.extend(timeline(profile).map(|timeline| ("timeline", timeline)));
    let notes = profile.notes().iter();
    facts.extend(notes.map(|note| ("not covered", note.clone())));
    Section {
        heading: "How this was measured",
        facts: facts
            .into_iter()
            .map(|(what, fact)| (what.into(), fact))
            .collect(),
        ..Section::default()
    }
}

fn mode(profile: &Profile) -> String {
    let samples = profile.samples().copied().unwrap_or_default();
    match profile.mode() {
        Mode::Exact => String::from("exact: every acquire, wait and release was seen"),
        Mode::Sampled => format!(
            "sampled: the process was looked at from outside {}, {} apart on average; times are \
             estimates, counts and single holds and waits are not known",
            plural(samples.count, "time", "times"),
            duration(profile.wall_ns() / samples.count.saturating_sub(1).max(1)),
        ),
    }
}

/// How far off the times may be, in 95 of 100 cases; `None` where they are exact.
fn error(profile: &Profile) -> Option<String> {
    let samples = profile.samples()?;
    let points = |error_ns: f64, whole_ns: u64| 200.0 * error_ns / whole_ns.max(1) as f64;
    let lives = profile.threads().iter().map(|one| one.lifetime_ns);
    let lives_ns = lives.fold(0, u64::saturating_add);
    Some(format!(
        "GIL held: ± {:.1} points of {}; waiting: ± {:.1} points of {} (95 %)",
        points(samples.holding_error_ns, profile.wall_ns()),
        percent(held_ns(profile), profile.wall_ns()),
        points(samples.waiting_error_ns, lives_ns),
        percent(profile.waiting_ns(), lives_ns),
    ))
}

fn held_ns(profile: &Profile) -> u64 {
    let held = profile.gils().iter().map(|gil| gil.holding_ns);
    held.fold(0, u64::saturating_add)
}

/// Samples that told less than they should.
fn missed(profile: &Profile) -> Option<String> {
    let samples = profile.samples()?;
    Some(format!(
        "{} late for want of a CPU, {} given up while the GIL changed hands, {} of a waiter not \
         known",
        percent(samples.late, samples.count),
        count(samples.torn),
        count(samples.unplaced)
    ))
}

fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Tsc => "the processor's time-stamp counter",
        Clock::Monotonic => "the kernel's CLOCK_MONOTONIC",
    }
}

fn cpu_time(profile: &Profile) -> String {
    if profile.threads().iter().all(|one| one.cpu_ns.is_none()) {
        return String::from("n/a (no thread's CPU clock was read)");
    }
    let away = match profile.cpu_source() {
        CpuSource::Perf => "/proc (schedstat) and task-clock counters (perf_event_open)".into(),
        CpuSource::Schedstat => "/proc (schedstat)".into(),
        CpuSource::None(reason) => format!("n/a ({reason})"),
    };
    if profile.mode() == Mode::Sampled {
        return format!("{away}, shared by the times that a thread was seen ready to run");
    }
    format!(
        "each thread's own CPU clock, read when it takes or leaves the GIL, 2 ms apart (16 ms \
         where it seldom holds) and around longer holds; of threads that stay away from it: {away}"
    )
}

/// CPU time that a virtual machine did not get.
fn stolen(profile: &Profile) -> String {
    match profile.stolen_ns() {
        None => String::from("n/a (/proc/stat does not tell)"),
        Some(0) => String::from("0 s of CPU time"),
        Some(ns) => format!(
            "{} of CPU time, {} of a CPU: it is in no thread's, and up to as much of what \
             threads seem to be blocked for may be that",
            duration(ns),
            percent(ns, profile.wall_ns()),
        ),
    }
}

fn ended(ended: Ended) -> &'static str {
    match ended {
        Ended::Running => "not yet: the program was running when this was taken",
        Ended::Stopped => "the recording was stopped",
        Ended::Exited => "the program ended by itself",
        Ended::Killed => "the program was killed by a signal",
    }
}

fn events(profile: &Profile) -> String {
    let seen = count(profile.events());
    match profile.dropped() {
        0 => format!("{seen} seen, 0 lost"),
        lost => format!(
            "{seen} seen, {} lost: who waited for whom and the worst holds lack them, all other \
             numbers are complete (a greater --ring loses fewer)",
            count(lost)
        ),
    }
}

fn cost(profile: &Profile) -> String {
    match profile.overhead_ns() {
        Some(cost) => format!(
            "{}, {} of the run's time",
            duration(cost),
            percent(cost, profile.wall_ns())
        ),
        None => String::from("n/a (not measured)"),
    }
}

/// Why there are no stacks, or of how many samples they are; `None` where there was
/// nothing to take one of.
fn stacks(profile: &Profile) -> Option<String> {
    let samples = profile.sites().iter().map(|site| site.samples);
    let samples = samples.fold(0, u64::saturating_add);
    match (profile.stacks_missing(), samples, profile.stacks_lost()) {
        (Some(reason), 0, _) => Some(reason.into()),
        (_, 0, 0) => None,
        (_, _, lost) => Some(format!(
            "sampled{}: {}, {} lost",
            match profile.mode() {
                Mode::Exact => ", unlike the times of threads",
                Mode::Sampled => "",
            },
            plural(samples, "sample", "samples"),
            count(lost)
        )),
    }
}

/// Why native functions are not known, where stacks are.
fn native(profile: &Profile) -> Option<String> {
    let reason = profile.native_missing()?;
    let with_stacks = profile.stacks_missing().is_none();
    with_stacks.then(|| reason.into())
}

/// How many single events were kept; `None` where that was not asked for.
fn timeline(profile: &Profile) -> Option<String> {
    let timeline = profile.timeline()?;
    Some(format!(
        "{} kept, {} older ones forgotten",
        plural(timeline.len() as u64, "event", "events"),
        count(timeline.forgotten())
    ))
}

fn unaccounted(profile: &Profile) -> String {
    match profile.unaccounted_threads() {
        0 => String::from("0 threads"),
        threads => format!(
            "{}: in their GIL's sums only (a greater --threads has room for more)",
            plural(threads, "thread", "threads")
        ),
    }
}

const BALANCE: &str =
    "balance: holding + waiting + detached = lifetime, caused + hand-off = waiting";

/// What the second of these sums lacks.
fn unattributed(profile: &Profile) -> String {
    match profile.unattributed_ns() {
        0 => String::new(),
        ns => format!(
            ", but for {} of waiting whose holder was not seen",
            duration(ns)
        ),
    }
}

fn sums(profile: &Profile) -> String {
    let broken = profile.imbalances();
    if broken.is_empty() {
        return String::from(BALANCE) + &unattributed(profile);
    }
    let shown: Vec<String> = broken.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = match broken.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("; and {} more", count(more as u64)),
    };
    format!("do not balance: {}{more}", shown.join("; "))
}

#[cfg(test)]
mod tests {
    use gilprof::core::{Samples, Timeline};

    use super::*;
    use crate::sample;

    fn fact(profile: &Profile, what: &str) -> String {
        let facts = honesty(profile).facts;
        let found = facts.into_iter().find(|(name, _)| name == what);
        found.map(|(_, fact)| fact).unwrap()
    }

    #[test]
    fn sums_that_balance_are_said_to() {
        let sums = fact(&sample::contended(), "sums");
        assert!(sums.starts_with("balance: "), "{sums}");
    }

    #[test]
    fn waiting_that_nobody_is_blamed_for_is_told() {
        let mut parts = sample::contended().into_parts();
        parts.dropped = 1;
        parts.blame.pop();
        let sums = fact(&Profile::assemble(parts), "sums");
        assert!(
            sums.ends_with("but for 390 ms of waiting whose holder was not seen"),
            "{sums}"
        );
    }

    #[test]
    fn sums_that_do_not_balance_are_named() {
        let mut parts = sample::contended().into_parts();
        parts.threads[0].detached_ns += 5;
        let sums = fact(&Profile::assemble(parts), "sums");
        assert!(sums.starts_with("do not balance: "), "{sums}");
        assert!(sums.contains("1000000005 ns"), "{sums}");
    }

    #[test]
    fn lost_events_are_counted_and_explained() {
        let mut parts = sample::contended().into_parts();
        parts.dropped = 1_234;
        let events = fact(&Profile::assemble(parts), "events");
        assert!(events.starts_with("12,345 seen, 1,234 lost: "), "{events}");
    }

    #[test]
    fn a_sampled_profile_says_how_often_and_how_far_off() {
        let mut parts = sample::contended().into_parts();
        parts.mode = Mode::Sampled;
        parts.samples = Some(Samples {
            count: 501,
            holding_error_ns: 5e6,
            waiting_error_ns: 20e6,
            ..Samples::default()
        });
        let profile = Profile::assemble(parts);
        let mode = fact(&profile, "mode");
        assert!(mode.starts_with("sampled: "), "{mode}");
        assert!(mode.contains("501 times, 2.00 ms apart"), "{mode}");
        assert_eq!(
            fact(&profile, "error"),
            "GIL held: ± 1.0 points of 100 %; waiting: ± 2.0 points of 40 % (95 %)"
        );
        assert!(
            !honesty(&profile)
                .facts
                .iter()
                .any(|(what, _)| what == "events")
        );
    }

    #[test]
    fn what_the_host_kept_is_said_and_what_is_not_known_is_not_zero() {
        let mut parts = sample::contended().into_parts();
        let said = |parts| fact(&Profile::assemble(parts), "kept by the host");
        assert!(said(parts.clone()).starts_with("n/a ("));
        parts.stolen_ns = Some(0);
        assert_eq!(said(parts.clone()), "0 s of CPU time");
        parts.stolen_ns = Some(40_000_000);
        let much = said(parts);
        assert!(
            much.starts_with("40.0 ms of CPU time, 4 % of a CPU: "),
            "{much}"
        );
    }

    #[test]
    fn stacks_are_said_to_be_sampled() {
        let mut parts = sample::contended().into_parts();
        parts.stacks_lost = 1_234;
        let stacks = fact(&Profile::assemble(parts), "stacks");
        assert_eq!(
            stacks,
            "sampled, unlike the times of threads: 9 samples, 1,234 lost"
        );
    }

    #[test]
    fn stacks_that_are_missing_have_a_reason() {
        let mut parts = sample::profile_of(Vec::new()).into_parts();
        parts.stacks_missing = Some(String::from("n/a (switched off)"));
        let stacks = fact(&Profile::assemble(parts), "stacks");
        assert_eq!(stacks, "n/a (switched off)");
    }

    #[test]
    fn a_timeline_says_how_much_it_kept() {
        let mut parts = sample::contended().into_parts();
        parts.timeline = Some(Timeline::with_room(1));
        let timeline = fact(&Profile::assemble(parts), "timeline");
        assert_eq!(timeline, "0 events kept, 0 older ones forgotten");
    }

    #[test]
    fn where_cpu_time_comes_from_is_said() {
        let mut parts = sample::contended().into_parts();
        let unread = fact(&Profile::assemble(parts.clone()), "cpu time");
        assert!(unread.starts_with("n/a ("), "{unread}");
        parts.threads[0].cpu_ns = Some(1);
        for (source, said) in [
            (CpuSource::Perf, "(perf_event_open)"),
            (CpuSource::Schedstat, "/proc (schedstat)"),
            (CpuSource::None(String::from("no /proc")), "n/a (no /proc)"),
        ] {
            parts.cpu_source = source;
            let told = fact(&Profile::assemble(parts.clone()), "cpu time");
            assert!(told.ends_with(said), "{told}");
        }
    }

    #[test]
    fn each_note_is_a_fact() {
        let mut parts = sample::contended().into_parts();
        parts.notes = vec![String::from("2 Python processes were not recorded")];
        let note = fact(&Profile::assemble(parts), "not covered");
        assert_eq!(note, "2 Python processes were not recorded");
    }
}
