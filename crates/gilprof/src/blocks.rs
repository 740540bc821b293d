//! Looks now and then at what threads are blocked on, outside the GIL or while they
//! hold it.

use std::collections::{HashMap, HashSet};
use std::io;

use gilprof_core::{Blocked, State};
use gilprof_native::{Call, Native, on};
use gilprof_region::{Present, Region};

use crate::numbers::Numbers;
use crate::own_thread::thread_cpu_ns;
use crate::period::Period;
use crate::sums::{Key, Sum, Sums};

/// When the first look comes, in ns since the start of the recording: reading the symbols
/// of modules takes long, and most short recordings need none.
const FIRST_NS: u64 = 100_000_000;
/// How long it is between two looks, in ns.
const EVERY_NS: u64 = 20_000_000;
/// How long it is at most until threads that have moved are looked up again.
const SELDOM_NS: u64 = 500_000_000;
/// What looking threads up may cost: one part in so many of a core.
const AFFORDED: u64 = 1_000;
/// A holder that goes on for so long is looked up at once, if that is affordable: its hold
/// may be over when all threads have their turn.
const LONG_NS: u64 = 10_000_000;
const LONG_AFFORDED: u64 = 200;
/// How many threads are looked up at a time; the others have their turn later.
const LOOKED_UP: usize = 8;
/// A thread that does nothing new for so long is looked up again only after as long.
const AGAIN_NS: (u64, u64) = (50_000_000, 2_000_000_000);
/// The reason where there was no time for a look.
const TOO_SHORT: &str = "n/a (the recording was too short for a look at the threads)";

/// The rows are told apart by all but their thread.
impl Key for Blocked {
    const DIFFERENT: usize = 512;

    /// One that only tells the call.
    fn rest(&self) -> Self {
        Blocked {
            lock: None,
            native: Vec::new(),
            ..self.clone()
        }
    }
}

/// What threads were found to be blocked on.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    /// By the number of the thread.
    seen: HashMap<u32, Seen>,
    sums: Sums<Blocked>,
    due_ns: u64,
    look_up_due_ns: u64,
    passed_ns: u64,
    /// When the long hold began that was looked up last, and when another may be.
    long_ns: u64,
    long_due_ns: u64,
    /// Where the next look begins.
    turn: usize,
    looked: bool,
    numbers: Numbers,
    refused: Option<String>,
}

/// How a thread was when it was looked at last.
#[derive(Debug)]
struct Seen {
    state: State,
    since_ns: u64,
    /// What it was blocked on; `None` where it ran.
    blocked: Option<Blocked>,
    at_ns: u64,
    /// When it is to be looked up again if it does nothing else until then.
    again_ns: u64,
}

impl Seen {
    fn is_same(&self, present: &Present) -> bool {
        (self.state, self.since_ns) == (present.state, present.since_ns)
    }
}

impl Blocks {
    /// Looks at threads, if it is time for that.
    pub(crate) fn look(&mut self, region: &Region, native: &mut Native) {
        let now_ns = region.clock().now_ns();
        if !self.looked {
            self.passed_ns = region.recording().started_ns;
            self.due_ns = self.passed_ns + FIRST_NS;
        }
        if self.refused.is_some() {
            return;
        }
        self.look_at_holder(region, native, now_ns);
        if now_ns < self.due_ns {
            return;
        }
        self.due_ns = now_ns + EVERY_NS;
        if now_ns < self.look_up_due_ns {
            self.settle(region, now_ns);
            return;
        }
        let began_ns = thread_cpu_ns();
        self.pass(region, native, now_ns);
        let cost_ns = thread_cpu_ns().saturating_sub(began_ns);
        self.look_up_due_ns = now_ns + cost_ns.saturating_mul(AFFORDED).min(SELDOM_NS);
        self.looked = true;
    }

    /// Looks up who holds the main GIL, once in a long hold.
    fn look_at_holder(&mut self, region: &Region, native: &mut Native, now_ns: u64) {
        let Some(held) = region.held(0) else { return };
        let long = now_ns.saturating_sub(held.began_ns) >= LONG_NS;
        if !long || held.began_ns == self.long_ns || now_ns < self.long_due_ns {
            return;
        }
        self.long_ns = held.began_ns;
        let holder = region.present().find(|one| one.thread == held.thread);
        if let Some(holder) = holder.filter(|one| one.state == State::Holding) {
            let began_ns = thread_cpu_ns();
            self.look_up(region, native, &holder, held.began_ns, now_ns);
            let cost_ns = thread_cpu_ns().saturating_sub(began_ns);
            self.long_due_ns = now_ns + cost_ns.saturating_mul(LONG_AFFORDED).min(SELDOM_NS);
        }
    }

    /// Adds what threads that have done nothing new spent until `now_ns`.
    pub(crate) fn settle(&mut self, region: &Region, now_ns: u64) {
        for present in region.present() {
            self.credit(&present, now_ns);
        }
    }

