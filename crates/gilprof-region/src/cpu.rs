//! A thread's readings of its own CPU clock, and the sums they come to.

use gilprof_core::{CpuReading, Stretch};

use crate::hist::add;
use crate::sync::{AtomicU64, Ordering::Relaxed};
use crate::thread::ThreadCell;

/// Readings are at least so far apart, so that a pair of release and acquire pays little for
/// them.
pub(crate) const READING_NS: u64 = 2_000_000;

/// Those of a thread that hardly ever holds are up to so many times as far apart: there is
/// little to split, and one that does a bit now and then would pay much for them.
const SELDOM: u64 = 8;

/// But a hold of this length ends with one.
const LONG_NS: u64 = 200_000;

/// And so does the time away that follows it: what the thread counted then is kept apart
/// from its next hold. If it was away for so long it has most likely slept.
const AWAY_NS: u64 = LONG_NS / 2;

/// What was read last, and what the readings have come to.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct CpuCell {
    /// The last reading. Its CPU time is never zero: zero is none.
    last_cpu_ns: AtomicU64,
    last_voluntary: AtomicU64,
    last_involuntary: AtomicU64,
    /// The thread's sums at that reading.
    holding_then_ns: AtomicU64,
    detached_then_ns: AtomicU64,
    /// The reading at the thread's end, for who books that; zero is none.
    end_cpu_ns: AtomicU64,
    end_voluntary: AtomicU64,
    end_involuntary: AtomicU64,

    /// How many stretches between two readings were booked.
    pub(crate) stretches: AtomicU64,
    pub(crate) cpu_ns: AtomicU64,
    pub(crate) holding_cpu_ns: AtomicU64,
    pub(crate) holding_preempted_ns: AtomicU64,
    pub(crate) holding_blocked_ns: AtomicU64,
    pub(crate) detached_cpu_ns: AtomicU64,
    pub(crate) voluntary: AtomicU64,
    pub(crate) involuntary: AtomicU64,
}

impl CpuCell {
    /// What adds up when ended threads share a row.
    pub(crate) fn sums(&self) -> [&AtomicU64; 8] {
        [
            &self.stretches,
            &self.cpu_ns,
            &self.holding_cpu_ns,
            &self.holding_preempted_ns,
            &self.holding_blocked_ns,
            &self.detached_cpu_ns,
            &self.voluntary,
            &self.involuntary,
        ]
    }

    /// What belongs to one thread.
    pub(crate) fn marks(&self) -> [&AtomicU64; 8] {
        [
            &self.last_cpu_ns,
            &self.last_voluntary,
            &self.last_involuntary,
            &self.holding_then_ns,
            &self.detached_then_ns,
            &self.end_cpu_ns,
            &self.end_voluntary,
            &self.end_involuntary,
        ]
    }

    fn last(&self) -> Option<CpuReading> {
        reading([
            &self.last_cpu_ns,
            &self.last_voluntary,
            &self.last_involuntary,
        ])
    }

    fn end(&self) -> Option<CpuReading> {
        reading([&self.end_cpu_ns, &self.end_voluntary, &self.end_involuntary])
    }
}

fn reading([cpu_ns, voluntary, involuntary]: [&AtomicU64; 3]) -> Option<CpuReading> {
    Some(CpuReading {
        cpu_ns: Some(cpu_ns.load(Relaxed)).filter(|&cpu_ns| cpu_ns != 0)?,
        voluntary: voluntary.load(Relaxed),
        involuntary: involuntary.load(Relaxed),
    })
}

/// The last reading of a living thread, and its sums then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastReading {
    pub(crate) counted: CpuReading,
    pub(crate) holding_ns: u64,
    pub(crate) detached_ns: u64,
}

