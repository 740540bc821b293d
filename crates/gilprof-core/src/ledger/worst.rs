//! The holds that cost the others most.

use crate::hold::Hold;

/// How many holds are kept.
pub(crate) const KEPT: usize = 32;

/// The holds that cost the others most, so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Worst {
    holds: Vec<Hold>,
    /// What a hold must exceed to be kept.
    floor: u64,
}

impl Worst {
    #[inline]
    pub(crate) fn offer(&mut self, hold: Hold) {
        if hold.waiter_time_ns > self.floor {
            self.keep(hold);
        }
    }

    #[cold]
    fn keep(&mut self, hold: Hold) {
        if self.holds.len() < KEPT {
            self.holds.push(hold);
        } else if let Some(least) = self.holds.iter_mut().min_by_key(|h| h.waiter_time_ns) {
            *least = hold;
        }
        if self.holds.len() == KEPT {
            let costs = self.holds.iter().map(|h| h.waiter_time_ns);
            self.floor = costs.min().unwrap_or(0);
        }
    }

    /// Writes `to` where it says `from`.
    pub(crate) fn rename(&mut self, from: u64, to: u64) {
        let of_thread = self.holds.iter_mut().filter(|hold| hold.thread == from);
        of_thread.for_each(|hold| hold.thread = to);
    }

    /// Worst first; of equals, the first first.
    pub(crate) fn into_holds(mut self) -> Vec<Hold> {
        self.holds
            .sort_by_key(|h| (std::cmp::Reverse(h.waiter_time_ns), h.start_ns));
        self.holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_worst_are_kept() {
        let mut worst = Worst::default();
        for cost in 0..100 {
            worst.offer(Hold {
                waiter_time_ns: cost * 7 % 100,
                ..Hold::default()
            });
        }
        let costs: Vec<u64> = worst
            .into_holds()
            .iter()
            .map(|h| h.waiter_time_ns)
            .collect();
        let best: Vec<u64> = (68..100).rev().collect();
        assert_eq!(costs, best);
    }
}
