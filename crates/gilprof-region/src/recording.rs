//! What a region says of the recording in it, apart from the sums.

use crate::clock::Clock;
use crate::header::{CODE_LAYOUT_WORDS, FRAME_LAYOUT_WORDS, Phase};
use crate::name::{NAME_BYTES, NameCell};
use crate::region::Region;
use crate::sync::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// What is known of a recording when it starts.
#[derive(Clone, Copy, Debug)]
pub struct Recording {
    /// The process that is recorded.
    pub pid: u32,
    /// The clock of all its times.
    pub clock: Clock,
    /// When it started, in that clock's nanoseconds.
    pub started_ns: u64,
    /// When it started, in nanoseconds since 1970.
    pub started_unix_ns: u64,
    /// The interpreter's switch interval.
    pub switch_interval_ns: u64,
    /// What booking one event costs, in picoseconds; 0 where not measured.
    pub event_cost_ps: u64,
    /// What reading a thread's CPU clock costs, in the same.
    pub reading_cost_ps: u64,
    /// The interpreter's version: major, minor, patch.
    pub python: [u8; 3],
    /// How many CPUs the process may use, by its affinity and its quota; 0 where not
    /// known.
    pub cpus: u32,
}

/// How stacks are taken, and what those need to know who read them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackPlan {
    /// After how many nanoseconds of a thread's sum its stack is taken.
    pub every_ns: u64,
    /// Where the main GIL's `cond` is.
    pub gil_address: u64,
    /// How frames are laid out.
    pub frame_layout: [u64; FRAME_LAYOUT_WORDS],
    /// How code objects are laid out.
    pub code_layout: [u64; CODE_LAYOUT_WORDS],
}

impl Region {
    /// Takes an empty region for the process `pid`; false if another came
    /// first, which is counted.
    pub fn claim_for(&self, pid: u32) -> bool {
        let phase = &self.header().phase;
        // Pairs with the acquire load in `Region::phase`.
        let taken =
            phase.compare_exchange(Phase::Empty as u32, Phase::Claimed as u32, AcqRel, Relaxed);
        match taken {
            Ok(_) => self.header().pid.store(pid, Relaxed),
            Err(_) => {
                self.header().turned_away.fetch_add(1, Relaxed);
            }
        }
        taken.is_ok()
    }

    /// Opens the books. No writer may be at work yet.
    pub fn start(&self, recording: &Recording) {
        let header = self.header();
        let [major, minor, patch] = recording.python.map(u32::from);
        header.pid.store(recording.pid, Relaxed);
        header.epoch.fetch_add(1, Relaxed);
        let is_tsc = recording.clock.kind() == gilprof_core::Clock::Tsc;
        header.clock_is_tsc.store(is_tsc.into(), Relaxed);
        header.clock_mult.store(recording.clock.mult, Relaxed);
        header.clock_offset.store(recording.clock.offset, Relaxed);
        header.started_ns.store(recording.started_ns, Relaxed);
        header.stopped_ns.store(0, Relaxed);
        header
            .started_unix_ns
            .store(recording.started_unix_ns, Relaxed);
        header
            .switch_interval_ns
            .store(recording.switch_interval_ns, Relaxed);
        header.event_cost_ps.store(recording.event_cost_ps, Relaxed);
        header
            .reading_cost_ps
            .store(recording.reading_cost_ps, Relaxed);
        header
            .python
            .store(major << 16 | minor << 8 | patch, Relaxed);
        header.cpus.store(recording.cpus, Relaxed);
        // Pairs with the acquire load in `Region::phase`.
        header.phase.store(Phase::Running as u32, Release);
    }

    /// Closes the books at `now_ns`. No writer may be at work any more.
    pub fn stop(&self, now_ns: u64) {
        self.header().stopped_ns.store(now_ns, Relaxed);
        // Pairs with the acquire load in `Region::phase`.
        self.header().phase.store(Phase::Stopped as u32, Release);
    }

    /// Leaves the reason why no recording was made.
    pub fn refuse(&self, reason: &str) {
        write_text(&self.header().refusal, reason);
        // Pairs with the acquire load in `Region::phase`.
        self.header().phase.store(Phase::Refused as u32, Release);
    }

    /// Why no recording was made; empty unless the phase is [`Phase::Refused`].
    pub fn refusal(&self) -> String {
        read_text(&self.header().refusal)
    }

