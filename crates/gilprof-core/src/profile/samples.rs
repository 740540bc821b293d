//! What of a profile is sampled: stacks, and what threads were blocked on.

use std::cmp::Reverse;

use super::{Profile, ProfileParts};
use crate::blocked::Blocked;
use crate::frame::{Frame, FrameTable};
use crate::sampled::{Sampled, Sums};
use crate::site::{Site, SiteKind};

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
        self.frames_at(&site.stack)
    }

    /// The frames with these indexes, as a stack has them.
    pub fn frames_at<'p>(&'p self, stack: &'p [u32]) -> impl Iterator<Item = &'p Frame> {
        let stack = stack.iter();
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

    /// Why no native functions are in the sites, as in `n/a (…)`; `None` where they
    /// were recorded.
    pub fn native_missing(&self) -> Option<&str> {
        self.parts.native_missing.as_deref()
    }

    /// What threads were blocked on, the heaviest first.
    pub fn blocked(&self) -> &[Blocked] {
        &self.parts.blocked
    }

    /// Why it is not known what threads were blocked on, as in `n/a (…)`; `None` where
    /// it was recorded.
    pub fn blocked_missing(&self) -> Option<&str> {
        self.parts.blocked_missing.as_deref()
    }

    /// Why nothing was counted by the CPUs' own counters, as in `n/a (…)`; `None` where it
    /// was, or was not asked for.
    pub fn counters_missing(&self) -> Option<&str> {
        self.parts.counters_missing.as_deref()
    }
}

/// Leaves each row of a known thread and each frame that one of them uses, once.
/// Frames keep their order.
pub(super) fn normalise(parts: &mut ProfileParts, known: impl Fn(u64) -> bool) {
    let mut table = FrameTable::default();
    let places = table.extend(std::mem::take(&mut parts.frames));
    parts.sites = added_up(std::mem::take(&mut parts.sites), &places, &known);
    parts.blocked = added_up(std::mem::take(&mut parts.blocked), &places, &known);
    drop_unused(table.into_frames(), parts);
    // Stable: what weighs the same stays by what tells it apart.
    parts
        .sites
        .sort_by_key(|site| (site.kind, Reverse(site.weight_ns)));
    parts.blocked.sort_by_key(|row| Reverse(row.weight_ns));
}

/// Each row of a known thread once, with the new indexes of its frames.
fn added_up<R: Sampled>(rows: Vec<R>, places: &[u32], known: impl Fn(u64) -> bool) -> Vec<R> {
    let mut sums = Sums::new();
    for mut row in rows {
        if known(*row.thread()) {
            sums.add(row.renumbered(places));
        }
    }
    sums.into_rows().collect()
}

/// Leaves the frames that some row uses; the rows name them by their new indexes.
fn drop_unused(frames: Vec<Frame>, parts: &mut ProfileParts) {
    let mut used = vec![false; frames.len()];
    mark(&mut parts.sites, &mut used);
    mark(&mut parts.blocked, &mut used);
    let mut next = 0;
    let places: Vec<u32> = used
        .iter()
        .map(|&used| {
            next += u32::from(used);
            next.saturating_sub(1)
        })
        .collect();
    parts.sites = moved(std::mem::take(&mut parts.sites), &places);
    parts.blocked = moved(std::mem::take(&mut parts.blocked), &places);
    let kept = frames.into_iter().zip(used).filter(|(_, used)| *used);
    parts.frames = kept.map(|(frame, _)| frame).collect();
}

fn mark(rows: &mut [impl Sampled], used: &mut [bool]) {
    for stack in rows.iter_mut().flat_map(Sampled::stacks) {
        for &mut index in stack {
            used[index as usize] = true;
        }
    }
}

fn moved<R: Sampled>(rows: Vec<R>, places: &[u32]) -> Vec<R> {
    let rows = rows.into_iter();
    rows.map(|row| row.renumbered(places)).collect()
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
            ..Frame::default()
        }
    }

    fn site(kind: SiteKind, thread: u64, stack: &[u32], weight_ns: u64) -> Site {
        Site {
            kind,
            thread,
            stack: stack.into(),
            weight_ns,
            samples: 1,
            ..Site::default()
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
    fn what_was_seen_of_a_site_is_added_up_too() {
        let seen = |weight_ns, seen_ns| Site {
            seen_ns,
            ..site(SiteKind::Blame, 1, &[0], weight_ns)
        };
        let profile = profile(&["a"], vec![seen(3, 3), seen(4, 0), seen(5, 2)]);
        let site = &profile.sites()[0];
        assert_eq!((site.weight_ns, site.seen_ns), (12, 5));
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

    #[test]
    fn what_blocked_and_native_functions_use_frames_too() {
        let native = Site {
            native: vec![2],
            ..site(SiteKind::Wait, 1, &[1], 3)
        };
        let blocked = |weight_ns| Blocked {
            thread: 2,
            call: "futex".into(),
            native: vec![3],
            weight_ns,
            samples: 1,
            ..Blocked::default()
        };
        let mut parts = profile(&["idle", "work", "sort", "lock"], vec![native]).into_parts();
        assert_eq!(parts.frames, [frame("work"), frame("sort")]);
        assert_eq!(parts.sites[0].native, [1]);
        parts.frames = ["idle", "work", "sort", "lock"].map(frame).into();
        parts.blocked = vec![blocked(2), blocked(5)];
        parts.sites.clear();
        let profile = Profile::assemble(parts);
        assert_eq!(profile.frames(), [frame("lock")]);
        let [row] = profile.blocked() else {
            panic!("{:?}", profile.blocked());
        };
        assert_eq!(
            (row.weight_ns, row.samples, row.native.as_slice()),
            (7, 2, [0].as_slice())
        );
    }
}
