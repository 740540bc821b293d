//! Work that lacks CPUs, or threads to use them.

use super::finding::{Evidence, Finding, FindingId};
use super::gauge::{Gauge, part_of, ratio};
use super::outside::Outside;
use super::queue::{QUEUE, SATURATED, queue_cost};
use super::shares::Shares;
use super::words::{duration, name, percent};
use crate::site::SiteKind;
use crate::thread::Thread;

/// Ready to run, but not running: as much as running, or more.
const PREEMPTED: f64 = 0.50;
/// Of all holding, that of the one thread which does the work.
const ALONE: f64 = 0.90;
/// Where a lone thread's holds are not read, or are not on a CPU, it does no work.
const ON_CPU: f64 = 0.50;
/// An event loop that does not come round for this long is late for everybody.
const LATE_NS: u64 = 20_000_000;
/// Late turns, as a part of all its holding, and how many are a habit.
const LATE: f64 = 0.50;
const LATE_TURNS: u64 = 3;

/// Whether the process may use one CPU only: then no thread can run beside the holder.
pub(super) fn is_one_cpu(gauge: &Gauge<'_>) -> bool {
    gauge.profile.cpus() == Some(1)
}

/// Too little CPU, not the GIL.
pub(super) fn cpu_starved(gauge: &Gauge<'_>, shares: &Shares<'_>) -> Option<Finding> {
    one_cpu(gauge, shares).or_else(|| preempted(gauge))
}

/// Threads queue for the GIL on the only CPU.
fn one_cpu(gauge: &Gauge<'_>, shares: &Shares<'_>) -> Option<Finding> {
    let cost_ns = queue_cost(gauge, shares).filter(|_| is_one_cpu(gauge))?;
    let culprit = shares.top(|holder| holder.plain_ns)?;
    let mut evidence = vec![Evidence::new(
        "CPUs",
        "1",
        "that the process may use: without the GIL its threads would queue for that",
    )];
    evidence.extend(gauge.evidence());
    evidence.extend(gauge.blamed_line(|id| shares.plainness(id) > 0.5));
    Some(Finding {
        id: FindingId::CpuStarved,
        sentence: format!(
            "CPU-starved: threads wait for a GIL that is held {} of the time, {} most of it, \
             but the process may use one CPU only, which is as busy.",
            percent(gauge.held()),
            name(culprit.thread),
        ),
        confidence: gauge.confidence(gauge.share(shares.plain_ns) / QUEUE),
        evidence,
        advice: Some(String::from(
            "give the process more CPUs (affinity, container quota) before anything is done \
             about the GIL; on one CPU nothing is won without it",
        )),
        cost_ns,
    })
}

/// Those who hold the GIL are not let run.
fn preempted(gauge: &Gauge<'_>) -> Option<Finding> {
    let preempted = |thread: &Thread| thread.holding_preempted_ns.unwrap_or(0);
    let lost_ns = gauge.sum(preempted);
    let ran_ns = gauge.sum(|thread| thread.holding_cpu_ns.unwrap_or(0));
    let share = ratio(lost_ns, lost_ns.saturating_add(ran_ns));
    // As part of the time too: a short busy moment of a neighbour is nothing.
    if share < PREEMPTED || gauge.share(lost_ns) < QUEUE {
        return None;
    }
    let most = gauge.top(preempted)?;
    let switches = most.involuntary_switches.unwrap_or(0);
    let mut evidence = gauge.evidence();
    evidence.push(Evidence::new(
        "holding, preempted",
        duration(lost_ns),
        format!("beside {} on a CPU", duration(ran_ns)),
    ));
    evidence.push(Evidence::new(
        "CPU taken away",
        format!("{switches} times"),
        format!("from {}", name(most)),
    ));
    evidence.push(cpus(gauge));
    evidence.extend(stolen(gauge));
    Some(Finding {
        id: FindingId::CpuStarved,
        sentence: format!(
            "CPU-starved: {} holds the GIL and is ready to run, but has no CPU for {} of the \
             time that it needs one.",
            name(most),
            percent(share),
        ),
        confidence: gauge.confidence(share / PREEMPTED),
        evidence,
        advice: Some(String::from(
            "more CPU for this process: a larger quota, fewer neighbours or fewer busy \
             threads and processes of its own",
        )),
        // Where others queue for the GIL, it is a part of why they do.
        cost_ns: match gauge.queue() >= QUEUE {
            true => part_of(gauge.gil.caused_ns, share),
            false => lost_ns,
        },
    })
}

/// What the neighbours of a virtual machine took.
fn stolen(gauge: &Gauge<'_>) -> Option<Evidence> {
    let stolen_ns = gauge.profile.stolen_ns().filter(|&ns| ns > 0)?;
    let what = "of CPU time that this machine did not get";
    Some(Evidence::new("kept by the host", duration(stolen_ns), what))
}

