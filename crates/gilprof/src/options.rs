//! One grammar of options for Rust, Python, the environment and the command
//! line: `threads=256,ring=262144,clock=auto`.

use std::fmt;
use std::str::FromStr;

use gilprof_core::Timeline;
use gilprof_region::{Clock, Sizes};

use crate::error::Error;

/// Which clock to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockChoice {
    /// The time-stamp counter where it can be trusted, else the kernel's.
    #[default]
    Auto,
    /// The kernel's CLOCK_MONOTONIC, always.
    Monotonic,
}

/// How to record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many threads can have sums of their own at a time: 1 to 4096. Up to an
    /// eighth of them are threads that have ended; older ones share a row with
    /// those of the same name but for its digits.
    pub threads: u64,
    /// How many events the ring holds: a power of two, 1024 to 67108864.
    pub ring: u64,
    /// Which clock to use.
    pub clock: ClockChoice,
    /// After how many nanoseconds of a thread's holding, waiting or detached
    /// time, or of what it made others wait, its stack is taken: 100 µs to 1 s,
    /// or 0 for never. Written `stacks=1ms` or `stacks=off`.
    pub stacks_ns: u64,
    /// How many megabytes of the latest events are kept, for tables of single events,
    /// holds and waits: 1 to 4096, or 0 for none. Written `timeline=64MB` or
    /// `timeline=off`.
    pub timeline_mb: u64,
    /// Whether the CPUs' own counters count each thread's instructions and cycles, where the
    /// machine has them; each context switch takes some microseconds longer then. Written
    /// `counters=hardware` or `counters=off`.
    pub counters: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            threads: 256,
            ring: 1 << 18,
            clock: ClockChoice::Auto,
            stacks_ns: 1_000_000,
            timeline_mb: 0,
            counters: false,
        }
    }
}

impl Options {
    /// Sets one option by its name.
    ///
    /// # Errors
    /// [`Error::Option`] with the name, the value and what is allowed.
    pub fn set(&mut self, option: &str, value: &str) -> Result<(), Error> {
        match option {
            "threads" => self.threads = number(option, value, "a number from 1 to 4096")?,
            "ring" => {
                let allowed = "a power of two from 1024 to 67108864";
                self.ring = number(option, value, allowed)?;
            }
            "clock" => self.clock = clock(value)?,
            "stacks" => self.stacks_ns = stacks(value)?,
            "timeline" => self.timeline_mb = timeline(value)?,
            "counters" => self.counters = counters(value)?,
            _ => {
                let allowed = "the options are threads, ring, clock, stacks, timeline and counters";
                return Err(refuse(option, value, allowed));
            }
        }
        self.sizes().map(|_| ())
    }

    pub(crate) fn sizes(&self) -> Result<Sizes, Error> {
        Ok(Sizes::new(self.threads, self.ring)?)
    }

    /// Where events are kept, if they are.
    pub(crate) fn timeline(&self) -> Option<Timeline> {
        let bytes = self.timeline_mb.saturating_mul(1_000_000);
        (bytes > 0).then(|| Timeline::with_room(bytes))
    }

    pub(crate) fn clock(&self) -> Clock {
        match self.clock {
            ClockChoice::Auto => Clock::detect(),
            ClockChoice::Monotonic => Clock::monotonic(),
        }
    }
}

fn refuse(option: &str, value: &str, allowed: &str) -> Error {
    Error::Option {
        option: option.into(),
        value: value.into(),
        allowed: allowed.into(),
    }
}

fn number(option: &str, value: &str, allowed: &str) -> Result<u64, Error> {
    value.parse().map_err(|_| refuse(option, value, allowed))
}

fn clock(value: &str) -> Result<ClockChoice, Error> {
    match value {
        "auto" => Ok(ClockChoice::Auto),
        "monotonic" => Ok(ClockChoice::Monotonic),
        _ => Err(refuse("clock", value, "auto or monotonic")),
    }
}

/// `off`, or a step with its unit.
fn stacks(value: &str) -> Result<u64, Error> {
    let units = [("us", 1_000_u64), ("ms", 1_000_000), ("s", 1_000_000_000)];
    let step = units.iter().find_map(|(unit, ns)| {
        let number: u64 = value.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*ns)
    });
    match step {
        _ if value == "off" => Ok(0),
        Some(ns @ 100_000..=1_000_000_000) => Ok(ns),
        _ => Err(refuse("stacks", value, "off, or 100us to 1s")),
    }
}

/// `off`, or a size.
fn timeline(value: &str) -> Result<u64, Error> {
    let size = value.strip_suffix("MB").and_then(|size| size.parse().ok());
    match size {
        _ if value == "off" => Ok(0),
        Some(megabytes @ 1..=4_096) => Ok(megabytes),
        _ => Err(refuse("timeline", value, "off, or 1MB to 4096MB")),
    }
}

fn counters(value: &str) -> Result<bool, Error> {
    match value {
        "hardware" => Ok(true),
        "off" => Ok(false),
        _ => Err(refuse("counters", value, "off or hardware")),
    }
}

impl FromStr for Options {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut options = Options::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (option, value) = part.split_once('=').ok_or_else(|| {
                refuse(
                    part,
                    "",
                    "options are written name=value, with commas between",
                )
            })?;
            options.set(option.trim(), value.trim())?;
        }
        Ok(options)
    }
}

impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = match self.clock {
            ClockChoice::Auto => "auto",
            ClockChoice::Monotonic => "monotonic",
        };
        let stacks = match self.stacks_ns {
            0 => String::from("off"),
            ns => format!("{}us", ns / 1_000),
        };
        let timeline = match self.timeline_mb {
            0 => String::from("off"),
            megabytes => format!("{megabytes}MB"),
        };
        let counters = if self.counters { "hardware" } else { "off" };
        write!(
            f,
            "threads={},ring={},clock={clock},stacks={stacks},timeline={timeline},counters={counters}",
            self.threads, self.ring
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_read_back_as_they_are_written() {
        let text =
            "threads=16, ring=4096,clock=monotonic, stacks=2ms,timeline=64MB,counters=hardware";
        let options: Options = text.parse().unwrap();
        assert_eq!(
            options.to_string(),
            "threads=16,ring=4096,clock=monotonic,stacks=2000us,timeline=64MB,counters=hardware"
        );
        let off: Options = "stacks=off,timeline=off".parse().unwrap();
        assert_eq!(off.to_string().parse::<Options>().unwrap(), off);
        assert_eq!(options.to_string().parse::<Options>().unwrap(), options);
        assert_eq!("".parse::<Options>().unwrap(), Options::default());
    }

    #[test]
    fn a_wrong_option_names_itself_its_value_and_what_is_allowed() {
        let message = |text: &str| text.parse::<Options>().unwrap_err().to_string();
        assert_eq!(
            message("threads=many"),
            "option threads=many is not allowed: a number from 1 to 4096"
        );
        assert!(message("threads=5000").contains("1 to 4096"));
        assert!(message("ring=1000").contains("power of two"));
        assert!(message("clock=sun").contains("auto or monotonic"));
        assert!(
            message("color=red").contains("threads, ring, clock, stacks, timeline and counters")
        );
        assert!(message("stacks=1us").contains("100us to 1s"));
        assert!(message("timeline=64").contains("1MB to 4096MB"));
        assert!(message("counters=on").contains("off or hardware"));
        assert!(message("threads").contains("name=value"));
    }
}
