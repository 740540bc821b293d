//! Threads that queue for a GIL which is handed over as it should be.

use std::collections::BTreeSet;

use super::churn::is_churning;
use super::finding::{Evidence, Finding, FindingId};
use super::gauge::{Gauge, part_of, ratio};
use super::shares::Shares;
use super::supply::is_one_cpu;
use super::words::{duration, name, percent};
use crate::thread::Thread;

/// A queue: how many threads wait at an average instant.
pub(super) const QUEUE: f64 = 0.25;
/// Nearly always held.
pub(super) const SATURATED: f64 = 0.70;
/// How much of the time that threads wanted the GIL they waited for it.
const CONTENDED: f64 = 0.30;
/// Held, or on its way to the next holder, in a recording that has idle time too.
const BUSY: f64 = 0.50;

/// A convoy's waits are about a switch interval: from half of one, as the waiter may
/// come in the middle, to four, with a busy machine's timer tick and two in front.
const CONVOY_WAIT: std::ops::RangeInclusive<f64> = 0.4..=4.0;
/// So much of the waiting is in such waits: the rest may be for something else.
const CONVOY_WAITS_OF_ALL: f64 = 0.6;
/// Who waits in a convoy holds this much less than who it waits for.
const CONVOY_HOLD: f64 = 0.25;
/// Fewer waits are no habit.
const CONVOY_WAITS: u64 = 10;
/// Waiting of a convoy, as a part of the time.
const CONVOY: f64 = 0.15;
/// From here on the others queue for the GIL as well, and the convoy is part of that.
const OTHERS: f64 = 0.25;

/// Hand-off, as a part of the time and of the waiting.
const HANDOFF: f64 = 0.15;
const HANDOFF_OF_WAITING: f64 = 0.30;
/// Switches in a second: fewer are no storm, but waking up on a busy machine.
const STORM: f64 = 1_000.0;

/// Less of a CPU than this is none that is free.
const FREE: f64 = 0.5;

/// Threads that wait at an average instant: four workers of a busy server are no crowd.
const CROWD: f64 = 4.0;

/// Threads queue for a GIL that Python code on a CPU holds nearly all the time.
pub(super) fn gil_bound(gauge: &Gauge<'_>, shares: &Shares<'_>) -> Option<Finding> {
    let cost_ns = queue_cost(gauge, shares)?;
    if is_one_cpu(gauge) {
        return None;
    }
    let culprit = shares.top(|holder| holder.plain_ns);
    let who = culprit.map_or_else(String::new, |holder| {
        format!(
            "; {} held it for {} of the waiting",
            name(holder.thread),
            duration(holder.plain_ns)
        )
    });
    let mut evidence = gauge.evidence();
    evidence.extend(gauge.blamed_line(|id| shares.plainness(id) > 0.5));
    Some(Finding {
        id: FindingId::GilBound,
        sentence: format!(
            "GIL-bound: on average {:.1} threads wait for a GIL that is held {} of the time{who}.",
            gauge.queue(),
            percent(gauge.held()),
        ),
        confidence: gauge.confidence(gauge.share(shares.plain_ns) / QUEUE),
        evidence,
        // What each way out could gain at most belongs here, once it is computed.
        advice: Some(String::from(
            "move the work to processes, to subinterpreters with a GIL of their own (3.12+) \
             or to a free-threaded build (3.13+); more threads will only wait more",
        )),
        cost_ns,
    })
}

/// What the queue for plain holds costs, apart from a convoy; `None` where there is no
/// queue. Less of a queue than of a convoy costs its own part only.
pub(super) fn queue_cost(gauge: &Gauge<'_>, shares: &Shares<'_>) -> Option<u64> {
    let alternating = is_storm(gauge, shares) || is_churning(gauge);
    let starved = gauge.contention() >= CONTENDED && gauge.busy() >= BUSY && !alternating;
    let queue = gauge.share(shares.plain_ns);
    if queue < QUEUE || !(gauge.held() >= SATURATED || starved) || is_churning(gauge) {
        return None;
    }
    let convoy_ns = convoy_ns(gauge, shares);
    let own_ns = shares.plain_ns.saturating_sub(convoy_ns);
    Some(match ratio(own_ns, shares.plain_ns) >= OTHERS {
        true => shares.plain_ns,
        false => own_ns,
    })
}

