//! The verdict, why it is so, the run it is about, and what else was found.

use gilprof::core::FindingId;
use gilprof::{Finding, Profile};

use super::document::{Section, Tone};
use crate::duration::duration;
use crate::number::{percent, plural};

/// The title, how it is to be taken, and what stands right under it.
pub(crate) fn verdict(profile: &Profile, verdict: Finding) -> (String, Tone, Section) {
    let tone = tone(&verdict);
    let confidence = verdict.confidence.as_str();
    let mut facts = vec![
        (String::from("finding"), verdict.id.as_str().into()),
        (String::from("confidence"), confidence.into()),
    ];
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

/// The findings after the first, each with its sentence; none where there are no more.
pub(crate) fn further(profile: &Profile) -> Option<Section> {
    let findings = profile.findings().into_iter().skip(1);
    let facts: Vec<(String, String)> = findings
        .map(|finding| (finding.id.as_str().into(), finding.sentence))
        .collect();
    (!facts.is_empty()).then(|| Section {
        heading: "Also found",
        facts,
        ..Section::default()
    })
}

/// How a verdict is to be taken.
pub(crate) fn tone(verdict: &Finding) -> Tone {
    match verdict.id {
        id if id.is_gil() => Tone::Bad,
        FindingId::NotTheGil | FindingId::ParallelNative | FindingId::NoGil => Tone::Good,
        _ => Tone::Neutral,
    }
}

fn run(profile: &Profile) -> String {
    let threads = profile.threads().iter().map(|thread| thread.members).sum();
    let mut run = format!(
        "{}, Python {}, {}, {}",
        duration(profile.wall_ns()),
        profile.python(),
        match profile.processes().len() {
            ..2 => format!("pid {}", profile.pid()),
            many => plural(many as u64, "process", "processes"),
        },
        plural(threads, "thread", "threads"),
    );
    if let Some(cpus) = profile.cpus() {
        run += &format!(", {}", plural(cpus.into(), "CPU", "CPUs"));
    }
    match profile.gils() {
        [gil] if gil.enabled == Some(false) => run += ", GIL off",
        [gil] => {
            let held = percent(gil.holding_ns, gil.holding_ns + gil.free_ns);
            run += &format!(", GIL held {held} of the time");
        }
        gils => run += &format!(", {}", plural(gils.len() as u64, "GIL", "GILs")),
    }
    run
}
