//! How often durations of each size were seen.

use std::cmp::Ordering;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bucket::{BUCKETS, bucket_bounds, bucket_of};
use crate::error::Error;

/// How often durations of each size were seen, in logarithmic buckets.
///
/// The count, the total, the least and the greatest are exact; quantiles are within
/// 1 %. After [`Distribution::difference`] the least and the greatest are known to
/// their bucket's width only, which is within 1.6 %.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Distribution {
    count: u64,
    total_ns: u64,
    min_ns: Option<u64>,
    max_ns: Option<u64>,
    /// Shared with the former profile's, if nothing was counted since.
    buckets: Arc<Vec<(u16, u64)>>,
}

impl Distribution {
    /// No duration at all.
    pub fn empty() -> Self {
        Self::default()
    }

    /// What a recorder counted. Buckets may come in any order; those past the last
    /// are counted in the last, empty ones are skipped. Where `min_ns` and `max_ns`
    /// contradict the buckets, the buckets are believed.
    pub fn from_parts(
        total_ns: u64,
        min_ns: u64,
        max_ns: u64,
        buckets: impl IntoIterator<Item = (u16, u64)>,
    ) -> Self {
        let buckets = normal(buckets.into_iter().collect());
        let (Some(low), Some(high)) = (lowest(&buckets), highest(&buckets)) else {
            return Self::empty();
        };
        Self {
            count: sum(&buckets),
            total_ns,
            min_ns: Some(min_ns.clamp(low.0, low.1)),
            max_ns: Some(max_ns.clamp(high.0, high.1)),
            buckets: Arc::new(buckets),
        }
    }

    /// Counts one duration.
    pub fn record(&mut self, value_ns: u64) {
        let index = bucket_of(value_ns) as u16;
        let buckets = Arc::make_mut(&mut self.buckets);
        match buckets.binary_search_by_key(&index, |b| b.0) {
            Ok(at) => buckets[at].1 += 1,
            Err(at) => buckets.insert(at, (index, 1)),
        }
        self.count += 1;
        self.total_ns = self.total_ns.saturating_add(value_ns);
        self.min_ns = least(self.min_ns, Some(value_ns));
        self.max_ns = self.max_ns.max(Some(value_ns));
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of the durations, in ns.
    pub fn total_ns(&self) -> u64 {
        self.total_ns
    }

    /// The least duration, in ns; `None` where there is none.
    pub fn min_ns(&self) -> Option<u64> {
        self.min_ns
    }

    /// The greatest duration, in ns; `None` where there is none.
    pub fn max_ns(&self) -> Option<u64> {
        self.max_ns
    }

    /// The mean duration, in ns; `None` where there is none.
    pub fn mean_ns(&self) -> Option<f64> {
        (self.count > 0).then(|| self.total_ns as f64 / self.count as f64)
    }

    /// The duration, in ns, that a share `q` (in 0.0..=1.0, clamped) of the durations
    /// does not exceed, within 1 %; `None` where there is none.
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let (min, max) = (self.min_ns?, self.max_ns?);
        let rank = (q.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for &(index, count) in self.buckets.iter() {
            seen += count;
            if seen >= rank {
                let (low, high) = bucket_bounds(index.into());
                return Some((low + (high - low) / 2).clamp(min, max));
            }
        }
        Some(max)
    }

    /// The buckets that are not empty, ascending: least value in ns, greatest value
    /// in ns, count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        self.buckets.iter().map(|&(index, count)| {
            let (low, high) = bucket_bounds(index.into());
            (low, high, count)
        })
    }

    /// Adds the durations that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.buckets = Arc::new(together(&self.buckets, &other.buckets));
        self.count = sum(&self.buckets);
        self.total_ns = self.total_ns.saturating_add(other.total_ns);
        self.min_ns = least(self.min_ns, other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// The durations that `later` counted and `earlier`, a former state of the same
    /// recorder, had not.
    ///
    /// # Errors
    /// [`Error::NotEarlier`] where `earlier` counted something `later` did not.
    pub fn difference(later: &Self, earlier: &Self) -> Result<Self, Error> {
        let not_earlier = |what| move || Error::not_earlier(what);
        let total_ns = later.total_ns.checked_sub(earlier.total_ns);
        let total_ns = total_ns.ok_or_else(not_earlier("the total of a distribution"))?;
        if Arc::ptr_eq(&later.buckets, &earlier.buckets) {
            return Ok(Self::empty());
        }
        let buckets = subtract(&later.buckets, &earlier.buckets)
            .ok_or_else(not_earlier("the count of a bucket"))?;
        Ok(later.rest(total_ns, buckets))
    }

    /// The difference where nothing is below zero: the two were read while something
    /// was being booked.
    pub(crate) fn excess(later: &Self, earlier: &Self) -> Self {
        Self::difference(later, earlier).unwrap_or_else(|_| {
            let total_ns = later.total_ns.saturating_sub(earlier.total_ns);
            let mut buckets = later.buckets.to_vec();
            for bucket in &mut buckets {
                let found = earlier.buckets.binary_search_by_key(&bucket.0, |b| b.0);
                let count = found.map_or(0, |at| earlier.buckets[at].1);
                bucket.1 = bucket.1.saturating_sub(count);
            }
            buckets.retain(|b| b.1 > 0);
            later.rest(total_ns, buckets)
        })
    }

    /// A part of this distribution.
    fn rest(&self, total_ns: u64, buckets: Vec<(u16, u64)>) -> Self {
        let (Some(low), Some(high)) = (lowest(&buckets), highest(&buckets)) else {
            return Self::empty();
        };
        Self {
            count: sum(&buckets),
            total_ns,
            min_ns: self.min_ns.max(Some(low.0)),
            max_ns: least(Some(high.1), self.max_ns),
            buckets: Arc::new(buckets),
        }
    }
}

