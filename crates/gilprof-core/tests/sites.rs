//! Random sites: nothing is lost or made up when profiles are put together, saved,
//! subtracted and merged.

use std::collections::BTreeMap;

use gilprof_core::{Frame, Profile, ProfileParts, Site, SiteKind, Thread};
use proptest::collection::vec;
use proptest::prelude::*;

const THREADS: u64 = 3;

/// Few of them, so that many are equal.
fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let frame = (0_u32..4, 1_u32..3).prop_map(|(function, line)| Frame {
        function: format!("f{function}"),
        file: "a.py".into(),
        line,
        native: false,
    });
    vec(frame, 1..12)
}

fn sites() -> impl Strategy<Value = Vec<Site>> {
    let kinds = [
        SiteKind::Blame,
        SiteKind::Wait,
        SiteKind::Hold,
        SiteKind::Detached,
    ];
    let kind = prop::sample::select(kinds.to_vec());
    let site = (
        kind,
        1..=THREADS,
        vec(0_u32..12, 0..4),
        vec(0_u32..12, 0..2),
        0_u64..100,
        1_u64..5,
    );
    let site = site.prop_map(|(kind, thread, stack, native, weight_ns, samples)| Site {
        kind,
        thread,
        stack,
        native,
        weight_ns,
        samples,
        seen_ns: weight_ns / samples,
    });
    vec(site, 0..30)
}

fn parts(frames: Vec<Frame>, sites: Vec<Site>) -> ProfileParts {
    let thread = |id| Thread {
        id,
        ..Thread::default()
    };
    ProfileParts {
        recording: "a".into(),
        threads: (1..=THREADS).map(thread).collect(),
        frames,
        sites,
        ..ProfileParts::default()
    }
}

/// Kind, thread and frames of both stacks.
type Key = (SiteKind, u64, Vec<Frame>, Vec<Frame>);

/// Weights and samples by what each stack says, added up one by one.
fn naive(frames: &[Frame], sites: &[Site]) -> BTreeMap<Key, (u64, u64)> {
    let mut sums: BTreeMap<Key, (u64, u64)> = BTreeMap::new();
    let named = |stack: &[u32]| -> Vec<Frame> {
        let frames = stack
            .iter()
            .map(|&index| frames.get(index as usize).cloned());
        frames.collect::<Option<_>>().unwrap_or_default()
    };
    for site in sites {
        let stacks = (named(&site.stack), named(&site.native));
        let key = (site.kind, site.thread, stacks.0, stacks.1);
        let sum = sums.entry(key).or_default();
        *sum = (sum.0 + site.weight_ns, sum.1 + site.samples);
    }
    sums.retain(|_, (weight_ns, _)| *weight_ns > 0);
    sums
}

fn found(profile: &Profile) -> BTreeMap<Key, (u64, u64)> {
    naive(profile.frames(), profile.sites())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_profile_has_what_its_parts_have(frames in frames(), sites in sites()) {
        let profile = Profile::assemble(parts(frames.clone(), sites.clone()));
        prop_assert_eq!(found(&profile), naive(&frames, &sites));
        prop_assert_eq!(profile.sites().len(), found(&profile).len());
        for (index, frame) in profile.frames().iter().enumerate() {
            prop_assert_eq!(profile.frames().iter().position(|one| one == frame), Some(index));
            let index = index as u32;
            let uses = |site: &Site| site.stack.contains(&index) || site.native.contains(&index);
            prop_assert!(profile.sites().iter().any(uses));
        }
        let again = Profile::assemble(profile.clone().into_parts());
        prop_assert_eq!(&again, &profile);
        prop_assert_eq!(Profile::from_json(&profile.to_json().unwrap()).unwrap(), profile);
    }

    #[test]
    fn a_difference_is_what_was_added(frames in frames(), first in sites(), second in sites(), turn in 0usize..12) {
        let earlier = Profile::assemble(parts(frames.clone(), first.clone()));
        // The same frames, at other indexes.
        let count = frames.len();
        let mut turned = frames.clone();
        turned.rotate_left(turn % count);
        let renumber = |index: u32| match (index as usize) < count {
            true => ((index as usize + count - turn % count) % count) as u32,
            false => index,
        };
        let mut all: Vec<Site> = [first, second.clone()].concat();
        for site in &mut all {
            let stacks = site.stack.iter_mut().chain(&mut site.native);
            stacks.for_each(|index| *index = renumber(*index));
        }
        let later = Profile::assemble(parts(turned, all));
        let window = later.difference(&earlier).unwrap();
        let weights = |sums: BTreeMap<Key, (u64, u64)>| -> BTreeMap<Key, u64> {
            sums.into_iter().map(|(key, (weight_ns, _))| (key, weight_ns)).collect()
        };
        prop_assert_eq!(weights(found(&window)), weights(naive(&frames, &second)));
    }

    #[test]
    fn a_merge_adds_weights(one in frames(), sites_of_one in sites(), other in frames(), sites_of_other in sites()) {
        let one = Profile::assemble(parts(one, sites_of_one));
        let other = Profile::assemble(parts(other, sites_of_other));
        let merged = Profile::merge(&[one.clone(), other.clone()]).unwrap();
        let mut expected = found(&one);
        expected.extend(found(&other).into_iter().map(|((kind, thread, stack, native), sums)| {
            ((kind, thread + THREADS, stack, native), sums)
        }));
        prop_assert_eq!(found(&merged), expected);
    }
}
