//! How much faster a program could be at most, if something were otherwise.

mod interval;
mod schedule;

use serde::{Deserialize, Serialize};

use crate::profile::Profile;
use crate::query::{By, Query};
use crate::site::SiteKind;
use crate::thread::Thread;

use schedule::Schedule;

/// What is supposed to be otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Supposed {
    /// There is no GIL.
    NoGil,
    /// The work is divided among processes.
    Processes,
    /// The GIL is held half as long at one place.
    HalfHold,
    /// The switch interval is shorter.
    SwitchInterval,
}

impl Supposed {
    /// The word for it: `no-gil`, `processes`, `half-hold` or `switch-interval`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoGil => "no-gil",
            Self::Processes => "processes",
            Self::HalfHold => "half-hold",
            Self::SwitchInterval => "switch-interval",
        }
    }

    /// On what the bound rests, a clause each.
    fn assumption(self) -> &'static str {
        match self {
            Self::NoGil => {
                "each thread does the same work in the same order; code, locks and memory are as \
                 fast as before; what is blocked outside the GIL stays so for as long"
            }
            Self::Processes => {
                "the work done with the GIL divides evenly and grows no larger; nothing is copied \
                 between processes; what is blocked outside the GIL stays so for as long"
            }
            Self::HalfHold => {
                "all else takes as long as before; how long it was held there is estimated from \
                 samples"
            }
            Self::SwitchInterval => {
                "holders run Python code, which lets go when asked; a thread that let go by itself \
                 waits no longer than the interval; switching costs nothing"
            }
        }
    }
}

/// An upper bound on the speed-up, if something were otherwise. Not what will be
/// gained: what cannot be exceeded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WhatIf {
    /// What is supposed, as a word that programs can test.
    pub supposed: Supposed,
    /// What is supposed, in words: `no GIL, on 2 CPUs`.
    pub what: String,
    /// The thread whose time is told; `None` for the whole program.
    pub thread: Option<u64>,
    /// The recorded time over the least time that the same work could take; at least
    /// 1.0. `None` where it is not known.
    pub speed_up: Option<f64>,
    /// Why it is not known, as in `n/a (…)`.
    pub missing: Option<String>,
    /// What the bound assumes.
    pub assumption: String,
}

impl WhatIf {
    /// `recorded` over `least`, in ns.
    fn bounded(supposed: Supposed, what: String, recorded: f64, least: f64) -> Self {
        let speed_up = match least > 0.0 {
            true => (recorded / least).max(1.0),
            false => 1.0,
        };
        Self {
            speed_up: Some(speed_up),
            missing: None,
            ..Self::missing(supposed, what, "")
        }
    }

    fn missing(supposed: Supposed, what: String, reason: &str) -> Self {
        Self {
            supposed,
            what,
            thread: None,
            speed_up: None,
            missing: Some(format!("n/a ({reason})")),
            assumption: supposed.assumption().into(),
        }
    }
}

impl Profile {
    /// How much faster the program could be at most: without a GIL on so many CPUs, as
    /// that many processes, with half the hold in the function that others wait for
    /// most, and with a tenth of the switch interval.
    ///
    /// ```
    /// use gilprof_core::{Profile, ProfileParts};
    ///
    /// for row in Profile::assemble(ProfileParts::default()).what_if(4) {
    ///     println!("{}: {:?}, if {}", row.what, row.speed_up, row.assumption);
    /// }
    /// ```
    pub fn what_if(&self, cpus: u32) -> Vec<WhatIf> {
        let rows = [
            Some(self.without_gil(cpus)),
            Some(self.as_processes(cpus, cpus)),
            self.half_hold_where_most_wait(),
            self.with_switch_interval(self.switch_interval_ns() / 10),
        ];
        rows.into_iter().flatten().collect()
    }

    /// How much faster it could be without a GIL, with the threads that it has, on so
    /// many CPUs.
    ///
    /// While `k` threads wanted the GIL, one of them ran; without it all `k` do, as far
    /// as there are CPUs for the part of their holds that needs one. No thread gets
    /// ahead of itself: the bound is no more than what the busiest of them allows.
    pub fn without_gil(&self, cpus: u32) -> WhatIf {
        let what = format!("no GIL, on {}", counted(cpus, "CPU", "CPUs"));
        match Schedule::of(self) {
            Ok(schedule) => {
                let least = schedule.without_gil(cpus.max(1));
                WhatIf::bounded(Supposed::NoGil, what, schedule.wall, least)
            }
            Err(reason) => WhatIf::missing(Supposed::NoGil, what, &reason),
        }
    }