/// Later's buckets less earlier's; `None` where one would fall below zero.
fn subtract(later: &[(u16, u64)], earlier: &[(u16, u64)]) -> Option<Vec<(u16, u64)>> {
    let mut earlier = earlier.iter().peekable();
    let mut rest = Vec::new();
    for &(index, count) in later {
        let old = earlier.next_if(|old| old.0 <= index);
        match old.map_or(Some(count), |old| {
            count.checked_sub(old.1).filter(|_| old.0 == index)
        })? {
            0 => (),
            new => rest.push((index, new)),
        }
    }
    earlier.next().is_none().then_some(rest)
}

/// Sorted by index, one entry a bucket, none empty.
fn normal(mut buckets: Vec<(u16, u64)>) -> Vec<(u16, u64)> {
    for bucket in &mut buckets {
        bucket.0 = bucket.0.min(BUCKETS as u16 - 1);
    }
    buckets.retain(|b| b.1 > 0);
    if buckets.is_sorted_by(|a, b| a.0 < b.0) {
        return buckets;
    }
    buckets.sort_unstable_by_key(|b| b.0);
    buckets.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = kept.1.saturating_add(next.1);
        }
        same
    });
    buckets
}

/// The counts of two, each sorted by index with one entry a bucket.
fn together(a: &[(u16, u64)], b: &[(u16, u64)]) -> Vec<(u16, u64)> {
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    let mut all = Vec::with_capacity(a.len() + b.len());
    while let (Some(&x), Some(&y)) = (a.peek(), b.peek()) {
        all.push(match x.0.cmp(&y.0) {
            Ordering::Less => x,
            Ordering::Greater => y,
            Ordering::Equal => (x.0, x.1.saturating_add(y.1)),
        });
        a.next_if(|_| x.0 <= y.0);
        b.next_if(|_| y.0 <= x.0);
    }
    all.extend(a);
    all.extend(b);
    all
}

fn sum(buckets: &[(u16, u64)]) -> u64 {
    buckets.iter().fold(0, |sum, b| sum.saturating_add(b.1))
}

