//! The numbers that several findings rest on.

use super::finding::Evidence;
use super::gauge::{Gauge, ratio};
use super::words::{duration, name, percent};
use crate::thread::Thread;

impl Gauge<'_> {
    /// How much the GIL is held and waited for.
    pub(super) fn evidence(&self) -> Vec<Evidence> {
        let mut rows = vec![
            Evidence::new(
                "GIL held",
                percent(self.held()),
                "of the time; at 100 % no second thread can run Python",
            ),
            Evidence::new(
                "threads waiting",
                format!("{:.2}", self.queue()),
                "on average, at any instant",
            ),
            Evidence::new(
                "waiting",
                duration(self.gil.waiting_ns),
                format!(
                    "in all, {} of it while the GIL was free (hand-off)",
                    duration(self.gil.handoff_ns)
                ),
            ),
        ];
        let culprit = self.top(|thread| thread.caused_ns);
        rows.extend(culprit.map(|thread| self.culprit(thread)));
        rows.extend(self.costly_hold());
        rows
    }

    fn culprit(&self, thread: &Thread) -> Evidence {
        let share = ratio(thread.caused_ns, self.gil.waiting_ns);
        Evidence::new(
            "held while others waited",
            name(thread),
            format!(
                "{}, {} of all waiting",
                duration(thread.caused_ns),
                percent(share)
            ),
        )
    }

    fn costly_hold(&self) -> Option<Evidence> {
        let holds = self.profile.holds().iter();
        let hold = holds
            .filter(|hold| hold.gil == self.gil.index)
            .max_by_key(|hold| hold.waiter_time_ns)?;
        let who = self.profile.thread(hold.thread).map(name)?;
        Some(Evidence::new(
            "the most costly hold",
            duration(hold.duration_ns),
            format!(
                "by {who}; it cost the others {}",
                duration(hold.waiter_time_ns)
            ),
        ))
    }
}