fn cpus(gauge: &Gauge<'_>) -> Evidence {
    let count = gauge.profile.cpus();
    let value = count.map_or_else(|| String::from("n/a (not recorded)"), |n| n.to_string());
    Evidence::new("CPUs", value, "that the process may use")
}

/// One thread does all the work; nobody else asks for the GIL.
pub(super) fn single_threaded(gauge: &Gauge<'_>, _shares: &Shares<'_>) -> Option<Finding> {
    let lone = gauge.top(|thread| thread.holding_ns)?;
    let alone = ratio(lone.holding_ns, gauge.gil.holding_ns) >= ALONE;
    if !alone || gauge.queue() >= QUEUE || lone.members > 1 {
        return None;
    }
    busy(gauge, lone)
        .or_else(|| late(gauge, lone))
        .or_else(|| serving(gauge, lone))
}

/// It is busy all the time.
fn busy(gauge: &Gauge<'_>, lone: &Thread) -> Option<Finding> {
    let ran_ns = lone.holding_cpu_ns?;
    let ready_ns = ran_ns.saturating_add(lone.holding_preempted_ns.unwrap_or(0));
    if gauge.held() < SATURATED || ratio(ready_ns, lone.holding_ns) < ON_CPU {
        return None;
    }
    let sentence = format!(
        "Single-threaded: {} does all the work; it holds the GIL {} of the time and nobody \
         queues for it.",
        name(lone),
        percent(gauge.held()),
    );
    let distance = gauge.held() / SATURATED;
    Some(finding(gauge, lone, sentence, distance * 1.5, ran_ns))
}

/// An event loop that some of its callbacks block.
fn late(gauge: &Gauge<'_>, lone: &Thread) -> Option<Finding> {
    let turns = lone.hold.buckets().filter(|(low, _, _)| *low >= LATE_NS);
    let (count, late_ns) = turns.fold((0, 0.0), |(count, sum), (low, high, times)| {
        (
            count + times,
            sum + (low + high) as f64 / 2.0 * times as f64,
        )
    });
    let share = late_ns / lone.hold.total_ns().max(1) as f64;
    let serves = Outside::of(gauge).is_serving(lone.id);
    if !serves || count < LATE_TURNS || share < LATE || gauge.share(late_ns as u64) < 0.1 {
        return None;
    }
    let sentence = format!(
        "Single-threaded: {} serves all from one loop, and {count} times it did not come round \
         for {} or more, up to {}; nobody else wants the GIL.",
        name(lone),
        duration(LATE_NS),
        duration(lone.hold.max_ns().unwrap_or(0)),
    );
    Some(finding(gauge, lone, sentence, share / LATE, late_ns as u64))
}

/// A server that is blocked while it serves one, so the next has to wait.
fn serving(gauge: &Gauge<'_>, lone: &Thread) -> Option<Finding> {
    let outside = Outside::of(gauge);
    let own = outside.on_io.iter().filter(|row| row.thread == lone.id);
    let own_ns = own.fold(0_u64, |sum, row| sum.saturating_add(row.weight_ns));
    let all_its = 10 * own_ns >= 9 * outside.io_ns();
    if !outside.is_serving(lone.id) || !all_its || gauge.share(own_ns) < QUEUE {
        return None;
    }
    let sentence = format!(
        "Single-threaded: {} serves all, one at a time, and is blocked for {} of the time \
         while it does so; the GIL is held {} of the time.",
        name(lone),
        percent(gauge.share(own_ns)),
        percent(gauge.held()),
    );
    // What it is blocked on is the finding; this is the reason why it matters.
    Some(finding(gauge, lone, sentence, 1.3, own_ns / 2))
}

fn finding(
    gauge: &Gauge<'_>,
    lone: &Thread,
    sentence: String,
    distance: f64,
    cost_ns: u64,
) -> Finding {
    let mut evidence = gauge.evidence();
    evidence.push(Evidence::new(
        "holding of that thread",
        percent(ratio(lone.holding_ns, gauge.gil.holding_ns)),
        "of all holding",
    ));
    let line = gauge.line(gauge.sites(SiteKind::Hold, |id| id == lone.id));
    evidence.extend(line.map(|line| line.evidence("its holding")));
    Finding {
        id: FindingId::SingleThreaded,
        sentence,
        confidence: gauge.confidence(distance),
        evidence,
        advice: Some(String::from(
            "the GIL is free for other threads to ask for: make this thread's work shorter, \
             or share it out among threads where it waits, among processes where it computes",
        )),
        cost_ns,
    }
}
