//! What samples add up to, thread by thread: in the whole recording, and in each open window
//! of it. So a window is told from its own samples, however many the recording has.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use crate::period::Period;

/// What samples of the same kind add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) weight_ns: u64,
    pub(crate) samples: u64,
    /// The part of the weight that looks in mid-hold told.
    pub(crate) seen_ns: u64,
}

impl Sum {
    /// What of it weighed behind `at_ns`; `None` if nothing did.
    fn since(self, at_ns: u64, period: Period) -> Option<Self> {
        let part = Sum {
            weight_ns: period.part_since(at_ns, self.weight_ns),
            seen_ns: period.part_since(at_ns, self.seen_ns),
            ..self
        };
        (part.weight_ns > 0 || self.weight_ns == 0).then_some(part)
    }

    fn absorb(&mut self, other: Self) {
        self.weight_ns = self.weight_ns.saturating_add(other.weight_ns);
        self.samples = self.samples.saturating_add(other.samples);
        self.seen_ns = self.seen_ns.saturating_add(other.seen_ns);
    }
}

/// What the sums of a thread are told apart by.
pub(crate) trait Key: Clone + Eq + Hash {
    /// How many different ones of a thread are kept.
    const DIFFERENT: usize;

    /// The one that stands for it where there are too many.
    fn rest(&self) -> Self;
}

type ByThread<K> = FxHashMap<u32, FxHashMap<K, Sum>>;

#[derive(Debug)]
struct Window<K> {
    number: u64,
    began_ns: u64,
    sums: ByThread<K>,
}

/// The sums of one recording.
#[derive(Debug)]
pub(crate) struct Sums<K> {
    whole: ByThread<K>,
    windows: Vec<Window<K>>,
}

impl<K> Default for Sums<K> {
    fn default() -> Self {
        Sums {
            whole: ByThread::default(),
            windows: Vec::new(),
        }
    }
}

impl<K: Key> Sums<K> {
    /// Adds what weighed in this time: to a window, what did in it.
    pub(crate) fn add(&mut self, thread: u32, key: &K, sum: Sum, period: Period) {
        add(self.whole.entry(thread).or_default(), key, sum);
        for window in &mut self.windows {
            if let Some(part) = sum.since(window.began_ns, period) {
                add(window.sums.entry(thread).or_default(), key, part);
            }
        }
    }

    /// The row of an ended thread went into that of its group.
    pub(crate) fn fold(&mut self, thread: u32, group: u32) {
        for sums in self.all() {
            let Some(ended) = sums.remove(&thread) else {
                continue;
            };
            let into = sums.entry(group).or_default();
            for (key, sum) in ended {
                add(into, &key, sum);
            }
        }
    }

    /// From `at_ns` on, a window has sums of its own.
    pub(crate) fn open_window(&mut self, number: u64, at_ns: u64) {
        self.windows.push(Window {
            number,
            began_ns: at_ns,
            sums: ByThread::default(),
        });
    }

    pub(crate) fn close_window(&mut self, number: u64) {
        self.windows.retain(|open| open.number != number);
    }

    /// The part of a sum that is an open window's, if this is the number of one.
    pub(crate) fn part(&self, window: Option<u64>, sum: Sum, period: Period) -> Option<Sum> {
        let began_ns = self.open(window).map_or(0, |open| open.began_ns);
        sum.since(began_ns, period)
    }

    /// The sums of an open window, else those of the whole recording.
    pub(crate) fn rows(&self, window: Option<u64>) -> impl Iterator<Item = (u32, &K, Sum)> {
        let sums = self.open(window).map_or(&self.whole, |open| &open.sums);
        sums.iter()
            .flat_map(|(&thread, sums)| sums.iter().map(move |(key, &sum)| (thread, key, sum)))
    }

    fn open(&self, window: Option<u64>) -> Option<&Window<K>> {
        self.windows.iter().find(|open| Some(open.number) == window)
    }

    fn all(&mut self) -> impl Iterator<Item = &mut ByThread<K>> {
        let windows = self.windows.iter_mut().map(|open| &mut open.sums);
        std::iter::once(&mut self.whole).chain(windows)
    }
}

fn add<K: Key>(sums: &mut FxHashMap<K, Sum>, key: &K, sum: Sum) {
    if let Some(known) = sums.get_mut(key) {
        known.absorb(sum);
        return;
    }
    let key = match sums.len() < K::DIFFERENT {
        true => key.clone(),
        false => key.rest(),
    };
    sums.entry(key).or_default().absorb(sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Behind the begin of every window here.
    const LATER: Period = Period::new(200, 300);

    impl Key for u8 {
        const DIFFERENT: usize = 3;

        fn rest(&self) -> Self {
            u8::MAX
        }
    }

    fn sum(weight_ns: u64) -> Sum {
        Sum {
            weight_ns,
            samples: 1,
            seen_ns: 0,
        }
    }

    fn weights(sums: &Sums<u8>, window: Option<u64>) -> Vec<(u32, u8, u64)> {
        let rows = sums.rows(window);
        let mut rows: Vec<_> = rows
            .map(|(thread, &key, sum)| (thread, key, sum.weight_ns))
            .collect();
        rows.sort_unstable();
        rows
    }

    #[test]
    fn a_window_has_what_was_added_while_it_was_open() {
        let mut sums = Sums::default();
        sums.add(1, &7, sum(10), LATER);
        sums.open_window(4, 100);
        sums.add(1, &7, sum(20), LATER);
        sums.open_window(5, 100);
        sums.add(2, &8, sum(30), LATER);
        assert_eq!(weights(&sums, Some(4)), [(1, 7, 20), (2, 8, 30)]);
        assert_eq!(weights(&sums, Some(5)), [(2, 8, 30)]);
        assert_eq!(weights(&sums, None), [(1, 7, 30), (2, 8, 30)]);
        sums.close_window(4);
        assert_eq!(weights(&sums, Some(4)), weights(&sums, None));
    }

    #[test]
    fn of_what_weighed_before_and_in_a_window_it_has_a_part() {
        let mut sums = Sums::default();
        sums.open_window(4, 100);
        sums.add(1, &7, sum(30), Period::new(80, 110));
        sums.add(1, &8, sum(30), Period::new(50, 90));
        sums.add(1, &9, sum(30), Period::new(100, 130));
        assert_eq!(weights(&sums, Some(4)), [(1, 7, 10), (1, 9, 30)]);
        assert_eq!(weights(&sums, None), [(1, 7, 30), (1, 8, 30), (1, 9, 30)]);
    }

    #[test]
    fn the_sums_of_an_ended_thread_go_to_its_group_everywhere() {
        let mut sums = Sums::default();
        sums.add(1, &7, sum(10), LATER);
        sums.open_window(4, 100);
        sums.add(1, &7, sum(20), LATER);
        sums.add(9, &7, sum(40), LATER);
        sums.fold(1, 9);
        assert_eq!(weights(&sums, None), [(9, 7, 70)]);
        assert_eq!(weights(&sums, Some(4)), [(9, 7, 60)]);
    }

    #[test]
    fn what_is_too_different_is_summed_up_under_one_key() {
        let mut sums = Sums::default();
        for key in 0..10 {
            sums.add(1, &key, sum(1), LATER);
        }
        sums.add(1, &0, sum(1), LATER);
        assert_eq!(
            weights(&sums, None),
            [(1, 0, 2), (1, 1, 1), (1, 2, 1), (1, u8::MAX, 7)]
        );
    }
}
