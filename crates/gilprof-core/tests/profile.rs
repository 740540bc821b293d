//! Profiles of random recordings: they balance, and so do their differences and merges.

#[allow(dead_code, reason = "only the scripts are used here")]
mod oracle;

use gilprof_core::{By, Frame, Ledger, Profile, ProfileParts, Site, SiteKind, Thread};
use oracle::{GROUPS, Step, Writer, choices};
use proptest::prelude::*;

/// The profile after a part of a script.
fn profile(script: &[Step], recording: &str) -> Profile {
    let mut ledger = Ledger::new(0);
    for &step in script {
        match step {
            Step::Event(event) => ledger.apply(event),
            Step::Lost => ledger.lost(3),
        }
    }
    let account = ledger.at(0);
    let sites = account.threads.iter().flat_map(sites).collect();
    Profile::assemble(ProfileParts {
        frames: ["odd", "even"].map(frame).into(),
        sites,
        recording: recording.into(),
        wall_ns: account.at_ns,
        events: account.events,
        dropped: account.lost,
        threads: account.threads.into_iter().map(named).collect(),
        gils: vec![account.gil],
        blame: account.blame,
        holds: account.holds,
        history: account.history,
        ..ProfileParts::default()
    })
}

fn frame(kind: &str) -> Frame {
    Frame {
        function: kind.into(),
        ..Frame::default()
    }
}

/// All that a thread caused and held, in the stack that its group has too.
fn sites(thread: &Thread) -> [Site; 2] {
    let stack = vec![u32::from(thread.id.is_multiple_of(2))];
    let weights = [
        (SiteKind::Blame, thread.caused_ns),
        (SiteKind::Hold, thread.holding_ns),
    ];
    weights.map(|(kind, weight_ns)| Site {
        kind,
        thread: thread.id,
        stack: stack.clone(),
        weight_ns,
        samples: 1,
        ..Site::default()
    })
}

fn weight(profile: &Profile, kind: SiteKind) -> u64 {
    let sites = profile.sites_of(kind).iter();
    sites.map(|site| site.weight_ns).sum()
}

/// A thread with the name that folds into its group's.
fn named(thread: Thread) -> Thread {
    let group = thread.id >= GROUPS;
    let kind = if thread.id.is_multiple_of(2) {
        "even"
    } else {
        "odd"
    };
    let number = if group {
        "*".into()
    } else {
        thread.id.to_string()
    };
    Thread {
        name: format!("{kind}-{number}"),
        native_id: (!group).then_some(thread.id as u32),
        ..thread
    }
}

fn sum(profile: &Profile, part: fn(&Thread) -> u64) -> u64 {
    profile.threads().iter().map(part).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_recording_balances_and_is_loaded_as_it_was_saved(choices in choices()) {
        let profile = profile(&Writer::write(&choices, true), "a");
        prop_assert_eq!(profile.imbalances(), vec![]);
        let loaded = Profile::from_json(&profile.to_json().unwrap()).unwrap();
        prop_assert_eq!(loaded, profile);
    }

    #[test]
    fn a_difference_is_what_was_added_and_balances(choices in choices(), part in 0.0f64..1.0) {
        let script = Writer::write(&choices, true);
        let cut = (script.len() as f64 * part) as usize;
        let (earlier, later) = (profile(&script[..cut], "a"), profile(&script, "a"));
        let window = later.difference(&earlier).unwrap();
        prop_assert_eq!(window.imbalances(), vec![]);
        let counted: [fn(&Thread) -> u64; 4] =
            [|t| t.holding_ns, |t| t.caused_ns, |t| t.waits, |t| t.acquisitions];
        for part in counted {
            prop_assert_eq!(sum(&window, part), sum(&later, part) - sum(&earlier, part));
        }
        // What was taken for detached at first is not counted twice.
        let timed: [fn(&Thread) -> u64; 2] = [|t| t.waiting_ns, |t| t.handoff_ns];
        for part in timed {
            prop_assert!(sum(&window, part) <= sum(&later, part) - sum(&earlier, part));
        }
        let blame = |p: &Profile| p.blame().iter().map(|row| row.waiting_ns).sum::<u64>();
        prop_assert_eq!(blame(&window), blame(&later) - blame(&earlier));
        for kind in [SiteKind::Blame, SiteKind::Hold] {
            prop_assert_eq!(weight(&window, kind), weight(&later, kind) - weight(&earlier, kind));
        }
    }

    #[test]
    fn a_merge_is_the_sum_and_balances(one in choices(), other in choices()) {
        let one = profile(&Writer::write(&one, true), "a");
        let other = profile(&Writer::write(&other, true), "b");
        let merged = Profile::merge(&[one.clone(), other.clone()]).unwrap();
        prop_assert_eq!(merged.waiting_ns(), one.waiting_ns() + other.waiting_ns());
        prop_assert_eq!(merged.unattributed_ns(), one.unattributed_ns() + other.unattributed_ns());
        prop_assert_eq!(merged.imbalances(), vec![]);
        for kind in [SiteKind::Blame, SiteKind::Hold] {
            prop_assert_eq!(weight(&merged, kind), weight(&one, kind) + weight(&other, kind));
        }
        prop_assert!(Profile::from_json(&merged.to_json().unwrap()).is_ok());
    }

    #[test]
    fn damaged_text_is_refused_or_read_but_never_a_panic(choices in choices(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut json = profile(&Writer::write(&choices, false), "a").to_json().unwrap().into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        if let Ok(text) = String::from_utf8(json) && let Ok(damaged) = Profile::from_json(&text) {
            damaged.imbalances();
            damaged.verdict();
            damaged.query().between(0, damaged.wall_ns().max(1)).rows().ok();
            damaged.query().by(By::Site).rows().ok();
            Profile::merge(&[damaged.clone(), damaged.clone()]).unwrap();
            damaged.difference(&damaged).unwrap();
        }
    }
}
