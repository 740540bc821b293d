//! How the numbers were got, what they cost, and what they do not cover.

use gilprof::core::{Clock, Mode};
use gilprof::{Ended, Profile};

use super::document::Section;
use crate::duration::duration;
use crate::number::{count, percent, plural};

/// Facts about the profile itself.
pub(crate) fn honesty(profile: &Profile) -> Section {
    let mut facts = vec![
        ("mode", mode(profile.mode()).into()),
        ("clock", clock(profile.clock()).into()),
        ("switch interval", duration(profile.switch_interval_ns())),
        ("events", events(profile)),
        ("own cost", cost(profile)),
        ("not accounted for", unaccounted(profile)),
        ("ended", ended(profile.ended_how()).into()),
        ("sums", sums(profile)),
    ];
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

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Exact => "exact: every acquire, wait and release was seen, nothing sampled",
    }
}

fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Tsc => "the processor's time-stamp counter",
        Clock::Monotonic => "the kernel's CLOCK_MONOTONIC",
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

fn unaccounted(profile: &Profile) -> String {
    match profile.unaccounted_threads() {
        0 => String::from("0 threads"),
        threads => format!(
            "{}: in their GIL's sums only (a greater --threads has room for more)",
            plural(threads, "thread", "threads")
        ),
    }
}

fn sums(profile: &Profile) -> String {
    let broken = profile.imbalances();
    if broken.is_empty() {
        return String::from(
            "balance: holding + waiting + detached = lifetime, caused + hand-off = waiting",
        );
    }
    let broken: Vec<String> = broken.iter().map(ToString::to_string).collect();
    format!("do not balance: {}", broken.join("; "))
}