    /// Looks at all threads, and looks up so many of those that have moved.
    fn pass(&mut self, region: &Region, native: &mut Native, now_ns: u64) {
        let mut left = LOOKED_UP;
        let mut present: Vec<Present> = region.present().collect();
        let first = self.turn.checked_rem(present.len()).unwrap_or(0);
        present.rotate_left(first);
        for (passed, one) in present.iter().enumerate() {
            if self.is_asleep(one, now_ns) || left == 0 {
                self.credit(one, now_ns);
                continue;
            }
            self.look_up(region, native, one, 0, now_ns);
            left -= usize::from(one.state != State::Waiting);
            if left == 0 {
                self.turn = first + passed + 1;
            }
        }
        let living: HashSet<u32> = present.iter().map(|one| one.thread).collect();
        self.seen.retain(|thread, _| living.contains(thread));
        self.passed_ns = now_ns;
    }

    /// Whether it was blocked and has done nothing new, not for so long that this would
    /// be strange.
    fn is_asleep(&self, present: &Present, now_ns: u64) -> bool {
        self.seen.get(&present.thread).is_some_and(|seen| {
            seen.is_same(present) && seen.blocked.is_some() && now_ns < seen.again_ns
        })
    }

    /// The thread goes on as it was seen, if it does.
    fn credit(&mut self, present: &Present, now_ns: u64) {
        let Some(seen) = self.seen.get_mut(&present.thread) else {
            return;
        };
        if seen.is_same(present)
            && let Some(blocked) = &seen.blocked
        {
            let period = Period::new(seen.at_ns, now_ns);
            let sum = sample(now_ns.saturating_sub(seen.at_ns), 0);
            seen.at_ns = now_ns.max(seen.at_ns);
            self.sums.add(present.thread, blocked, sum, period);
        }
    }

    /// Looks the thread up; what it spent since it was looked at last, but not before
    /// `from_ns`, is taken to have been like this.
    fn look_up(
        &mut self,
        region: &Region,
        native: &mut Native,
        present: &Present,
        from_ns: u64,
        now_ns: u64,
    ) {
        let blocked = match present.state {
            State::Holding | State::Detached => self.blocked(region, native, present),
            _ => None,
        };
        // One that is new may have come at any time since the last pass.
        let seen = self.seen.get(&present.thread);
        let last_ns = seen.map_or(self.passed_ns, |seen| seen.at_ns);
        let begin_ns = last_ns.max(from_ns);
        let stretch_ns = now_ns.saturating_sub(present.since_ns);
        if let Some(blocked) = &blocked {
            let sum = sample(now_ns.saturating_sub(begin_ns), 1);
            let period = Period::new(begin_ns, now_ns);
            self.sums.add(present.thread, blocked, sum, period);
        }
        let seen = Seen {
            state: present.state,
            since_ns: present.since_ns,
            blocked,
            at_ns: now_ns,
            again_ns: now_ns + stretch_ns.clamp(AGAIN_NS.0, AGAIN_NS.1),
        };
        self.seen.insert(present.thread, seen);
    }

    /// What the thread is blocked on, if it is and stays so while it is looked at.
    fn blocked(
        &mut self,
        region: &Region,
        native: &mut Native,
        present: &Present,
    ) -> Option<Blocked> {
        let pid = region.recording().pid;
        let native_id = self.numbers.here(pid, present.native_id)?;
        let call = match Call::of(pid, native_id) {
            Ok(call) => call?,
            Err(error) => {
                self.note(&error);
                return None;
            }
        };
        let thing = on(pid, &call);
        let stack = native.stack_in_memory(call.registers());
        let again = Call::of(pid, native_id).ok().flatten();
        let stood = again == Some(call) && region.is_still(present);
        stood.then(|| Blocked {
            state: present.state,
            call: call.name(),
            on: thing.kind,
            lock: thing.lock,
            native: stack.unwrap_or_default(),
            ..Blocked::default()
        })
    }

    /// A thread that has ended is no reason to stop.
    fn note(&mut self, error: &io::Error) {
        let gone = matches!(error.raw_os_error(), Some(libc::ESRCH | libc::ENOENT));
        if !gone {
            let reason = format!("n/a (/proc/PID/task/TID/syscall: {error})");
            self.refused = Some(reason);
        }
    }

    /// The row of an ended thread went into that of its group.
    pub(crate) fn fold(&mut self, thread: u32, group: u32) {
        self.sums.fold(thread, group);
    }

    /// From `at_ns` on, what is added up is added up for this window, too.
    pub(crate) fn open_window(&mut self, number: u64, at_ns: u64) {
        self.sums.open_window(number, at_ns);
    }

    pub(crate) fn close_window(&mut self, number: u64) {
        self.sums.close_window(number);
    }

    /// The rows: those of an open window, if one is given. Their native functions have the
    /// numbers of [`Native`].
    pub(crate) fn rows(&self, window: Option<u64>) -> impl Iterator<Item = Blocked> + '_ {
        let rows = self.sums.rows(window);
        rows.map(|(thread, row, sum)| Blocked {
            thread: thread.into(),
            weight_ns: sum.weight_ns,
            samples: sum.samples,
            ..row.clone()
        })
    }

    /// Why they are not known.
    pub(crate) fn missing(&self) -> Option<String> {
        let too_short = (!self.looked).then(|| TOO_SHORT.into());
        self.refused.clone().or(too_short)
    }
}

/// What looks at a thread that was blocked stand for.
fn sample(weight_ns: u64, samples: u64) -> Sum {
    Sum {
        weight_ns,
        samples,
        seen_ns: 0,
    }
}
