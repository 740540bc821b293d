//! How long a reader may sleep before it looks at the ring again.

use std::time::{Duration, Instant};

/// A reader that wakes makes the kernel move the program's threads about, which
/// costs them more than the reading does: so it wakes no oftener than the ring
/// needs. Below two and a half million events a second, a ring of the default
/// size outlasts even a burst that begins right after the longest pause.
const SHORTEST: Duration = Duration::from_millis(2);
const LONGEST: Duration = Duration::from_millis(80);
/// A program that has done next to nothing for a while is looked at ever more rarely: at
/// first after half of that time, as it may hold the GIL alone, for long; then after this
/// time, and after a tenth: so what is missed of it, should it end, is little. When it
/// wakes up, a hook rings before its ring is full.
const IDLE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));
const IDLE_SOON: Duration = Duration::from_millis(200);
const FEW: u64 = 64;

/// Spaces the looks at a ring by how fast it fills.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    last: Instant,
    /// Since when little happens.
    idle: Instant,
}

impl Pace {
    pub(crate) fn new() -> Self {
        Pace {
            last: Instant::now(),
            idle: Instant::now(),
        }
    }

    /// How long to pause after a look that found `events`, so that at the same
    /// rate the next one finds about `wanted`.
    pub(crate) fn pause(&mut self, events: u64, wanted: u64) -> Duration {
        let now = Instant::now();
        let past = now.duration_since(self.last);
        self.last = now;
        if events < FEW {
            return rare(now.duration_since(self.idle));
        }
        self.idle = now;
        spaced(past, events, wanted)
    }
}

fn rare(idle: Duration) -> Duration {
    let pause = (idle / 2).min(IDLE_SOON).max(idle / 10);
    pause.clamp(IDLE.0, IDLE.1)
}

fn spaced(past: Duration, events: u64, wanted: u64) -> Duration {
    let pause = past.as_secs_f64() * wanted as f64 / events as f64;
    Duration::from_secs_f64(pause.clamp(SHORTEST.as_secs_f64(), LONGEST.as_secs_f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_pause_is_what_the_wanted_number_takes_at_the_last_rate() {
        assert_eq!(spaced(10 * MS, 1_000, 5_000), 50 * MS);
        assert_eq!(spaced(50 * MS, 10_000, 2_000), 10 * MS);
    }

    #[test]
    fn an_idle_program_is_looked_at_ever_more_rarely_and_a_storm_never_too_often() {
        assert_eq!(rare(2 * MS), IDLE.0);
        assert_eq!(rare(100 * MS), 50 * MS);
        assert_eq!(rare(1_000 * MS), IDLE_SOON);
        assert_eq!(rare(3_000 * MS), 300 * MS);
        assert_eq!(rare(60_000 * MS), IDLE.1);
        assert_eq!(spaced(100 * MS, u64::MAX, 1), SHORTEST);
    }
}