    /// How much faster it could be as so many processes, each with a GIL of its own and
    /// an equal part of the work, on so many CPUs. Other than without a GIL, what one
    /// thread did is divided too.
    pub fn as_processes(&self, processes: u32, cpus: u32) -> WhatIf {
        let count = counted(processes, "process", "processes");
        let what = format!("{count}, on {}", counted(cpus, "CPU", "CPUs"));
        match Schedule::of(self) {
            Ok(schedule) => {
                let least = schedule.as_processes(processes.max(1), cpus.max(1));
                WhatIf::bounded(Supposed::Processes, what, schedule.wall, least)
            }
            Err(reason) => WhatIf::missing(Supposed::Processes, what, &reason),
        }
    }

    /// How much faster it could be if the GIL were held half as long in the code whose
    /// innermost function and file fit two shell patterns.
    pub fn half_hold(&self, functions: &str, files: &str) -> WhatIf {
        let what = match (functions, files) {
            (_, "*") => format!("half the hold in {functions}"),
            ("*", _) => format!("half the hold in {files}"),
            _ => format!("half the hold in {functions} ({files})"),
        };
        let query = self.query().kind(SiteKind::Hold).by(By::State);
        self.half(what, query.functions(functions).files(files))
    }

    /// How much faster it could be if threads whose name fits a shell pattern held the
    /// GIL half as long.
    pub fn half_hold_of(&self, threads: &str) -> WhatIf {
        let what = format!("half the hold of {threads}");
        let query = self.query().state(crate::state::State::Holding);
        self.half(what, query.threads(threads).by(By::State))
    }

    fn half(&self, what: String, query: Query<'_>) -> WhatIf {
        let wall = self.wall_ns() as f64;
        match query.rows() {
            Ok(rows) => {
                let held: u64 = held_in(&rows);
                // Nothing takes less than half of its time.
                let saved = (held as f64).min(wall) / 2.0;
                WhatIf::bounded(Supposed::HalfHold, what, wall, wall - saved)
            }
            Err(error) => WhatIf::missing(Supposed::HalfHold, what, &error.to_string()),
        }
    }

    /// The function that made others wait most, or where there are no stacks, the
    /// thread.
    fn half_hold_where_most_wait(&self) -> Option<WhatIf> {
        let worst = self.sites_of(SiteKind::Blame).iter();
        let worst = worst.filter_map(|site| self.stack(site).next()).next();
        match worst {
            Some(frame) => Some(self.half_hold(&literal(&frame.function), &literal(&frame.file))),
            None => {
                let threads = self.threads().iter();
                let worst = threads.max_by_key(|thread| thread.caused_ns);
                let worst = worst.filter(|thread| thread.caused_ns > 0)?;
                Some(self.half_hold_of(&literal(&worst.name)))
            }
        }
    }

    /// How much sooner the thread that gains most could be done with a shorter switch
    /// interval, in ns; `None` where nobody waits for longer than that.
    ///
    /// A thread that lets go of the GIL by itself, as for I/O, waits up to an interval
    /// to get it back from one that does not. Waits of threads that were made to let
    /// go stay as long in all: they share the GIL with others that want it as much.
    pub fn with_switch_interval(&self, interval_ns: u64) -> Option<WhatIf> {
        let current = self.switch_interval_ns();
        let saved = |thread: &Thread| interval::saved_ns(thread, current, interval_ns);
        let threads = self.threads().iter().map(|thread| (thread, saved(thread)));
        let (thread, saved) = threads.max_by(|a, b| a.1.total_cmp(&b.1))?;
        if saved <= 0.0 {
            return None;
        }
        let lifetime = thread.lifetime_ns as f64;
        let what = format!(
            "switch interval of {} ms, for {}",
            interval_ns as f64 / 1e6,
            self.label(thread)
        );
        let row = WhatIf::bounded(Supposed::SwitchInterval, what, lifetime, lifetime - saved);
        Some(WhatIf {
            thread: Some(thread.id),
            ..row
        })
    }

    fn label(&self, thread: &Thread) -> String {
        match thread.name.is_empty() {
            true => format!("thread {}", thread.id),
            false => thread.name.clone(),
        }
    }
}

fn held_in(rows: &crate::query::Rows) -> u64 {
    let held = rows.rows.iter().filter(|row| row.key == "holding");
    held.map(|row| row.total_ns).fold(0, u64::saturating_add)
}

/// The pattern that only this name fits.
fn literal(name: &str) -> String {
    let special = |letter: char| matches!(letter, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!');
    let letters = name.chars().map(|letter| match special(letter) {
        // A class of one letter would need no escape, but for the bracket itself.
        true => format!("\\{letter}"),
        false => letter.to_string(),
    });
    letters.collect()
}

fn counted(count: u32, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests;
