//! The numbers behind a verdict.

use std::collections::BTreeMap;

use super::{Evidence, Judged, duration, name, percent};
use crate::frame::Frame;
use crate::site::SiteKind;
use crate::thread::Thread;

impl Judged<'_> {
    pub(super) fn evidence(&self) -> Vec<Evidence> {
        let mut rows = vec![
            evidence(
                "GIL held",
                percent(self.held),
                "of the time; at 100 % no second thread can run Python",
            ),
            evidence(
                "threads waiting",
                format!("{:.2}", self.queue),
                "on average, at any instant",
            ),
            evidence(
                "waiting",
                duration(self.gil.waiting_ns),
                &format!(
                    "in all, {} of it while the GIL was free (hand-off)",
                    duration(self.gil.handoff_ns)
                ),
            ),
        ];
        if let Some(thread) = self.top(|thread| thread.caused_ns) {
            rows.push(self.culprit(thread));
            if self.is_gil_bound() {
                rows.extend(self.site(thread));
            }
        }
        rows.extend(self.longest());
        rows
    }

    fn culprit(&self, thread: &Thread) -> Evidence {
        let share = thread.caused_ns as f64 / self.gil.waiting_ns.max(1) as f64;
        evidence(
            "held while others waited",
            name(thread),
            &format!(
                "{}, {} of all waiting",
                duration(thread.caused_ns),
                percent(share)
            ),
        )
    }

    /// The line at which that thread held the GIL while others waited for longest.
    fn site(&self, thread: &Thread) -> Option<Evidence> {
        let blame = self.profile.sites_of(SiteKind::Blame).iter();
        let own = blame.filter(|site| site.thread == thread.id);
        let (mut lines, mut all_ns) = (BTreeMap::<&Frame, u64>::new(), 0_u64);
        for site in own {
            all_ns = all_ns.saturating_add(site.weight_ns);
            if let Some(leaf) = self.profile.stack(site).next() {
                let line_ns = lines.entry(leaf).or_default();
                *line_ns = line_ns.saturating_add(site.weight_ns);
            }
        }
        let (line, line_ns) = lines.into_iter().max_by_key(|(_, ns)| *ns)?;
        let share = line_ns as f64 / all_ns.max(1) as f64;
        Some(evidence(
            if share > 0.5 {
                "most of it at"
            } else {
                "the largest part at"
            },
            line.to_string(),
            &format!("{} of the waiting it caused", percent(share)),
        ))
    }

    fn longest(&self) -> Option<Evidence> {
        let holds = self.profile.holds().iter();
        let hold = holds
            .filter(|hold| hold.gil == self.gil.index)
            .max_by_key(|hold| hold.waiter_time_ns)?;
        let who = self.profile.thread(hold.thread).map(name)?;
        Some(evidence(
            "the most costly hold",
            duration(hold.duration_ns),
            &format!(
                "by {who}; it cost the others {}",
                duration(hold.waiter_time_ns)
            ),
        ))
    }
}

fn evidence(what: &str, value: String, meaning: &str) -> Evidence {
    Evidence {
        what: what.into(),
        value,
        meaning: meaning.into(),
    }
}
