//! What a report says, before it is laid out as text or Markdown.

mod blame;
mod blocked;
mod counters;
mod document;
mod gils;
mod holds;
mod honesty;
mod labels;
mod latencies;
mod on_cpu;
mod processes;
mod sites;
mod spans;
mod threads;
mod verdict;
mod what_if;

use gilprof::Profile;

pub(crate) use document::{Bar, Cell, Column, Document, Section, Table, Tone};

pub(crate) use labels::{Labels, harmless};
pub(crate) use sites::each as each_site;
pub(crate) use verdict::tone;

/// All that a report says of a profile, the most important first.
pub(crate) fn document(profile: &Profile) -> Document {
    let labels = Labels::of(profile);
    let verdict = profile.verdict();
    let what_if = what_if::what_if(profile, &verdict);
    let (title, tone, verdict) = verdict::verdict(profile, verdict);
    let sections = [
        Some(verdict),
        verdict::further(profile),
        processes::processes(profile),
        threads::threads(profile, &labels),
        spans::spans(profile),
        on_cpu::on_cpu(profile, &labels),
        counters::counters(profile, &labels),
        latencies::latencies(profile, &labels),
        gils::gils(profile),
        blame::blame(profile, &labels),
        sites::sites(profile, &labels),
        holds::holds(profile, &labels),
        blocked::blocked(profile, &labels),
        what_if,
        Some(honesty::honesty(profile)),
    ];
    Document {
        title,
        tone,
        sections: sections.into_iter().flatten().collect(),
    }
}
