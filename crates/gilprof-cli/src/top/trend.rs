//! How busy the GIL was, over the last minutes.

use std::collections::VecDeque;

use gilprof::Profile;

/// How far back it goes.
pub(crate) const SPAN_NS: u64 = 120_000_000_000;

/// Sums from the start of the recording up to an instant.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    at_ns: u64,
    /// Time the GILs were held.
    held_ns: u64,
    /// Time the GILs were there.
    there_ns: u64,
    /// Time threads waited.
    waiting_ns: u64,
}

/// What a stretch of time was like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Level {
    /// Part of the time that the GIL was held, in 0.0..=1.0; of several, the mean over
    /// them. `None` where there was no GIL.
    pub(crate) held: Option<f64>,
    /// How many threads waited, in the mean.
    pub(crate) waiting: f64,
}

/// How busy the GIL was, over the last minutes.
#[derive(Clone, Debug)]
pub(crate) struct Trend(VecDeque<Reading>);

impl Trend {
    /// Begins with the recording.
    pub(crate) fn new() -> Self {
        Trend(VecDeque::from([Reading::default()]))
    }

    /// Takes note of a profile from the start of the recording to now.
    pub(crate) fn note(&mut self, profile: &Profile) {
        let last = self.last();
        if profile.wall_ns() <= last.at_ns {
            return;
        }
        let sum = |part: fn(&gilprof::core::Gil) -> u64| {
            let parts = profile.gils().iter().map(part);
            parts.fold(0, u64::saturating_add)
        };
        // What is revised afterwards must not make sums shrink.
        self.0.push_back(Reading {
            at_ns: profile.wall_ns(),
            held_ns: sum(|gil| gil.holding_ns).max(last.held_ns),
            there_ns: sum(|gil| gil.holding_ns.saturating_add(gil.free_ns)).max(last.there_ns),
            waiting_ns: profile.waiting_ns().max(last.waiting_ns),
        });
        let begin = profile.wall_ns().saturating_sub(2 * SPAN_NS);
        while self.0.get(1).is_some_and(|second| second.at_ns < begin) {
            self.0.pop_front();
        }
    }

    /// The time since the last reading but one; `None` where there is none yet.
    pub(crate) fn now(&self) -> Option<Level> {
        let before = self.0.get(self.0.len().checked_sub(2)?)?;
        level(*before, self.last())
    }

    /// The last minutes in `count` equal parts, the latest last; `None` for those before
    /// the recording. Their edges stay where they are, so that what is past does not
    /// change any more.
    pub(crate) fn columns(&self, count: usize) -> Vec<Option<Level>> {
        let count = count.max(1) as u64;
        let width = SPAN_NS / count;
        let end = self.last().at_ns;
        let latest = end.saturating_sub(1) / width;
        let column = |back: u64| {
            let from = latest.checked_sub(back)? * width;
            let upto = (from + width).min(end);
            level(self.at(from)?, self.at(upto)?)
        };
        (0..count).rev().map(column).collect()
    }

    fn last(&self) -> Reading {
        self.0.back().copied().unwrap_or_default()
    }

    /// The sums at an instant, which grow evenly from one reading to the next; `None`
    /// where they are not known any more.
    fn at(&self, at_ns: u64) -> Option<Reading> {
        let after = self.0.partition_point(|reading| reading.at_ns < at_ns);
        let next = *self.0.get(after)?;
        if next.at_ns == at_ns {
            return Some(next);
        }
        let former = *self.0.get(after.checked_sub(1)?)?;
        let share = (at_ns - former.at_ns) as f64 / (next.at_ns - former.at_ns) as f64;
        let between = |a: u64, b: u64| a + ((b - a) as f64 * share) as u64;
        Some(Reading {
            at_ns,
            held_ns: between(former.held_ns, next.held_ns),
            there_ns: between(former.there_ns, next.there_ns),
            waiting_ns: between(former.waiting_ns, next.waiting_ns),
        })
    }
}

fn level(from: Reading, upto: Reading) -> Option<Level> {
    let time = |part: fn(Reading) -> u64| part(upto).saturating_sub(part(from)) as f64;
    let (wall, there) = (time(|at| at.at_ns), time(|at| at.there_ns));
    let held = time(|at| at.held_ns) / there;
    (wall > 0.0).then(|| Level {
        held: (there > 0.0).then(|| held.min(1.0)),
        waiting: time(|at| at.waiting_ns) / wall,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::profile_of;
    use gilprof::core::{Gil, Thread};

    const SECOND: u64 = 1_000_000_000;

    /// After so many seconds the GIL was held and waited for so long.
    fn profile(seconds: u64, held: u64, waited: u64) -> Profile {
        let thread = Thread {
            id: 1,
            waiting_ns: waited * SECOND,
            ..Thread::default()
        };
        let mut parts = profile_of(vec![thread]).into_parts();
        parts.wall_ns = seconds * SECOND;
        parts.gils = vec![Gil {
            holding_ns: held * SECOND,
            free_ns: (seconds - held) * SECOND,
            ..Gil::default()
        }];
        Profile::assemble(parts)
    }

    fn trend(readings: &[(u64, u64, u64)]) -> Trend {
        let mut trend = Trend::new();
        for &(seconds, held, waited) in readings {
            trend.note(&profile(seconds, held, waited));
        }
        trend
    }

    #[test]
    fn a_column_is_what_happened_in_its_time() {
        let trend = trend(&[(1, 1, 0), (2, 1, 3), (4, 2, 3)]);
        let columns = trend.columns(120);
        let level = |held, waiting| Some(Level { held, waiting });
        assert_eq!(columns[..116], [None; 116]);
        assert_eq!(
            columns[116..],
            [
                level(Some(1.0), 0.0),
                level(Some(0.0), 3.0),
                level(Some(0.5), 0.0),
                level(Some(0.5), 0.0),
            ]
        );
        assert_eq!(trend.now(), level(Some(0.5), 0.0));
    }

    #[test]
    fn columns_that_are_full_do_not_change_any_more() {
        let mut trend = trend(&[(1, 1, 0), (3, 2, 3), (8, 4, 9)]);
        let before = trend.columns(30);
        trend.note(&profile(12, 4, 9));
        let after = trend.columns(30);
        assert_eq!(before[28..], after[27..29]);
    }

    #[test]
    fn what_is_longer_ago_than_it_goes_back_is_forgotten() {
        let mut trend = Trend::new();
        (1..1000).for_each(|second| trend.note(&profile(second, second, 0)));
        assert!(trend.0.len() <= 242, "{}", trend.0.len());
        assert!(trend.columns(60).iter().all(Option::is_some));
    }

    #[test]
    fn without_a_gil_it_is_not_known_how_long_it_was_held() {
        let mut trend = Trend::new();
        let mut parts = profile(1, 0, 0).into_parts();
        parts.gils.clear();
        trend.note(&Profile::assemble(parts));
        assert_eq!(trend.now().and_then(|level| level.held), None);
        assert!(trend.now().is_some());
    }
}
