//! Which native functions a holder is in while others wait for it.
//!
//! A sample of the kernel's says where a thread is, but not which line of Python that
//! belongs to. So it is asked for only where the holder's frames stood still when they
//! were looked at, and counts only if they still do right after it: then it is of a
//! native function that this line called, or of an operator.

use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use gilprof_native::{Call, Native, Shot};
use gilprof_region::{RawFrame, Region};
use rustc_hash::FxHashMap;

use crate::numbers::Numbers;
use crate::own_thread::thread_cpu_ns;

/// How long it is between two samples at least.
const EVERY: Duration = Duration::from_millis(8);
/// What sampling may cost: one part in so many of a core.
const AFFORDED: u64 = 200;
/// How long a sample may put off the next one. Reading the symbols of a module takes
/// long, but only once.
const LONGEST: Duration = Duration::from_millis(50);
/// How long to wait for a sample, and how often: on a busy machine the kernel's timer is late.
const WAIT: Duration = Duration::from_micros(50);
const TRIES: usize = 4;
/// For how many threads files are open at a time.
const THREADS: usize = 4;
/// Of how many different stacks native functions are kept.
const DIFFERENT: usize = 4_096;

/// Native functions by their numbers, innermost first, and how often they were seen.
pub(crate) type Seen = (Vec<u32>, u64);

/// Finds out what native functions holders are in.
#[derive(Debug, Default)]
pub(crate) struct Natives {
    /// By native id, the one that was used last at the end.
    shots: Vec<(u32, Shot)>,
    due: Option<Instant>,
    /// What looks have cost since that was asked last, in ns of the CPU clock.
    pub(crate) spent_ns: u64,
    seen: FxHashMap<Vec<RawFrame>, Vec<Seen>>,
    numbers: Numbers,
    tried: bool,
    missing: Option<String>,
}

impl Natives {
    /// Finds out whether the system allows it.
    pub(crate) fn try_out(&mut self, pid: u32) {
        // The children of a fork know it from their parent: the first file of this kind that
        // is open anywhere halts all CPUs for a moment.
        static HERE: OnceLock<Option<String>> = OnceLock::new();
        if std::mem::replace(&mut self.tried, true) {
            return;
        }
        let refused = || {
            let error = Shot::new(pid).err()?;
            Some(format!("n/a (perf_event_open: {error})"))
        };
        self.missing = match pid == std::process::id() {
            true => HERE.get_or_init(refused).clone(),
            false => refused(),
        };
    }

    /// The next look is not put off.
    pub(crate) fn hurry(&mut self) {
        self.due = None;
    }

    /// Looks where a holder is whose frames stood still. `stands` says whether they
    /// still do.
    pub(crate) fn look(
        &mut self,
        region: &Region,
        native: &mut Native,
        thread: u32,
        stands: impl Fn() -> bool,
    ) -> Option<Vec<u32>> {
        let began = Instant::now();
        if self.due.is_some_and(|due| due > began) {
            return None;
        }
        let began_ns = thread_cpu_ns();
        let pid = region.recording().pid;
        let native_id = self.numbers.here(pid, region.native_id(thread)?)?;
        let stack = match self.shoot(native, native_id) {
            None => blocked(pid, native_id, native),
            taken => taken,
        };
        let found = stack.filter(|_| stands());
        let cost_ns = thread_cpu_ns().saturating_sub(began_ns);
        self.spent_ns += cost_ns;
        let pause = Duration::from_nanos(cost_ns.saturating_mul(AFFORDED));
        self.due = Some(began + pause.clamp(EVERY, LONGEST));
        found
    }

    /// Where a thread that runs is. No answer where it does not, or where there is no
    /// file left for it.
    fn shoot(&mut self, native: &mut Native, native_id: u32) -> Option<Vec<u32>> {
        if self.missing.is_some() {
            return None;
        }
        let open = self.shots.iter().position(|(id, _)| *id == native_id);
        let mut shot = match open {
            Some(at) => self.shots.remove(at).1,
            None => Shot::new(native_id).ok()?,
        };
        shot.ask().ok()?;
        let taken = (0..TRIES).find_map(|_| {
            sleep(WAIT);
            shot.take()
        });
        if self.shots.len() >= THREADS {
            self.shots.remove(0);
        }
        self.shots.push((native_id, shot));
        let taken = taken?;
        native.stack(taken.registers, &taken.stack)
    }

    /// Keeps what was found where the frames were these.
    pub(crate) fn keep(&mut self, frames: &[RawFrame], stack: Vec<u32>) {
        if self.seen.len() >= DIFFERENT && !self.seen.contains_key(frames) {
            return;
        }
        let seen = self.seen.entry(frames.to_vec()).or_default();
        match seen.iter_mut().find(|(one, _)| *one == stack) {
            Some((_, count)) => *count += 1,
            None => seen.push((stack, 1)),
        }
    }

    /// What the weight of a stack is shared by; `None` where that is not known.
    pub(crate) fn of(&self, frames: &[RawFrame]) -> Option<&[Seen]> {
        self.seen.get(frames).map(Vec::as_slice)
    }

    /// Closes all files, until it goes on.
    pub(crate) fn pause(&mut self) {
        self.shots.clear();
    }

    /// Why the functions of holders that run are not known.
    pub(crate) fn missing(&self) -> Option<String> {
        self.missing.clone()
    }
}

/// Where a thread is blocked, if it is and stays so meanwhile.
fn blocked(pid: u32, native_id: u32, native: &mut Native) -> Option<Vec<u32>> {
    let call = || Call::of(pid, native_id).ok()?;
    let before = call()?;
    let stack = native.stack_in_memory(before.registers());
    (call() == Some(before)).then_some(stack)?
}
