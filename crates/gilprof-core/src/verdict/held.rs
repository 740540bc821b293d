//! Holds that go on though they were asked to end: native code, blocked threads,
//! collections, and interpreters that do not hear each other.

use super::churn::is_churning;
use super::finding::{Evidence, Finding, FindingId};
use super::gauge::{Gauge, ratio};
use super::place::is_named;
use super::shares::{Holder, Shares, is_blocked, is_gc};
use super::words::{duration, name, percent};
use crate::blocked::Blocked;
use crate::site::SiteKind;
use crate::state::State;

/// Others' waiting as a part of the time, and of all waiting: less is not worth a change
/// of the program.
const WORTH: f64 = 0.10;

/// A native function keeps the GIL.
pub(super) fn native_hold(gauge: &Gauge<'_>, shares: &Shares<'_>) -> Option<Finding> {
    let holder = worth(gauge, shares, |holder| holder.long_ns)?;
    let among = |id| is_among(shares, id, |holder| holder.long_ns);
    let native = || {
        let sites = gauge.sites(SiteKind::Blame, |id| among(id) || id == holder.thread.id);
        sites.filter(|site| {
            let own = among(site.thread) || !site.native.is_empty();
            own && !is_blocked(gauge, site) && !is_gc(gauge, site)
        })
    };
    let function = gauge.function(native());
    let line = gauge.line(native());
    let what = function.as_ref().map_or_else(
        || String::from("a native function"),
        |found| match is_named(found.frame) {
            true => found.frame.function.clone(),
            false => format!("a native function of {}", found.frame.file),
        },
    );
    let place = line
        .as_ref()
        .map_or_else(String::new, |line| format!(", called at {}", line.frame));
    let samples = line.as_ref().map_or(0, |line| line.samples);
    let mut evidence = gauge.evidence();
    evidence.push(match &function {
        Some(found) => Evidence::new(
            "native function",
            found.frame.to_string(),
            format!("{} of the waiting in such holds", percent(found.share())),
        ),
        None => Evidence::new(
            "native function",
            gauge.profile.native_missing().unwrap_or("n/a (no samples)"),
            "the line of Python that called it is what is known",
        ),
    });
    evidence.extend(gauge.heaviest_line(native()));
    evidence.push(longest(holder));
    Some(Finding {
        id: FindingId::NativeHold,
        sentence: format!(
            "Native hold: {what} keeps the GIL{place}; {} of waiting in holds of {} that go \
             on after they are asked to end.",
            duration(shares.long_ns),
            name(holder.thread),
        ),
        confidence: gauge.sampled(gauge.share(shares.long_ns) / WORTH, samples),
        evidence,
        advice: Some(String::from(
            "release the GIL in that function (Py_BEGIN_ALLOW_THREADS, nogil in Cython and \
             Numba, Python::detach in PyO3), give it smaller pieces, or call it in another \
             process",
        )),
        cost_ns: shares.long_ns,
    })
}

/// The GIL is held while the holder is blocked.
pub(super) fn blocked_hold(gauge: &Gauge<'_>, shares: &Shares<'_>) -> Option<Finding> {
    let holder = worth(gauge, shares, |holder| holder.blocked_ns)?;
    let among = |id| is_among(shares, id, |holder| holder.blocked_ns);
    let call = blocked_call(gauge, |id| id == holder.thread.id);
    let blocked = || {
        let sites = gauge.sites(SiteKind::Blame, |_| true);
        sites.filter(move |site| among(site.thread) || is_blocked(gauge, site))
    };
    let line = gauge.line(blocked());
    let inside = call
        .map(|row| format!(" in {}", gauge.profile.blocking_call(row)))
        .unwrap_or_default();
    let place = line
        .as_ref()
        .map_or_else(String::new, |line| format!(" at {}", line.frame));
    let mut evidence = gauge.evidence();
    evidence.push(match call {
        Some(row) => Evidence::new(
            "blocked in",
            gauge.profile.blocking_call(row),
            match row.on {
                Some(on) => format!("on: {on}"),
                None => String::from("what for is not known"),
            },
        ),
        None => Evidence::new(
            "blocked in",
            gauge.profile.blocked_missing().unwrap_or("n/a (not seen)"),
            "the line of Python is what is known",
        ),
    });
    evidence.extend(gauge.heaviest_line(blocked()));
    evidence.push(Evidence::new(
        "holding, blocked",
        duration(holder.thread.holding_blocked_ns.unwrap_or(0)),
        format!(
            "of {} that {} held it: on a CPU for {}",
            duration(holder.thread.holding_ns),
            name(holder.thread),
            duration(holder.thread.holding_cpu_ns.unwrap_or(0)),
        ),
    ));
    Some(Finding {
        id: FindingId::BlockedHold,
        sentence: format!(
            "Blocked hold: {} keeps the GIL while it is blocked{inside}{place}; others waited \
             {} for that.",
            name(holder.thread),
            duration(shares.blocked_ns),
        ),
        confidence: gauge.confidence(gauge.share(shares.blocked_ns) / WORTH),
        evidence,
        advice: Some(String::from(
            "release the GIL around that call (Py_BEGIN_ALLOW_THREADS, nogil, \
             Python::detach; ctypes.CDLL instead of ctypes.PyDLL)",
        )),
        cost_ns: shares.blocked_ns,
    })
}