impl ThreadCell {
    /// Whether a reading is due at an event at this time.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn is_cpu_due(&self, now_ns: u64) -> bool {
        now_ns >= self.cpu_due_ns.load(Relaxed)
    }

    /// The same where the event ends a hold.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn is_cpu_due_at_release(&self, held_ns: u64, now_ns: u64) -> bool {
        held_ns >= LONG_NS || self.is_cpu_due(now_ns)
    }

    /// The same where the thread ends: what it counted last would be lost.
    // Must not allocate.
    pub(crate) fn is_cpu_due_at_end(&self, now_ns: u64) -> bool {
        let (held, away) = self.since_reading();
        let last = now_ns.saturating_sub(self.since_ns.load(Relaxed));
        held + away + last >= LONG_NS
    }

    /// How long it has held, and been away, since the last reading.
    fn since_reading(&self) -> (u64, u64) {
        let since = |sum: &AtomicU64, then: &AtomicU64| {
            sum.load(Relaxed).saturating_sub(then.load(Relaxed))
        };
        let held = since(&self.holding_ns, &self.cpu.holding_then_ns);
        let away = since(&self.detached_ns, &self.cpu.detached_then_ns);
        (held, away)
    }

    /// For how long no other reading is due after one that was due at an event at this
    /// time, in ns; `None` where none is due.
    // Must not allocate.
    pub(crate) fn cpu_pause(&self, now_ns: u64) -> Option<u64> {
        let since_ns = self.since_ns.load(Relaxed);
        if self.is_holding() && now_ns.saturating_sub(since_ns) >= LONG_NS {
            return Some(AWAY_NS);
        }
        self.is_cpu_due(now_ns).then(|| self.usual_pause())
    }

    /// Some [`READING_NS`] of holding are in no reading yet when the next one is due, for a
    /// thread that goes on as it did since the last.
    // Must not allocate.
    fn usual_pause(&self) -> u64 {
        let (held, away) = self.since_reading();
        READING_NS * (away / held.max(1)).clamp(1, SELDOM)
    }

    /// Books what was counted since the last reading, and that none is due for a while.
    /// The sums must be those of the instant of the reading. `None`: the system does not
    /// tell.
    // Must not allocate.
    pub(crate) fn book_cpu(&self, counted: Option<CpuReading>, now_ns: u64, pause_ns: u64) {
        self.cpu_due_ns
            .store(now_ns.saturating_add(pause_ns), Relaxed);
        let Some(counted) = counted else {
            return;
        };
        if let Some(last) = self.last_cpu_reading() {
            self.book_stretch(counted.since(last.counted), last);
        }
        let cell = &self.cpu;
        cell.last_cpu_ns.store(counted.cpu_ns.max(1), Relaxed);
        cell.last_voluntary.store(counted.voluntary, Relaxed);
        cell.last_involuntary.store(counted.involuntary, Relaxed);
        cell.holding_then_ns
            .store(self.holding_ns.load(Relaxed), Relaxed);
        cell.detached_then_ns
            .store(self.detached_ns.load(Relaxed), Relaxed);
    }

    fn book_stretch(&self, counted: CpuReading, last: LastReading) {
        let parts = Stretch {
            holding_ns: self
                .holding_ns
                .load(Relaxed)
                .saturating_sub(last.holding_ns),
            detached_ns: self
                .detached_ns
                .load(Relaxed)
                .saturating_sub(last.detached_ns),
            counted,
        }
        .split();
        let cell = &self.cpu;
        add(&cell.stretches, 1);
        add(&cell.cpu_ns, counted.cpu_ns);
        add(&cell.voluntary, counted.voluntary);
        add(&cell.involuntary, counted.involuntary);
        add(&cell.holding_cpu_ns, parts.holding_cpu_ns);
        add(&cell.holding_preempted_ns, parts.holding_preempted_ns);
        add(&cell.holding_blocked_ns, parts.holding_blocked_ns);
        add(&cell.detached_cpu_ns, parts.detached_cpu_ns);
    }

    /// Keeps the reading at the thread's end for whoever books that.
    // Must not allocate.
    pub(crate) fn note_cpu_at_end(&self, counted: Option<CpuReading>) {
        let counted = counted.unwrap_or_default();
        self.cpu.end_cpu_ns.store(counted.cpu_ns, Relaxed);
        self.cpu.end_voluntary.store(counted.voluntary, Relaxed);
        self.cpu.end_involuntary.store(counted.involuntary, Relaxed);
    }

    /// Books that reading, once the thread's sums are closed.
    // Must not allocate.
    pub(crate) fn book_cpu_at_end(&self, end_ns: u64) {
        self.book_cpu(self.cpu.end(), end_ns, 0);
    }

    pub(crate) fn last_cpu_reading(&self) -> Option<LastReading> {
        Some(LastReading {
            counted: self.cpu.last()?,
            holding_ns: self.cpu.holding_then_ns.load(Relaxed),
            detached_ns: self.cpu.detached_then_ns.load(Relaxed),
        })
    }
}
