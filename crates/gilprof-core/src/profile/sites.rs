//! The stacks of a profile.

use super::{Profile, ProfileParts};
use crate::frame::{Frame, FrameTable};
use crate::site::{Site, SiteKind, SiteSums, renumbered};

impl Profile {
    /// The frames that stacks are made of, each once.
    pub fn frames(&self) -> &[Frame] {
        &self.parts.frames
    }

    /// Where in the code time went, by kind, and of one kind the heaviest first.
    pub fn sites(&self) -> &[Site] {
        &self.parts.sites
    }

    /// The sites of one kind, the heaviest first.
    pub fn sites_of(&self, kind: SiteKind) -> &[Site] {
        let sites = self.sites();
        let begin = sites.partition_point(|site| site.kind < kind);
        let end = sites.partition_point(|site| site.kind <= kind);
        &sites[begin..end]
    }

    /// The frames of a site's stack, innermost first; none where it is not known.
    pub fn stack<'p>(&'p self, site: &'p Site) -> impl Iterator<Item = &'p Frame> {
        let stack = site.stack.iter();
        stack.filter_map(|&index| self.frames().get(index as usize))
    }

    /// Why there are no stacks, as in `n/a (…)`; `None` where they were recorded.
    pub fn stacks_missing(&self) -> Option<&str> {
        self.parts.stacks_missing.as_deref()
    }

    /// Samples of stacks that were lost: their time is in no site.
    pub fn stacks_lost(&self) -> u64 {
        self.parts.stacks_lost
    }
}

/// Leaves each site of a known thread and each frame that one of them uses, once.
/// Frames keep their order.
pub(super) fn normalise(parts: &mut ProfileParts, known: impl Fn(u64) -> bool) {
    let mut table = FrameTable::default();
    let places = table.extend(std::mem::take(&mut parts.frames));
    let mut sums = SiteSums::default();
    for mut site in std::mem::take(&mut parts.sites) {
        if known(site.thread) {
            site.stack = renumbered(&site.stack, &places);
            sums.add(site);
        }
    }
    parts.sites = sums.into_sites().collect();
    parts.frames = drop_unused(table.into_frames(), &mut parts.sites);
    // Stable: what weighs the same stays by thread and stack.
    parts
        .sites
        .sort_by_key(|site| (site.kind, std::cmp::Reverse(site.weight_ns)));
}

/// The frames that the sites use; the sites name them by their new indexes.
fn drop_unused(frames: Vec<Frame>, sites: &mut [Site]) -> Vec<Frame> {
    let mut used = vec![false; frames.len()];
    for &index in sites.iter().flat_map(|site| &site.stack) {
        used[index as usize] = true;
    }
    let mut next = 0;
    let places: Vec<u32> = used
        .iter()
        .map(|&used| {
            next += u32::from(used);
            next.saturating_sub(1)
        })
        .collect();
    for site in sites {
        site.stack = renumbered(&site.stack, &places);
    }
    let kept = frames.into_iter().zip(used).filter(|(_, used)| *used);
    kept.map(|(frame, _)| frame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::thread::Thread;

    fn frame(function: &str) -> Frame {
        Frame {
            function: function.into(),
            file: "a.py".into(),
            line: 1,
        }
    }

    fn site(kind: SiteKind, thread: u64, stack: &[u32], weight_ns: u64) -> Site {
        Site {
            kind,
            thread,
            stack: stack.into(),
            weight_ns,
            samples: 1,
        }
    }

    fn profile(frames: &[&str], sites: Vec<Site>) -> Profile {
        let thread = |id| Thread {
            id,
            ..Thread::default()
        };
        Profile::assemble(ProfileParts {
            threads: vec![thread(1), thread(2)],
            frames: frames.iter().map(|name| frame(name)).collect(),
            sites,
            ..ProfileParts::default()
        })
    }

    #[test]
    fn frames_are_there_once_and_only_where_used() {
        let sites = vec![site(SiteKind::Hold, 1, &[3, 2], 5)];
        let profile = profile(&["main", "idle", "main", "work"], sites);
        assert_eq!(profile.frames(), [frame("main"), frame("work")]);
        assert_eq!(profile.sites()[0].stack, [1, 0]);
        let names: Vec<&str> = profile
            .stack(&profile.sites()[0])
            .map(|frame| frame.function.as_str())
            .collect();
        assert_eq!(names, ["work", "main"]);
    }

    #[test]
    fn sites_come_by_kind_and_the_heaviest_first() {
        let profile = profile(
            &["a", "b"],
            vec![
                site(SiteKind::Detached, 1, &[0], 9),
                site(SiteKind::Blame, 1, &[0], 2),
                site(SiteKind::Blame, 2, &[1], 7),
            ],
        );
        let weights = |kind| -> Vec<u64> {
            let sites = profile.sites_of(kind).iter();
            sites.map(|site| site.weight_ns).collect()
        };
        assert_eq!(weights(SiteKind::Blame), [7, 2]);
        assert!(weights(SiteKind::Wait).is_empty());
        assert_eq!(weights(SiteKind::Detached), [9]);
        assert_eq!(profile.sites().len(), 3);
    }

    #[test]
    fn one_site_given_twice_is_added_up() {
        let one = site(SiteKind::Wait, 1, &[0], 3);
        let same = site(SiteKind::Wait, 1, &[1], 4);
        let profile = profile(&["a", "a"], vec![one, same]);
        let [site] = profile.sites() else {
            panic!("{:?}", profile.sites());
        };
        assert_eq!((site.weight_ns, site.samples), (7, 2));
    }

    #[test]
    fn sites_of_nobody_or_without_weight_are_left_out() {
        let nobody = site(SiteKind::Wait, 9, &[0], 3);
        let nothing = site(SiteKind::Wait, 1, &[0], 0);
        let profile = profile(&["a"], vec![nobody, nothing]);
        assert_eq!((profile.sites().len(), profile.frames().len()), (0, 0));
    }

    #[test]
    fn a_stack_with_a_frame_that_is_not_there_is_not_known() {
        let profile = profile(&["a"], vec![site(SiteKind::Wait, 1, &[0, 1], 3)]);
        assert!(profile.sites()[0].stack.is_empty());
    }
}
