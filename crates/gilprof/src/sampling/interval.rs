//! How long to wait between two samples.

use std::time::Duration;

use crate::chance::around;
use crate::error::Error;

const DEFAULT: Duration = Duration::from_millis(2);
const ALLOWED: (Duration, Duration) = (Duration::from_micros(100), Duration::from_secs(1));
/// Unless an interval was asked for, samples may cost one part in so many of a CPU.
const AFFORDED: u32 = 20;

/// What going to sleep and waking up costs beside the look itself.
const WAY: Duration = Duration::from_micros(10);

/// Spaces samples at random: what recurs in the program, as the switch interval, is not met
/// in step.
#[derive(Clone, Debug)]
pub(super) struct Interval {
    mean: Duration,
    is_asked_for: bool,
    /// What a sample costs lately, the way there and back included.
    cost: Duration,
    seed: u64,
}

impl Interval {
    /// The time that is written as a number with its unit: `500us`, `2.5ms`, `1s`.
    ///
    /// # Errors
    /// [`Error::is_option`] where it is not, or is not allowed.
    pub(super) fn parse(text: &str) -> Result<Duration, Error> {
        let units = [("us", 1e-6), ("ms", 1e-3), ("s", 1.0)];
        let seconds = units.iter().find_map(|(unit, seconds)| {
            let number: f64 = text.strip_suffix(unit)?.parse().ok()?;
            Some(number * seconds)
        });
        let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let time = time.ok_or_else(|| refuse(text))?;
        allowed(time).then_some(time).ok_or_else(|| refuse(text))
    }

    /// # Errors
    /// [`Error::is_option`] where it is not allowed.
    pub(super) fn new(asked: Option<Duration>) -> Result<Self, Error> {
        let mean = asked.unwrap_or(DEFAULT);
        if !allowed(mean) {
            return Err(refuse(&format!("{mean:?}")));
        }
        Ok(Interval {
            mean,
            is_asked_for: asked.is_some(),
            cost: Duration::ZERO,
            seed: 0x9e37_79b9_7f4a_7c15,
        })
    }

    /// How long to wait for the next sample after one that cost so many ns of CPU time.
    pub(super) fn next(&mut self, cost_ns: u64) -> Duration {
        let cost = Duration::from_nanos(cost_ns) + WAY;
        self.cost = (15 * self.cost + cost) / 16;
        let mean = match self.is_asked_for {
            true => self.mean,
            false => self.mean.max(AFFORDED * self.cost),
        };
        around(mean, &mut self.seed)
    }
}

fn allowed(mean: Duration) -> bool {
    (ALLOWED.0..=ALLOWED.1).contains(&mean)
}

fn refuse(value: &str) -> Error {
    Error::Option {
        option: "interval".into(),
        value: value.into(),
        allowed: "100us to 1s".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(interval: &mut Interval, cost_ns: u64) -> Duration {
        // What it costs is learned first.
        for _ in 0..200 {
            interval.next(cost_ns);
        }
        let all: Duration = (0..10_000).map(|_| interval.next(cost_ns)).sum();
        all / 10_000
    }

    #[test]
    fn intervals_differ_and_have_the_mean_that_was_asked_for() {
        let asked = Duration::from_millis(5);
        let mut interval = Interval::new(Some(asked)).unwrap();
        assert_ne!(interval.next(0), interval.next(0));
        let ratio = mean(&mut interval, 1_000_000).as_secs_f64() / asked.as_secs_f64();
        assert!((0.97..1.03).contains(&ratio), "{ratio}");
    }

    #[test]
    fn costly_samples_are_rarer_unless_that_was_asked_for() {
        let mut interval = Interval::new(None).unwrap();
        let cheap = mean(&mut interval, 20_000).as_secs_f64() / DEFAULT.as_secs_f64();
        assert!((0.97..1.03).contains(&cheap), "{cheap}");
        let spent = 0.000_390 / mean(&mut interval, 390_000).as_secs_f64();
        assert!(spent <= 1.0 / f64::from(AFFORDED), "{spent}");
    }

    #[test]
    fn an_interval_out_of_bounds_is_told_what_is_allowed() {
        let error = Interval::new(Some(Duration::from_secs(2))).unwrap_err();
        assert!(error.is_option());
        assert_eq!(
            error.to_string(),
            "option interval=2s is not allowed: 100us to 1s"
        );
    }

    #[test]
    fn an_interval_is_written_with_its_unit() {
        assert_eq!(
            Interval::parse("500us").unwrap(),
            Duration::from_micros(500)
        );
        assert_eq!(
            Interval::parse("2.5ms").unwrap(),
            Duration::from_micros(2_500)
        );
        for wrong in ["2", "ms", "0ms", "-1ms", "nans", "infs", "2s", "2min", ""] {
            let error = Interval::parse(wrong).unwrap_err().to_string();
            assert!(error.contains("100us to 1s"), "{error}");
        }
    }
}
