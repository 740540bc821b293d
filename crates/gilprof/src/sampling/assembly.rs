//! A process that is sampled, and its profile.

use std::collections::HashMap;
use std::time::{SystemTime, UNIX_EPOCH};

use gilprof_attach::{GilAt, GilSwitch, GilWords, Interpreter, Modules, Refusal, Target};
use gilprof_code::{Memory, ProcessMemory};
use gilprof_core::{Clock, CpuSource, Ended, Mode, Profile, ProfileParts, Survey};

use crate::error::Error;
use crate::own_thread::thread_cpu_ns;
use crate::program::Program;
use crate::stolen::Stolen;

use super::look::{Look, Looker};
use super::shelf::Shelf;

/// From `cond` back to the switch interval in µs (pycore_gil.h, 3.9 to 3.13).
const INTERVAL: u64 = 32;
/// By this function glibc is known.
const GLIBC: &str = "gnu_get_libc_version";
/// How often the first look is tried.
const TRIES: usize = 100;

/// A process that is sampled, and what was seen of it.
#[derive(Debug)]
pub(super) struct Recording {
    pid: u32,
    program: Program,
    python: Interpreter,
    gils: Vec<GilAt>,
    /// By the index of the GIL, in a Python that can do without.
    switches: Vec<Option<GilSwitch>>,
    looker: Looker,
    survey: Survey,
    torn: u64,
    late: u64,
    spent_ns: u64,
    stolen: Stolen,
    started_at: u64,
    is_over: bool,
}

impl Recording {
    pub(super) fn of(pid: u32) -> Result<Self, Error> {
        let target = Target::of(pid).map_err(|refusal| refusal.into_error(pid))?;
        match target.refusal() {
            // Only hooks need slots, and the right to trace at once.
            None
            | Some(
                Refusal::NoGil | Refusal::FreeThreaded | Refusal::NoSlots | Refusal::Traced { .. },
            ) => (),
            Some(refusal) => return Err(refusal.clone().into_error(pid).into()),
        }
        let modules = Modules::of(pid).map_err(|source| Error::Os {
            what: format!("read what process {pid} has mapped"),
            source,
        })?;
        let python = Interpreter::of(pid, &modules)?;
        let gils = python.gils().map_err(|why| {
            gilprof_attach::Error::Refused(format!("process {pid} cannot be sampled: {why}"))
        })?;
        let counts = modules.exporting(GLIBC).is_some();
        let words = gils.iter().map(|gil| GilWords::of(pid, gil.cond, counts));
        let shelf = Shelf::of(pid, &python);
        let mut program = Program::default();
        program.read(pid);
        let mut recording = Recording {
            pid,
            program,
            looker: Looker::new(pid, words.collect(), shelf),
            python,
            gils,
            switches: Vec::new(),
            survey: Survey::default(),
            torn: 0,
            late: 0,
            spent_ns: 0,
            stolen: Stolen::new(),
            started_at: unix_ns(),
            is_over: false,
        };
        recording.begin()?;
        Ok(recording)
    }

    /// Looks for the first time: all profiles of the recording begin there.
    fn begin(&mut self) -> Result<(), Error> {
        let began_ns = thread_cpu_ns();
        for _ in 0..TRIES {
            let has_begun = !self.look() || self.survey.samples().count > 0;
            if has_begun {
                self.read_switches();
                self.has_cost(thread_cpu_ns().saturating_sub(began_ns));
                return Ok(());
            }
        }
        let pid = self.pid;
        Err(gilprof_attach::Error::Refused(format!(
            "process {pid} cannot be sampled: its GIL changed hands each time it was read"
        ))
        .into())
    }

    /// Another import may have switched one on.
    fn read_switches(&mut self) {
        let switches = self.gils.iter().map(|gil| self.python.switch_of(gil));
        self.switches = switches.collect();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.is_over
    }

    /// The last look cost so much CPU time.
    pub(super) fn has_cost(&mut self, cost_ns: u64) {
        self.spent_ns += cost_ns;
    }

    /// The next look came late.
    pub(super) fn was_late(&mut self) {
        self.late += 1;
    }