fn lowest(buckets: &[(u16, u64)]) -> Option<(u64, u64)> {
    buckets.first().map(|b| bucket_bounds(b.0.into()))
}

fn highest(buckets: &[(u16, u64)]) -> Option<(u64, u64)> {
    buckets.last().map(|b| bucket_bounds(b.0.into()))
}

/// The lesser of two values where both are known, else the known one.
fn least(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (known, None) | (None, known) => known,
    }
}

/// A distribution as it was read, before anything about it is believed.
#[derive(Deserialize)]
struct Unchecked {
    count: u64,
    total_ns: u64,
    min_ns: Option<u64>,
    max_ns: Option<u64>,
    buckets: Vec<(u16, u64)>,
}

impl TryFrom<Unchecked> for Distribution {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Self, String> {
        let buckets = normal(raw.buckets.clone());
        if buckets != raw.buckets {
            return Err(format!(
                "buckets of a distribution must ascend, be below {BUCKETS} and not be empty"
            ));
        }
        let sum = sum(&buckets);
        if sum != raw.count {
            let count = raw.count;
            return Err(format!(
                "count {count} of a distribution is not the {sum} of its buckets"
            ));
        }
        let inside = |value: Option<u64>, bounds: Option<(u64, u64)>| match (value, bounds) {
            (Some(value), Some((low, high))) => low <= value && value <= high,
            (value, bounds) => value.is_none() && bounds.is_none(),
        };
        if !inside(raw.min_ns, lowest(&buckets)) || !inside(raw.max_ns, highest(&buckets)) {
            return Err(
                "min_ns and max_ns of a distribution must lie in its first and last bucket".into(),
            );
        }
        Ok(Self {
            count: raw.count,
            total_ns: raw.total_ns,
            min_ns: raw.min_ns,
            max_ns: raw.max_ns,
            buckets: Arc::new(buckets),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Distribution {
        let mut all = Distribution::empty();
        values.iter().for_each(|&v| all.record(v));
        all
    }

    #[test]
    fn what_is_recorded_is_counted() {
        let all = of(&[10, 5_000_000, 20]);
        assert_eq!((all.count(), all.total_ns()), (3, 5_000_030));
        assert_eq!((all.min_ns(), all.max_ns()), (Some(10), Some(5_000_000)));
        assert_eq!(all.quantile(0.5), Some(20));
        assert_eq!(all.quantile(1.0), Some(5_000_000));
    }

    #[test]
    fn nothing_has_no_mean_and_no_quantile() {
        let none = Distribution::empty();
        assert_eq!(none.mean_ns(), None);
        assert_eq!(none.quantile(0.5), None);
        assert_eq!(none.min_ns(), None);
    }

    #[test]
    fn parts_of_a_torn_read_are_made_consistent() {
        let torn = Distribution::from_parts(300, u64::MAX, 0, [(7, 2), (3, 1), (3, 1), (9, 0)]);
        assert_eq!(torn.count(), 4);
        assert_eq!((torn.min_ns(), torn.max_ns()), (Some(3), Some(7)));
    }

    #[test]
    fn a_difference_is_what_came_later() {
        let earlier = of(&[10, 4_000]);
        let mut later = earlier.clone();
        later.record(90_000);
        let window = Distribution::difference(&later, &earlier).unwrap();
        assert_eq!((window.count(), window.total_ns()), (1, 90_000));
        assert_eq!(window.max_ns(), Some(90_000));
        assert!(Distribution::difference(&earlier, &later).is_err());
    }

    #[test]
    fn json_that_does_not_add_up_is_refused() {
        let good = serde_json::to_string(&of(&[5, 900])).unwrap();
        assert_eq!(
            serde_json::from_str::<Distribution>(&good).unwrap(),
            of(&[5, 900])
        );
        let bad = good.replace("\"count\":2", "\"count\":3");
        let error = serde_json::from_str::<Distribution>(&bad).unwrap_err();
        assert!(error.to_string().contains("count 3"), "{error}");
    }
}
