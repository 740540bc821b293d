//! How much faster the program could be at most, if something were otherwise.

use gilprof::core::{FindingId, WhatIf};
use gilprof::{Finding, Profile};

use super::document::Section;

/// A fact for each thing that could be otherwise, on the CPUs that the program could
/// use; `None` where too little was recorded, or where they are not known.
pub(crate) fn what_if(profile: &Profile, verdict: &Finding) -> Option<Section> {
    let cpus = profile.cpus()?;
    (verdict.id != FindingId::NothingYet).then(|| Section {
        heading: "What would help",
        aside: String::from("upper bounds: what could be gained at most, not what will be"),
        facts: profile.what_if(cpus).into_iter().map(fact).collect(),
        ..Section::default()
    })
}

fn fact(row: WhatIf) -> (String, String) {
    let missing = || row.missing.unwrap_or_default();
    let told = row.speed_up.map(|speed_up| {
        let bound = format!("at most {speed_up:.2} times as fast");
        format!("{bound}, if {}", row.assumption)
    });
    let what = super::labels::harmless(&row.what);
    (what, told.unwrap_or_else(missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn facts(profile: &Profile) -> Vec<(String, String)> {
        let section = what_if(profile, &profile.verdict());
        section.map_or_else(Vec::new, |section| section.facts)
    }

    #[test]
    fn a_bound_is_told_with_what_it_assumes() {
        let facts = facts(&sample::contended());
        assert_eq!(facts[0].0, "no GIL, on 2 CPUs");
        assert!(
            facts[0]
                .1
                .starts_with("at most 2.00 times as fast, if each thread"),
            "{}",
            facts[0].1
        );
    }

    #[test]
    fn a_bound_that_is_not_known_has_its_reason() {
        let mut parts = sample::contended().into_parts();
        parts.gils[0].demand.held_ns.clear();
        let facts = facts(&Profile::assemble(parts));
        assert!(facts[0].1.starts_with("n/a ("), "{}", facts[0].1);
    }

    #[test]
    fn of_nothing_nothing_is_told() {
        assert!(facts(&sample::profile_of(Vec::new())).is_empty());
    }
}
