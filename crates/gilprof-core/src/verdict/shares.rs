//! The waiting for one GIL, divided by its reasons.
//!
//! Each holder's part is divided first: what it caused while it was blocked, while it
//! collected garbage, and in long holds. The rest is Python code that lets go when it
//! is asked to. So what the rules charge adds up to the waiting and no more.

use super::gauge::{Gauge, part_of, ratio};
use crate::site::{Site, SiteKind};
use crate::state::State;
use crate::thread::Thread;

/// From here on a hold is long, in switch intervals on a CPU: Python code lets go
/// after one, and a busy machine's timer tick (4 ms) adds to it.
const LONG: f64 = 2.0;
/// The same for the worst holds of all, which are the tail of a distribution.
const LONG_AT_WORST: f64 = 4.0;
/// The same where it is to be told from nothing but a busy machine, with no native
/// function to name.
const LONG_AND_DEAF: f64 = 8.0;
/// Of the samples of long holds that are native, at least so many are in a native
/// function; of Python code up to about a half are, in small helpers.
const NATIVE: f64 = 0.65;
/// Of a thread's holding, what its CPU clock was read after: threads that end at once
/// have hardly any readings.
const READ: f64 = 0.5;
/// Fewer looks at threads do not tell what they are blocked on.
const ENOUGH_LOOKS: u64 = 10;
/// So few samples do not tell that there was no native function.
const ENOUGH_SAMPLES: u64 = 20;
/// The newest Python whose interpreters ask each other in vain; 3.13 was not seen to.
const DEAF_UNTIL: u32 = 12;
/// A thread is blocked while it holds, if it is for most of the holding: a single
/// reading over a long hold may take some preemption for it.
const BLOCKED: f64 = 0.5;
/// So much of what a thread caused, where it was blocked at some of its lines only.
const BLOCKED_AT_LINES: f64 = 0.1;
/// A thread whose holding is mostly long causes what it causes by that.
const MOSTLY_LONG: f64 = 0.6;
/// A machine that is busier than this tells nothing of lengths.
const LEAST_RAN: f64 = 0.2;
/// Fewer worst holds than this tell no habit.
const HABIT: usize = 8;
/// A collection that is this much of what a thread caused is worth a name.
const COLLECTING: f64 = 0.1;

/// What one thread's holds cost the others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Holder<'p> {
    pub(super) thread: &'p Thread,
    /// While it was blocked.
    pub(super) blocked_ns: u64,
    /// While it collected garbage.
    pub(super) gc_ns: u64,
    /// In other long holds.
    pub(super) long_ns: u64,
    /// In long holds that were not native: the request for the GIL was not seen.
    pub(super) deaf_ns: u64,
    /// In holds that ended when they were asked to.
    pub(super) plain_ns: u64,
}

/// The waiting for one GIL.
#[derive(Debug)]
pub(super) struct Shares<'p> {
    pub(super) holders: Vec<Holder<'p>>,
    pub(super) blocked_ns: u64,
    pub(super) gc_ns: u64,
    pub(super) long_ns: u64,
    pub(super) deaf_ns: u64,
    pub(super) plain_ns: u64,
    /// Nobody held the GIL.
    pub(super) handoff_ns: u64,
}

impl<'p> Shares<'p> {
    pub(super) fn of(gauge: &Gauge<'p>) -> Self {
        let threads = gauge.threads.iter().filter(|thread| thread.caused_ns > 0);
        let holders: Vec<Holder<'_>> = threads.map(|thread| divide(gauge, thread)).collect();
        let sum = |part: fn(&Holder<'_>) -> u64| {
            let parts = holders.iter().map(part);
            parts.fold(0, u64::saturating_add)
        };
        Self {
            blocked_ns: sum(|holder| holder.blocked_ns),
            gc_ns: sum(|holder| holder.gc_ns),
            long_ns: sum(|holder| holder.long_ns),
            deaf_ns: sum(|holder| holder.deaf_ns),
            plain_ns: sum(|holder| holder.plain_ns),
            handoff_ns: gauge.gil.handoff_ns,
            holders,
        }
    }

