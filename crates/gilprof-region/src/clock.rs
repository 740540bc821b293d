//! The recording's clock: the time-stamp counter, else the kernel's.

use std::sync::OnceLock;
use std::time::Duration;

use gilprof_core::Clock as Kind;

/// Where Linux says which clock source it trusts on this machine.
const CLOCK_SOURCE: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// How long the counter's rate is measured against the kernel's clock. Two
/// readings are some tens of nanoseconds apart: that is the error, over this time.
const CALIBRATION: Duration = Duration::from_millis(5);

/// What is longer ago is no begin of that measurement: the process may have been frozen
/// meanwhile, and thawed on another machine.
const EARLY: Duration = Duration::from_secs(60);

/// The system did not sleep between two readings if it slept for no longer than this: so
/// far apart two clocks can be read.
const AWAKE: Duration = Duration::from_millis(1);

/// Reads the recording's time. Every process that maps the region can read
/// it: both sources are the same for the whole machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    pub(crate) kind: Kind,
    /// Nanoseconds a tick, in units of 2^-32.
    pub(crate) mult: u64,
    /// What the scaled counter lacks to CLOCK_MONOTONIC.
    pub(crate) offset: u64,
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
            offset: 0,
        }
    }

    /// Begins to measure the counter's rate, in some microseconds: [`Clock::detect`], if it
    /// comes later, need not wait for it.
    pub fn prepare() {
        EARLIER.get_or_init(Anchor::take);
    }

    /// The time-stamp counter, if it is invariant on this processor. Measuring its
    /// rate takes [`CALIBRATION`], once a process.
    fn counter() -> Option<Self> {
        static COUNTER: OnceLock<Option<Clock>> = OnceLock::new();
        *COUNTER.get_or_init(|| {
            if !counter_is_invariant() {
                return None;
            }
            let now = Anchor::take()?;
            let earlier = EARLIER.get().copied().flatten();
            let start = earlier.filter(|then| then.is_begin(&now)).unwrap_or(now);
            let measured = Duration::from_nanos(now.ns - start.ns);
            std::thread::sleep(CALIBRATION.saturating_sub(measured));
            start.clock_until(Anchor::take()?)
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
    #[inline(always)]
    pub fn now_ns(&self) -> u64 {
        match self.kind {
            Kind::Tsc => self.scale(ticks().unwrap_or(0)),
            Kind::Monotonic => monotonic_ns(),
        }
    }

    /// [`Clock::now_ns`] where that takes no call.
    // Must not allocate.
    #[inline(always)]
    pub fn now_ns_without_call(&self) -> Option<u64> {
        match self.kind {
            Kind::Tsc => Some(self.scale(ticks()?)),
            Kind::Monotonic => None,
        }
    }

    /// Wrapping, so that one multiplication does: the origin is added afterwards.
    #[inline(always)]
    fn scale(&self, ticks: u64) -> u64 {
        product(ticks, self.mult).wrapping_add(self.offset)
    }
}

#[inline(always)]
fn product(ticks: u64, mult: u64) -> u64 {
    ((u128::from(ticks) * u128::from(mult)) >> 32) as u64
}

/// Where the measurement of the counter's rate began, if somebody began it early.
static EARLIER: OnceLock<Option<Anchor>> = OnceLock::new();

/// The counter and the kernel's clock at one instant.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    ticks: u64,
    ns: u64,
    /// How long the system had slept before: the counter goes on then, or begins anew.
    asleep_ns: u64,
}

impl Anchor {
    /// The closest of some tries: how far apart the two readings can be is the
    /// time between the two readings of the counter around the kernel's.
    fn take() -> Option<Self> {
        const TRIES: usize = 50;
        let attempt = || {
            let before = ticks()?;
            let ns = monotonic_ns();
            let width = ticks()?.saturating_sub(before);
            Some((width, before + width / 2, ns))
        };
        let tries = (0..TRIES).filter_map(|_| attempt());
        let (_, ticks, ns) = tries.min_by_key(|(width, ..)| *width)?;
        let asleep_ns = kernel_ns(libc::CLOCK_BOOTTIME).saturating_sub(monotonic_ns());
        Some(Anchor {
            ticks,
            ns,
            asleep_ns,
        })
    }

    /// Whether the counter's rate can be measured from here to `now`.
    fn is_begin(&self, now: &Anchor) -> bool {
        let is_young = now
            .ns
            .checked_sub(self.ns)
            .is_some_and(|ns| ns <= EARLY.as_nanos() as u64);
        is_young && now.asleep_ns.abs_diff(self.asleep_ns) <= AWAKE.as_nanos() as u64
    }

    fn clock_until(self, end: Anchor) -> Option<Clock> {
        let ticks = u128::from(end.ticks.checked_sub(self.ticks)?);
        let ns = u128::from(end.ns.checked_sub(self.ns)?);
        let mult = u64::try_from((ns << 32).checked_div(ticks)?).ok()?;
        Some(Clock {
            kind: Kind::Tsc,
            mult,
            offset: self.ns.wrapping_sub(product(self.ticks, mult)),
        })
    }
}

#[cfg(target_arch = "x86_64")]
fn counter_is_invariant() -> bool {
    let power = raw_cpuid::CpuId::new().get_advanced_power_mgmt_info();
    power.is_some_and(|info| info.has_invariant_tsc())
}

#[cfg(not(target_arch = "x86_64"))]
fn counter_is_invariant() -> bool {
    false
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
    kernel_ns(libc::CLOCK_MONOTONIC)
}

#[inline]
fn kernel_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the result; the call cannot fail
    // for a clock that every Linux has.
    unsafe { libc::clock_gettime(clock, &mut time) };
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
    fn the_counters_rate_is_known_to_a_ten_thousandth() {
        let Some(clock) = Clock::counter() else {
            return;
        };
        let start = Anchor::take().unwrap();
        while monotonic_ns() - start.ns < 50_000_000 {
            std::hint::spin_loop();
        }
        let end = Anchor::take().unwrap();
        let counted = clock.scale(end.ticks) - clock.scale(start.ticks);
        let ratio = counted as f64 / (end.ns - start.ns) as f64;
        assert!((0.9999..1.0001).contains(&ratio), "{ratio}");
    }

    const HOUR_NS: u64 = 3_600_000_000_000;

    /// An anchor some ns after boot, before which the system slept for an hour.
    fn anchor(ns: u64) -> Anchor {
        Anchor {
            ticks: ns * 3,
            ns,
            asleep_ns: HOUR_NS,
        }
    }

    #[test]
    fn a_rate_is_measured_from_what_was_read_shortly_before() {
        let then = anchor(10_000_000_000);
        let asleep_ns = HOUR_NS + 1_000;
        let now = Anchor {
            asleep_ns,
            ..anchor(11_000_000_000)
        };
        assert!(then.is_begin(&now));
    }

    #[test]
    fn a_rate_is_not_measured_over_a_sleep_of_the_system_nor_over_hours() {
        let then = anchor(10_000_000_000);
        let hours_later = anchor(10_000_000_000 + 3 * HOUR_NS);
        assert!(!then.is_begin(&hours_later));
        let slept = Anchor {
            asleep_ns: HOUR_NS + 1_000_000_000,
            ..anchor(11_000_000_000)
        };
        assert!(!then.is_begin(&slept));
        assert!(!anchor(11_000_000_000).is_begin(&then));
    }

    #[test]
    fn scaling_does_not_overflow_after_years() {
        let clock = Clock {
            kind: Kind::Tsc,
            mult: (1 << 32) / 3,
            offset: 0,
        };
        let ten_years_of_ticks = 3_000_000_000 * 86_400 * 3_650;
        let ns = clock.scale(ten_years_of_ticks);
        assert!(ns.abs_diff(1_000_000_000 * 86_400 * 3_650) < 1_000_000_000);
    }
}