/// Collections are long holds.
pub(super) fn gc(gauge: &Gauge<'_>, shares: &Shares<'_>) -> Option<Finding> {
    let holder = worth(gauge, shares, |holder| holder.gc_ns)?;
    let collecting = || gauge.sites(SiteKind::Blame, |_| true);
    let collecting = || collecting().filter(|site| is_gc(gauge, site));
    let samples = collecting().map(|site| site.samples).sum();
    let mut evidence = gauge.evidence();
    evidence.extend(
        gauge
            .line(collecting())
            .map(|line| line.evidence("the waiting for collections")),
    );
    evidence.push(longest(holder));
    Some(Finding {
        id: FindingId::Gc,
        sentence: format!(
            "Garbage collection: others waited {} for the GIL while {} collected, {} of all \
             waiting.",
            duration(shares.gc_ns),
            name(holder.thread),
            percent(ratio(shares.gc_ns, gauge.gil.waiting_ns)),
        ),
        confidence: gauge.sampled(gauge.share(shares.gc_ns) / WORTH, samples),
        evidence,
        advice: Some(String::from(
            "gc.freeze() after start-up keeps long-lived objects out of collections; raise \
             the thresholds (gc.set_threshold), or collect when nobody is served",
        )),
        cost_ns: shares.gc_ns,
    })
}

/// A thread of another interpreter does not see that it is asked for the GIL.
pub(super) fn starved_interpreter(gauge: &Gauge<'_>, shares: &Shares<'_>) -> Option<Finding> {
    let holder = worth(gauge, shares, |holder| holder.deaf_ns)?;
    let among = |id| is_among(shares, id, |holder| holder.deaf_ns);
    let victim = gauge.blame().filter(|row| row.holder == holder.thread.id);
    let victim = victim.max_by_key(|row| row.waiting_ns)?;
    let waiter = gauge.profile.thread(victim.waiter).map(name)?;
    let mut evidence = gauge.evidence();
    evidence.extend(gauge.blamed_line(among));
    evidence.push(Evidence::new(
        "waited at once",
        duration(victim.longest_ns),
        format!(
            "at most, by {waiter}; the switch interval is {}",
            duration(gauge.interval_ns())
        ),
    ));
    Some(Finding {
        id: FindingId::StarvedInterpreter,
        sentence: format!(
            "Starved interpreter: {waiter} waits up to {} for {}, which is of another \
             interpreter and does not see that it is asked for the GIL.",
            duration(victim.longest_ns),
            name(holder.thread),
        ),
        confidence: gauge.confidence(gauge.share(shares.deaf_ns) / WORTH),
        evidence,
        advice: Some(String::from(
            "run both in one interpreter (mod_wsgi: WSGIApplicationGroup %{GLOBAL}), in \
             processes of their own, or give each a GIL of its own (3.12+)",
        )),
        cost_ns: shares.deaf_ns,
    })
}

/// The holder with most of a part that is worth a finding.
fn worth<'s, 'p>(
    gauge: &Gauge<'p>,
    shares: &'s Shares<'p>,
    part: impl Fn(&Holder<'_>) -> u64,
) -> Option<&'s Holder<'p>> {
    let sum = shares.holders.iter().map(&part);
    let sum = sum.fold(0, u64::saturating_add);
    // Where threads churn, all waiting is charged to that.
    if is_churning(gauge) || gauge.share(sum) < WORTH || ratio(sum, gauge.gil.waiting_ns) < WORTH {
        return None;
    }
    shares.top(part)
}

/// Whether most of what this thread caused is such a part.
fn is_among(shares: &Shares<'_>, thread: u64, part: impl Fn(&Holder<'_>) -> u64) -> bool {
    let mut holders = shares.holders.iter();
    holders.any(|one| one.thread.id == thread && 2 * part(one) >= one.thread.caused_ns)
}

fn longest(holder: &Holder<'_>) -> Evidence {
    Evidence::new(
        "longest hold",
        duration(holder.thread.hold.max_ns().unwrap_or(0)),
        format!("by {}", name(holder.thread)),
    )
}

/// The call that threads which pass were blocked in for longest while they held.
fn blocked_call<'p>(gauge: &Gauge<'p>, passes: impl Fn(u64) -> bool) -> Option<&'p Blocked> {
    let rows = gauge.profile.blocked().iter();
    let own = rows
        .filter(|row| row.state == State::Holding && gauge.has(row.thread) && passes(row.thread));
    own.max_by_key(|row| row.weight_ns)
}
