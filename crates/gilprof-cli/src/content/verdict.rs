//! The verdict, why it is so, and the run it is about.

use gilprof::Profile;
use gilprof::core::VerdictId;

use super::document::{Section, Tone};
use crate::duration::duration;
use crate::number::{percent, plural};

/// The title, how it is to be taken, and what stands right under it.
pub(crate) fn verdict(profile: &Profile) -> (String, Tone, Section) {
    let verdict = profile.verdict();
    let tone = match verdict.id {
        VerdictId::GilBound => Tone::Bad,
        VerdictId::NotTheGil => Tone::Good,
        VerdictId::NothingYet => Tone::Neutral,
    };
    let confidence = verdict.confidence.as_str();
    let mut facts = vec![(String::from("confidence"), confidence.into())];
    for evidence in verdict.evidence {
        facts.push((
            evidence.what,
            format!("{} — {}", evidence.value, evidence.meaning),
        ));
    }
    if let Some(advice) = verdict.advice {
        facts.push((String::from("advice"), advice));
    }
    facts.push((String::from("run"), run(profile)));
    let section = Section {
        facts,
        ..Section::default()
    };
    (verdict.sentence, tone, section)
}

fn run(profile: &Profile) -> String {
    let threads = profile.threads().iter().map(|thread| thread.members).sum();
    let mut run = format!(
        "{}, Python {}, pid {}, {}",
        duration(profile.wall_ns()),
        profile.python(),
        profile.pid(),
        plural(threads, "thread", "threads"),
    );
    match profile.gils() {
        [gil] => {
            let held = percent(gil.holding_ns, gil.holding_ns + gil.free_ns);
            run += &format!(", GIL held {held} of the time");
        }
        gils => run += &format!(", {}", plural(gils.len() as u64, "GIL", "GILs")),
    }
    run
}
