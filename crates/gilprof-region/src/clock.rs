//! The recording's clock: the time-stamp counter, else the kernel's.

use gilprof_core::Clock as Kind;

/// Where Linux says which clock source it trusts on this machine.
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// Reads the recording's time. Every process that maps the region can read
/// it: both sources are the same for the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    pub(crate) kind: Kind,
    /// Nanoseconds a tick, in units of 2^-32.
    pub(crate) mult: u64,
    pub(crate) base_ticks: u64,
    pub(crate) base_ns: u64,
}

impl Clock {
    /// The time-stamp counter where it is invariant and the kernel itself
    /// keeps time by it; CLOCK_MONOTONIC elsewhere.
    pub fn detect() -> Self {
        match kernel_trusts_counter() {
            true => Self::counter().unwrap_or_else(Self::monotonic),
            false => Self::monotonic(),
        }
    }

    /// The kernel's CLOCK_MONOTONIC.
    pub fn monotonic() -> Self {
        Clock {
            kind: Kind::Monotonic,
            mult: 1 << 32,
            base_ticks: 0,
            base_ns: 0,
        }
    }

    /// The time-stamp counter, if it is invariant on this processor.
    fn counter() -> Option<Self> {
        let quanta = quanta::Clock::new();
        let near = |a: u64, b: u64| a.abs_diff(b) < 1 << 24;
        // `quanta` falls back to the kernel's clock where the counter varies.
        if !near(quanta.raw(), ticks()?) {
            return None;
        }
        let mult = quanta.delta_as_nanos(0, 1 << 32);
        let (base_ticks, base_ns) = (ticks()?, monotonic_ns());
        Some(Clock {
            kind: Kind::Tsc,
            mult,
            base_ticks,
            base_ns,
        })
    }

    /// Which clock this is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Nanoseconds, comparable with all other readings of the same recording
    /// and, to a few parts in a million of the time since the start of the
    /// recording, with CLOCK_MONOTONIC.
    // Must not allocate.
    #[inline]
    pub fn now_ns(&self) -> u64 {
        match self.kind {
            Kind::Tsc => self.scale(ticks().unwrap_or(self.base_ticks)),
            Kind::Monotonic => monotonic_ns(),
        }
    }

    #[inline]
    fn scale(&self, ticks: u64) -> u64 {
        // A core whose counter is a few ticks behind at the very start.
        let since = ticks.saturating_sub(self.base_ticks);
        let ns = ((u128::from(since) * u128::from(self.mult)) >> 32) as u64;
        // Wrapping: the numbers may come from a corrupt header.
        self.base_ns.wrapping_add(ns)
    }
}

fn kernel_trusts_counter() -> bool {
    std::fs::read_to_string(CLOCK_SOURCE).is_ok_and(|source| source.trim() == "tsc")
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn ticks() -> Option<u64> {
    // SAFETY: every x86-64 processor has RDTSC, and Linux leaves it enabled
    // for user space unless a process asks otherwise for itself.
    Some(unsafe { core::arch::x86_64::_rdtsc() })
}

#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn ticks() -> Option<u64> {
    None
}

/// CLOCK_MONOTONIC in nanoseconds.
#[inline]
fn monotonic_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the result; the call cannot fail
    // for a clock that every Linux has.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_detected_clock_runs_like_the_kernels() {
        let clock = Clock::detect();
        let (start, kernel_start) = (clock.now_ns(), monotonic_ns());
        while monotonic_ns() - kernel_start < 20_000_000 {
            std::hint::spin_loop();
        }
        let (end, kernel_end) = (clock.now_ns(), monotonic_ns());
        let ratio = (end - start) as f64 / (kernel_end - kernel_start) as f64;
        assert!((0.99..1.01).contains(&ratio), "{ratio}");
    }

    #[test]
    fn scaling_does_not_overflow_after_years() {
        let clock = Clock {
            kind: Kind::Tsc,
            mult: (1 << 32) / 3,
            base_ticks: 0,
            base_ns: 0,
        };
        let ten_years_of_ticks = 3_000_000_000 * 86_400 * 3_650;
        let ns = clock.scale(ten_years_of_ticks);
        assert!(ns.abs_diff(1_000_000_000 * 86_400 * 3_650) < 1_000_000_000);
    }
}