/// Threads that only come back for a moment wait for one that never lets go by itself.
pub(super) fn convoy(gauge: &Gauge<'_>, shares: &Shares<'_>) -> Option<Finding> {
    let hog = shares.top(|holder| holder.plain_ns)?.thread;
    let victims = victims(gauge, hog);
    let victim = victims.iter().max_by_key(|thread| thread.waiting_ns)?;
    let convoy_ns = convoy_ns(gauge, shares);
    if gauge.share(convoy_ns) < CONVOY || is_churning(gauge) {
        return None;
    }
    let mean_ns = mean_wait_ns(victim);
    let mut evidence = gauge.evidence();
    evidence.push(Evidence::new(
        "each wait",
        duration(mean_ns as u64),
        format!(
            "on average, {} times by {}; the switch interval is {}",
            victim.waits,
            name(victim),
            duration(gauge.interval_ns())
        ),
    ));
    evidence.extend(gauge.blamed_line(|id| id == hog.id));
    Some(Finding {
        id: FindingId::Convoy,
        sentence: format!(
            "Convoy: {} waits {} each time it comes back to the GIL, about a switch interval, \
             as {} never lets go before it must.",
            name(victim),
            duration(mean_ns as u64),
            name(hog),
        ),
        confidence: gauge.confidence(gauge.share(convoy_ns) / CONVOY),
        evidence,
        advice: Some(format!(
            "a shorter sys.setswitchinterval (now {}) makes each such wait shorter; moving \
             the work of {} to a process ends them",
            duration(gauge.interval_ns()),
            name(hog),
        )),
        cost_ns: convoy_ns,
    })
}

/// The waiting of a convoy for plain holds; 0 where there is none.
fn convoy_ns(gauge: &Gauge<'_>, shares: &Shares<'_>) -> u64 {
    let Some(hog) = shares.top(|holder| holder.plain_ns) else {
        return 0;
    };
    let victims: BTreeSet<u64> = victims(gauge, hog.thread)
        .iter()
        .map(|one| one.id)
        .collect();
    let rows = gauge.blame().filter(|row| victims.contains(&row.waiter));
    let plain = rows.map(|row| part_of(row.waiting_ns, shares.plainness(row.holder)));
    plain.fold(0, u64::saturating_add)
}

/// Threads that hold little, wait more, and each time about a switch interval.
fn victims<'p>(gauge: &Gauge<'p>, hog: &Thread) -> Vec<&'p Thread> {
    let interval_ns = gauge.interval_ns() as f64;
    let least_ns = part_of(hog.holding_ns, CONVOY_HOLD);
    let threads = gauge.threads.iter().copied();
    threads
        .filter(|thread| {
            thread.id != hog.id
                && thread.waits >= CONVOY_WAITS
                && thread.holding_ns <= least_ns
                && thread.waiting_ns >= thread.holding_ns
                && CONVOY_WAIT.contains(&(mean_wait_ns(thread) / interval_ns))
                && waits_like_that(thread, interval_ns) >= CONVOY_WAITS_OF_ALL
        })
        .collect()
}

/// Part of its waiting in waits of a convoy's length.
fn waits_like_that(thread: &Thread, interval_ns: f64) -> f64 {
    let (mut like_that, mut all) = (0.0, 0.0);
    for (low, high, count) in thread.wait.buckets() {
        let middle_ns = (low + high) as f64 / 2.0;
        all += middle_ns * count as f64;
        if CONVOY_WAIT.contains(&(middle_ns / interval_ns)) {
            like_that += middle_ns * count as f64;
        }
    }
    like_that / f64::max(all, 1.0)
}

fn mean_wait_ns(thread: &Thread) -> f64 {
    thread.wait.mean_ns().unwrap_or(0.0)
}