    /// Lets stacks be taken.
    // Must not allocate.
    pub fn take_stacks(&self, plan: &StackPlan) {
        let header = self.header();
        let places = header.code_layout.iter().zip(plan.code_layout);
        for (place, word) in places.chain(header.frame_layout.iter().zip(plan.frame_layout)) {
            place.store(word, Relaxed);
        }
        header.gil_address.store(plan.gil_address, Relaxed);
        // Pairs with the acquire load in `stack_plan`.
        header.stack_every_ns.store(plan.every_ns, Release);
    }

    /// How stacks are taken; `None` where they are not.
    // Must not allocate.
    pub fn stack_plan(&self) -> Option<StackPlan> {
        let header = self.header();
        // Pairs with the release store in `take_stacks`.
        let every_ns = header.stack_every_ns.load(Acquire);
        (every_ns != 0).then(|| StackPlan {
            every_ns,
            gil_address: header.gil_address.load(Relaxed),
            frame_layout: core::array::from_fn(|i| header.frame_layout[i].load(Relaxed)),
            code_layout: core::array::from_fn(|i| header.code_layout[i].load(Relaxed)),
        })
    }

    /// After how much of a sum a stack is taken; 0 for never.
    #[inline(always)]
    pub(crate) fn stack_every_ns(&self) -> u64 {
        self.header().stack_every_ns.load(Relaxed)
    }

    /// Leaves the reason why no stacks are taken.
    pub fn miss_stacks(&self, reason: &str) {
        write_text(&self.header().stacks_missing, reason);
    }

    /// Why no stacks are taken; empty where they are.
    pub fn stacks_missing(&self) -> String {
        read_text(&self.header().stacks_missing)
    }

    /// What was written by [`Region::start`].
    pub fn recording(&self) -> Recording {
        let header = self.header();
        let python = header.python.load(Relaxed);
        Recording {
            pid: header.pid.load(Relaxed),
            clock: self.clock(),
            started_ns: header.started_ns.load(Relaxed),
            started_unix_ns: header.started_unix_ns.load(Relaxed),
            switch_interval_ns: header.switch_interval_ns.load(Relaxed),
            event_cost_ps: header.event_cost_ps.load(Relaxed),
            reading_cost_ps: header.reading_cost_ps.load(Relaxed),
            python: [(python >> 16) as u8, (python >> 8) as u8, python as u8],
            cpus: header.cpus.load(Relaxed),
        }
    }

    /// When the recording was stopped in an orderly way.
    pub fn stopped_ns(&self) -> Option<u64> {
        let stopped = self.header().phase.load(Acquire) == Phase::Stopped as u32;
        stopped.then(|| self.header().stopped_ns.load(Relaxed))
    }

    /// Counts the recordings made in this region, so that what was kept of an
    /// earlier one can be told apart.
    #[inline]
    pub fn epoch(&self) -> u32 {
        self.header().epoch.load(Relaxed)
    }

    /// Threads that found no slot: they are in their GIL's sums only.
    pub fn unaccounted_threads(&self) -> u32 {
        self.header().unaccounted_threads.load(Relaxed)
    }

    /// GILs that found no cell: they are in no sum.
    pub fn unaccounted_gils(&self) -> u32 {
        self.header().unaccounted_gils.load(Relaxed)
    }

    /// Processes that came to a region that was taken.
    pub fn turned_away(&self) -> u32 {
        self.header().turned_away.load(Relaxed)
    }

    /// A cell for a new GIL, or `None` (counted) when all are in use.
    pub fn new_gil(&self) -> Option<u32> {
        let used = &self.header().gils_used;
        let taken = used.fetch_update(AcqRel, Relaxed, |used| {
            (used < crate::header::GILS).then_some(used + 1)
        });
        if taken.is_err() {
            self.header().unaccounted_gils.fetch_add(1, Relaxed);
        }
        taken.ok()
    }
}

fn write_text(cells: &[NameCell], text: &str) {
    let mut rest = text;
    for cell in cells {
        let (head, tail) = rest.split_at(cut_at(rest, NAME_BYTES));
        cell.write(head.bytes());
        rest = tail;
    }
}

fn read_text(cells: &[NameCell]) -> String {
    cells.iter().map(NameCell::read).collect()
}

/// The largest place up to `limit` where the text can be split.
fn cut_at(text: &str, limit: usize) -> usize {
    (0..=limit.min(text.len()))
        .rev()
        .find(|&place| text.is_char_boundary(place))
        .unwrap_or(0)
}