    /// Looks once; false where the process is no more.
    pub(super) fn look(&mut self) -> bool {
        if self.is_over {
            return false;
        }
        let gils = &self.gils;
        // Interpreters without a GIL of their own share the main one's.
        let gil_of = |id: u64| {
            let at = gils.iter().position(|gil| gil.interpreter_id == id);
            at.unwrap_or(0) as u32
        };
        match self.looker.look(&self.python, gil_of) {
            Look::Seen(sight) => self.survey.add(sight),
            Look::Torn => self.torn += 1,
            Look::Gone => self.is_over = true,
        }
        let folded = self.looker.roll.fold();
        if !folded.is_empty() {
            self.survey.fold(&folded);
        }
        !self.is_over
    }

    /// The profile up to the last look.
    pub(super) fn profile(&mut self, ended: Ended) -> Profile {
        if !self.is_over {
            self.program.read(self.pid);
            self.looker.roll.read();
            self.read_switches();
            self.looker.roll.name(&self.python);
        }
        let mut parts = self.head();
        parts.ended_how = match self.is_over {
            true => Ended::Exited,
            false => ended,
        };
        let roll = &self.looker.roll;
        parts.threads = self.survey.threads(|id| roll.counted(id));
        parts.threads.iter_mut().for_each(|row| roll.sign(row));
        parts.gils = self.survey.gils();
        for row in &mut parts.gils {
            row.pid = self.pid;
            let switches = self.looker.switches.get(row.index as usize);
            row.switches = switches.map_or(0, |(first, last)| last.wrapping_sub(*first));
            let gil = self.gils.get(row.index as usize);
            if let Some(Some(switch)) = self.switches.get(row.index as usize) {
                row.enabled = Some(switch.is_on);
                row.needed_by = switch.needed_by.clone().unwrap_or_default();
            }
            row.interpreter_id = gil.and_then(|gil| gil.interpreter_id.try_into().ok());
        }
        parts.blame = self.survey.blame();
        parts.history = self.survey.history();
        let calls = &self.looker.calls;
        let call = |number: u32| calls.get(number as usize).cloned();
        parts.blocked = self
            .survey
            .blocked(|number| call(number).unwrap_or_default());
        let (mut places, mut frames) = (HashMap::new(), Vec::new());
        match &self.looker.shelf {
            Ok(shelf) => {
                let stack = |number| shelf.place(number, &mut places, &mut frames);
                parts.sites = self.survey.sites(stack);
                parts.native_missing = Some("n/a (sampled from outside)".into());
            }
            Err(why) => {
                parts.stacks_missing = Some(format!("n/a ({why})"));
                parts.native_missing = parts.stacks_missing.clone();
            }
        }
        parts.frames = frames;
        Profile::assemble(parts)
    }

    /// All but the rows.
    fn head(&self) -> ProfileParts {
        let mut samples = self.survey.samples();
        samples.torn = self.torn;
        samples.late = self.late;
        samples.unplaced = self.looker.unplaced;
        let version = self.python.version();
        let suffix = if self.python.is_free_threaded() {
            "t"
        } else {
            ""
        };
        let interval_us = self.gils.first().and_then(|gil| {
            let memory = ProcessMemory::of(self.pid);
            memory.word(gil.cond.checked_sub(INTERVAL)?)
        });
        ProfileParts {
            recording: format!("{}-{}-sampled", self.pid, self.started_at),
            pid: self.pid,
            program: self.program.name().into(),
            python: version.map_or_else(
                |_| String::new(),
                |[major, minor, patch]| format!("{major}.{minor}.{patch}{suffix}"),
            ),
            mode: Mode::Sampled,
            samples: Some(samples),
            clock: Clock::Monotonic,
            started_at: self.started_at,
            start_ns: self.survey.start_ns(),
            wall_ns: self.survey.wall_ns(),
            switch_interval_ns: interval_us.unwrap_or(0).saturating_mul(1_000),
            cpus: cpus(self.pid),
            stolen_ns: self.stolen.since_then_ns(),
            overhead_ns: Some(self.spent_ns),
            cpu_source: CpuSource::Schedstat,
            unaccounted_threads: self.looker.roll.unseen,
            blocked_missing: None,
            ..ProfileParts::default()
        }
    }
}

/// How many CPUs the process may use, by its affinity.
fn cpus(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed:"))?;
    let digits = mask.trim().chars().filter_map(|digit| digit.to_digit(16));
    Some(digits.map(u32::count_ones).sum()).filter(|&count| count > 0)
}

fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}