/// Time is lost on the way from one thread to the next.
pub(super) fn hand_off(gauge: &Gauge<'_>, shares: &Shares<'_>) -> Option<Finding> {
    if !is_storm(gauge, shares) || is_churning(gauge) || is_out_of_cpus(gauge) {
        return None;
    }
    let loser = gauge.top(|thread| thread.handoff_ns)?;
    let mean_ns = gauge.gil.hold.mean_ns();
    let mut evidence = gauge.evidence();
    evidence.push(Evidence::new(
        "switches",
        format!("{:.0} a second", gauge.rate(gauge.gil.switches)),
        "each of them wakes a thread",
    ));
    evidence.push(Evidence::new(
        "each hold",
        mean_ns.map_or_else(
            || String::from("n/a (not counted)"),
            |mean_ns| duration(mean_ns as u64),
        ),
        "on average: so little is done for each of them",
    ));
    evidence.extend(gauge.blamed_line(|_| true));
    Some(Finding {
        id: FindingId::HandOff,
        sentence: format!(
            "Hand-off: {} of waiting, {} of it all, is for a GIL that is free but on its way to \
             another thread, {:.0} times a second; {} lost most by it.",
            duration(shares.handoff_ns),
            percent(ratio(shares.handoff_ns, gauge.gil.waiting_ns)),
            gauge.rate(gauge.gil.switches),
            name(loser),
        ),
        confidence: gauge.confidence(gauge.share(shares.handoff_ns) / HANDOFF),
        evidence,
        advice: Some(String::from(
            "do more for each take of the GIL: larger reads and writes, batches instead of \
             single items in queues, fewer threads",
        )),
        cost_ns: shares.handoff_ns,
    })
}

fn is_storm(gauge: &Gauge<'_>, shares: &Shares<'_>) -> bool {
    gauge.share(shares.handoff_ns) >= HANDOFF
        && ratio(shares.handoff_ns, gauge.gil.waiting_ns) >= HANDOFF_OF_WAITING
        && gauge.rate(gauge.gil.switches) >= STORM
}

/// Whether native code outside the GIL keeps so many CPUs busy that who is to take the GIL
/// has to wait for one.
fn is_out_of_cpus(gauge: &Gauge<'_>) -> bool {
    let outside = gauge.share(gauge.sum(|thread| thread.detached_cpu_ns.unwrap_or(0)));
    let cpus = gauge.profile.cpus();
    cpus.is_some_and(|cpus| outside >= f64::from(cpus) - FREE)
}

/// More threads than the GIL can feed.
pub(super) fn too_many_threads(gauge: &Gauge<'_>, shares: &Shares<'_>) -> Option<Finding> {
    let crowd: Vec<&Thread> = gauge
        .threads
        .iter()
        .copied()
        .filter(|one| queues(one))
        .collect();
    let count: u64 = crowd.iter().map(|thread| thread.members).sum();
    let enough = enough(&crowd);
    if gauge.queue() < CROWD || queue_cost(gauge, shares).is_none() || count <= 2 * enough {
        return None;
    }
    let mut evidence = gauge.evidence();
    evidence.push(Evidence::new(
        "threads that would do",
        enough.to_string(),
        format!("to keep the GIL as busy, of {count} that mostly wait for it"),
    ));
    Some(Finding {
        id: FindingId::TooManyThreads,
        sentence: format!(
            "Too many threads: {count} mostly wait for the GIL, {:.1} of them at any time; \
             {enough} would keep it as busy.",
            gauge.queue(),
        ),
        confidence: gauge.confidence(gauge.queue() / CROWD),
        evidence,
        advice: Some(format!(
            "{enough} threads a process do the same work with shorter waits; more work at a \
             time needs more processes"
        )),
        cost_ns: part_of(shares.plain_ns, 1.0 - ratio(enough, count)),
    })
}

/// Whether it waits more than it holds and is outside together.
fn queues(thread: &Thread) -> bool {
    thread.waiting_ns > thread.holding_ns.saturating_add(thread.detached_ns)
}

/// How many such threads keep the GIL busy, if each is outside as much as now.
fn enough(crowd: &[&Thread]) -> u64 {
    let holding_ns: u64 = crowd.iter().map(|thread| thread.holding_ns).sum();
    let outside_ns: u64 = crowd.iter().map(|thread| thread.detached_ns).sum();
    (holding_ns + outside_ns).div_ceil(holding_ns.max(1)).max(1)
}