    /// The holder with the largest such part.
    pub(super) fn top(&self, part: impl Fn(&Holder<'_>) -> u64) -> Option<&Holder<'p>> {
        let holders = self.holders.iter().filter(|holder| part(holder) > 0);
        holders.max_by_key(|holder| part(holder))
    }

    /// How much of what a thread caused was caused in plain holds, in 0.0..=1.0.
    pub(super) fn plainness(&self, thread: u64) -> f64 {
        let found = self.holders.iter().find(|one| one.thread.id == thread);
        found.map_or(1.0, |one| ratio(one.plain_ns, one.thread.caused_ns))
    }
}

fn divide<'p>(gauge: &Gauge<'p>, thread: &'p Thread) -> Holder<'p> {
    let caused_ns = thread.caused_ns;
    let blocked_ns = part_of(caused_ns, blocked(gauge, thread));
    let rest_ns = caused_ns - blocked_ns;
    let gc_ns = part_of(rest_ns, collecting(gauge, thread));
    let left = |long_ns: u64| {
        let others_ns = blocked_ns + gc_ns;
        long_ns.saturating_sub(others_ns).min(caused_ns - others_ns)
    };
    let (long_ns, deaf_ns) = match is_python(gauge, thread) {
        false => (left(long(gauge, thread, LONG, LONG_AT_WORST)), 0),
        true if !is_deaf(gauge) => (0, 0),
        true => (0, left(long(gauge, thread, LONG_AND_DEAF, LONG_AND_DEAF))),
    };
    Holder {
        thread,
        blocked_ns,
        gc_ns,
        long_ns,
        deaf_ns,
        plain_ns: rest_ns - gc_ns - long_ns - deaf_ns,
    }
}

/// Part of its holding that it was blocked in; 0 where that is little, or where too
/// little of the holding was read.
fn blocked(gauge: &Gauge<'_>, thread: &Thread) -> f64 {
    let read_ns = thread.holding_read_ns();
    let part = match ratio(read_ns, thread.holding_ns) {
        READ.. => ratio(thread.holding_blocked_ns.unwrap_or(0), read_ns),
        _ => 0.0,
    };
    let seen = !is_blocking_known(gauge) || was_seen_blocked(gauge, thread);
    match part {
        BLOCKED.. if seen => part,
        part if part > 0.0 => blocked_at_lines(gauge, thread),
        _ => 0.0,
    }
}

/// Part of what it caused that it caused where it was seen to be blocked; 0 where that
/// is little.
fn blocked_at_lines(gauge: &Gauge<'_>, thread: &Thread) -> f64 {
    let part = part_at(gauge, thread, |site| is_blocked(gauge, site));
    if part >= BLOCKED_AT_LINES { part } else { 0.0 }
}

/// Part of what a thread caused that it caused at sites that pass.
fn part_at(gauge: &Gauge<'_>, thread: &Thread, passes: impl Fn(&Site) -> bool) -> f64 {
    let own = || gauge.sites(SiteKind::Blame, |id| id == thread.id);
    ratio(weight(own().filter(|site| passes(site))), weight(own()))
}

/// Whether the site is in the very function of the system call that its thread was seen
/// to be blocked in while it held the GIL.
pub(super) fn is_blocked(gauge: &Gauge<'_>, site: &Site) -> bool {
    let innermost = site.native.first();
    let mut rows = gauge.profile.blocked().iter();
    innermost.is_some()
        && rows.any(|row| {
            let holding = row.thread == site.thread && row.state == State::Holding;
            holding && row.native.first() == innermost
        })
}

/// Whether threads were looked at often enough to see what they are blocked on.
pub(super) fn is_blocking_known(gauge: &Gauge<'_>) -> bool {
    let rows = gauge.profile.blocked().iter();
    let looks = rows.fold(0, |sum, row| row.samples.saturating_add(sum));
    gauge.profile.blocked_missing().is_none() && looks >= ENOUGH_LOOKS
}

fn was_seen_blocked(gauge: &Gauge<'_>, thread: &Thread) -> bool {
    let rows = gauge.profile.blocked().iter();
    rows.into_iter()
        .any(|row| row.thread == thread.id && row.state == State::Holding)
}

/// Part of the waiting it caused in collections; 0 where that is little, or where
/// native functions are not known.
fn collecting(gauge: &Gauge<'_>, thread: &Thread) -> f64 {
    let part = part_at(gauge, thread, |site| is_gc(gauge, site));
    if part >= COLLECTING { part } else { 0.0 }
}

fn weight<'s>(sites: impl Iterator<Item = &'s Site>) -> u64 {
    sites.fold(0, |sum, site| sum.saturating_add(site.weight_ns))
}

/// Whether the site's native functions are those of CPython's collector
/// (`gcmodule.c`, from 3.13 `gc.c`).
pub(super) fn is_gc(gauge: &Gauge<'_>, site: &Site) -> bool {
    let mut native = gauge.profile.frames_at(&site.native);
    native.any(|frame| {
        let function = frame.function.trim_start_matches('_');
        function.starts_with("gc_collect")
            || function.starts_with("PyGC_")
            || matches!(
                function,
                "collect" | "deduce_unreachable" | "subtract_refs" | "move_unreachable"
            )
    })
}

/// Whether enough was seen of its holds to say that no native function was long in them.
fn is_python(gauge: &Gauge<'_>, thread: &Thread) -> bool {
    let own = || gauge.sites(SiteKind::Blame, |id| id == thread.id);
    let samples: u64 = own().map(|site| site.samples).sum();
    let native_ns = weight(own().filter(|site| !site.native.is_empty()));
    are_natives_known(gauge)
        && samples >= ENOUGH_SAMPLES
        && ratio(native_ns, weight(own())) < NATIVE
}

/// Whether most of what it caused was in one native function.
fn is_one_function(gauge: &Gauge<'_>, thread: &Thread) -> bool {
    let own = gauge.sites(SiteKind::Blame, |id| id == thread.id);
    gauge
        .function(own)
        .is_some_and(|found| found.share() >= NATIVE)
}

/// Whether native functions were read: that some site has one shows it.
fn are_natives_known(gauge: &Gauge<'_>) -> bool {
    let mut sites = gauge.profile.sites().iter();
    gauge.profile.native_missing().is_none() && sites.any(|site| !site.native.is_empty())
}

/// Whether interpreters of this Python that share a GIL do not see each other's
/// requests for it.
fn is_deaf(gauge: &Gauge<'_>) -> bool {
    let rest = gauge.profile.python().strip_prefix("3.");
    let minor = rest.and_then(|rest| rest.split('.').next());
    minor.is_some_and(|minor| minor.parse().is_ok_and(|minor: u32| minor <= DEAF_UNTIL))
}

/// The waiting it caused in long holds, as far as the profile tells: the best of three
/// estimates, none of which is high on Python code that lets go.
fn long(gauge: &Gauge<'_>, thread: &Thread, long: f64, worst: f64) -> u64 {
    // Preemption does not come evenly, and makes a few holds much longer: so squared,
    // unless it is seen that one native function goes on.
    let stretched = match is_one_function(gauge, thread) {
        true => ran(thread),
        false => ran(thread).powi(2),
    };
    let unit_ns = gauge.interval_ns() as f64 / stretched;
    let (limit_ns, worst_ns) = (long * unit_ns, worst * unit_ns);
    let waited_ns = match has_habit(gauge, thread, limit_ns) {
        true => thread.caused_ns,
        false => long_pairs(gauge, thread, limit_ns),
    };
    let share = match long_holding(thread, limit_ns) {
        MOSTLY_LONG.. => 1.0,
        less => less,
    };
    let worst = long_worst(gauge, thread, worst_ns);
    worst.max(part_of(waited_ns, share))
}

/// How much of the holding that needed a CPU had one: preemption makes a hold longer
/// without being its fault.
fn ran(thread: &Thread) -> f64 {
    let cpu_ns = thread.holding_cpu_ns.unwrap_or(0);
    let preempted_ns = thread.holding_preempted_ns.unwrap_or(0);
    match cpu_ns {
        0 => 1.0,
        _ => ratio(cpu_ns, cpu_ns.saturating_add(preempted_ns)).max(LEAST_RAN),
    }
}

/// Of waiters that waited for this thread that long on average. That may have been for
/// several of its holds, one after the other, so their lengths must be looked at too.
fn long_pairs(gauge: &Gauge<'_>, thread: &Thread, limit_ns: f64) -> u64 {
    let rows = gauge.blame().filter(|row| row.holder == thread.id);
    let long = rows.filter(|row| row.waiting_ns as f64 >= limit_ns * row.waits.max(1) as f64);
    long.fold(0, |sum, row| sum.saturating_add(row.waiting_ns))
}

/// In the holds that are kept as the worst, less what the thread was off the CPU while
/// it held: that may have been in them.
fn long_worst(gauge: &Gauge<'_>, thread: &Thread, limit_ns: f64) -> u64 {
    let holds = gauge.profile.holds().iter();
    let long = holds.filter(|hold| {
        hold.thread == thread.id && hold.requested && hold.duration_ns as f64 >= limit_ns
    });
    let (lasted_ns, waited_ns) = long.fold((0_u64, 0_u64), |(lasted, waited), hold| {
        (
            lasted.saturating_add(hold.duration_ns),
            waited.saturating_add(hold.waiter_time_ns),
        )
    });
    let off = [thread.holding_preempted_ns, thread.holding_blocked_ns];
    let off_ns = off.into_iter().flatten().fold(0, u64::saturating_add);
    part_of(waited_ns, 1.0 - ratio(off_ns, lasted_ns))
}

/// Whether its worst holds are mostly long: many short waits hide that in the average.
fn has_habit(gauge: &Gauge<'_>, thread: &Thread, limit_ns: f64) -> bool {
    let holds = gauge.profile.holds().iter();
    let own = holds.filter(|hold| hold.thread == thread.id && hold.requested);
    let mut worst: Vec<u64> = own.map(|hold| hold.duration_ns).collect();
    worst.sort_unstable();
    let median_ns = worst.get(worst.len() / 2).copied().unwrap_or(0);
    worst.len() >= HABIT && median_ns as f64 >= limit_ns
}

/// Part of its holding that was in long holds, waited for or not.
fn long_holding(thread: &Thread, limit_ns: f64) -> f64 {
    let buckets = thread.hold.buckets();
    let long = buckets.filter(|(low, _, _)| *low as f64 >= limit_ns);
    let long_ns = long.fold(0.0, |sum, (low, high, count)| {
        sum + (low + high) as f64 / 2.0 * count as f64
    });
    long_ns / thread.hold.total_ns().max(1) as f64
}
