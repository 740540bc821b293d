//! The waiting for one GIL, divided by its reasons.
//!
//! Each holder's part is divided first: what it caused while it was blocked, while it
//! collected garbage, and in holds that went on though they were asked to end. The rest
//! is Python code that lets go when it is asked to. So what the rules charge adds up to
//! the waiting and no more.

use super::gauge::{Gauge, part_of, ratio};
use crate::site::{Site, SiteKind};
use crate::state::State;
use crate::thread::Thread;

/// Of the time that holds went on after they were asked to end, so much on a CPU is no
/// accident: Python code that is preempted has none. Where it is known that the holds
/// were in one native function, they may have had less on a busy machine.
const RAN: f64 = 0.15;
/// Of the samples of such holds that are native, at least so many are in a native
/// function; of Python code up to about a half are, in many small helpers.
const NATIVE: f64 = 0.65;
/// Of a thread's holding, what its CPU clock was read after: threads that end at once
/// have hardly any readings.
const READ: f64 = 0.5;
/// Fewer looks at threads do not tell what they are blocked on.
const ENOUGH_LOOKS: u64 = 10;
/// So few samples do not tell that there was no native function.
const ENOUGH_SAMPLES: u64 = 20;
/// A thread is blocked whenever it holds, if it is for most of the holding: a single
/// reading over a long hold may take some preemption for it.
const BLOCKED: f64 = 0.5;
/// So much of the time that its holds went on for, where it is blocked in some of them.
const BLOCKED_AT_TIMES: f64 = 0.1;
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
    /// In other holds that overran.
    pub(super) long_ns: u64,
    /// In those that were not native: the request for the GIL was not seen.
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
    let overran = Overran::of(gauge, thread);
    let blocked_ns = match blocked(gauge, thread) {
        0.0 => part_of(thread.overrun.caused_ns.min(caused_ns), overran.blocked),
        part => part_of(caused_ns, part),
    };
    let rest_ns = caused_ns - blocked_ns.min(caused_ns);
    let gc_ns = part_of(rest_ns, collecting(gauge, thread));
    let is_native = is_one_function(gauge, thread);
    let left_ns = match is_native || overran.ran >= RAN {
        true => part_of(thread.overrun.caused_ns, 1.0 - overran.blocked),
        false => 0,
    };
    let left_ns = left_ns.saturating_sub(gc_ns).min(rest_ns - gc_ns);
    let deaf_ns = match is_native {
        true => 0,
        false => left_ns.min(foreign(gauge, thread)),
    };
    let long_ns = match is_python(gauge, thread) {
        true => 0,
        false => left_ns - deaf_ns,
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

/// How a thread spent the time for which its holds went on after they were asked to end.
struct Overran {
    /// The part that it was blocked in, where it was seen to be.
    blocked: f64,
    /// Of the rest, the part on a CPU.
    ran: f64,
}

impl Overran {
    fn of(gauge: &Gauge<'_>, thread: &Thread) -> Self {
        let after_ns = thread.overrun.after_ns;
        if !is_read(thread) {
            return Self {
                blocked: 0.0,
                ran: 1.0,
            };
        }
        // Whatever its holds lacked of a CPU may have been in these.
        let blocked = ratio(thread.holding_blocked_ns.unwrap_or(0), after_ns).min(1.0);
        let rest = (1.0 - blocked) * after_ns as f64;
        let preempted = thread.holding_preempted_ns.unwrap_or(0) as f64;
        Self {
            blocked: match blocked {
                BLOCKED_AT_TIMES.. if may_be_blocked(gauge, thread) => blocked,
                _ => 0.0,
            },
            ran: 1.0 - (preempted / rest.max(1.0)).min(1.0),
        }
    }
}

/// Of the waiting that it caused, that of waits which asked a holder of another
/// interpreter.
fn foreign(gauge: &Gauge<'_>, thread: &Thread) -> u64 {
    let rows = gauge.blame().filter(|row| row.holder == thread.id);
    let foreign = rows.map(|row| {
        let waiter = gauge.profile.thread(row.waiter);
        let part = waiter.map_or(0.0, |one| ratio(one.foreign_wait_ns, one.waiting_ns));
        part_of(row.waiting_ns, part)
    });
    foreign.fold(0, u64::saturating_add)
}

/// Whether most of what it caused was in one native function.
fn is_one_function(gauge: &Gauge<'_>, thread: &Thread) -> bool {
    let own = gauge.sites(SiteKind::Blame, |id| id == thread.id);
    let function = gauge.function(own);
    function.is_some_and(|found| found.share() >= NATIVE)
}

/// Whether enough was seen of its holds to say that they are Python code, which overran
/// by chance.
fn is_python(gauge: &Gauge<'_>, thread: &Thread) -> bool {
    let own = || gauge.sites(SiteKind::Blame, |id| id == thread.id);
    let samples: u64 = own().map(|site| site.samples).sum();
    let native_ns = weight(own().filter(|site| !site.native.is_empty()));
    are_natives_known(gauge)
        && samples >= ENOUGH_SAMPLES
        && ratio(native_ns, weight(own())) < NATIVE
}

/// Part of its holding that it was blocked in, if that is most of it; else 0.
fn blocked(gauge: &Gauge<'_>, thread: &Thread) -> f64 {
    let blocked_ns = thread.holding_blocked_ns.unwrap_or(0);
    let part = ratio(blocked_ns, thread.holding_read_ns());
    match part {
        BLOCKED.. if is_read(thread) && may_be_blocked(gauge, thread) => part,
        _ => 0.0,
    }
}

/// Whether enough of its holding was read from its CPU clock.
fn is_read(thread: &Thread) -> bool {
    ratio(thread.holding_read_ns(), thread.holding_ns) >= READ
}

/// Whether it was seen to be; or, where nobody looked, whether it lacked a CPU for less: then
/// what is taken for blocked may be that as well, or what the host kept.
fn may_be_blocked(gauge: &Gauge<'_>, thread: &Thread) -> bool {
    let preempted_ns = thread.holding_preempted_ns.unwrap_or(0);
    let stolen_ns = gauge.profile.stolen_ns().unwrap_or(0);
    match is_blocking_known(gauge) {
        true => was_seen_blocked(gauge, thread),
        false => thread.holding_blocked_ns > Some(preempted_ns.saturating_add(stolen_ns)),
    }
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

/// Whether native functions were read: that some site has one shows it.
fn are_natives_known(gauge: &Gauge<'_>) -> bool {
    let mut sites = gauge.profile.sites().iter();
    gauge.profile.native_missing().is_none() && sites.any(|site| !site.native.is_empty())
}
