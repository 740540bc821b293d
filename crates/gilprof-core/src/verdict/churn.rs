//! Threads that end as soon as they have begun.

use super::finding::{Evidence, Finding, FindingId};
use super::gauge::{Gauge, ratio};
use super::shares::Shares;
use super::words::{duration, name, percent};
use crate::thread::Thread;

/// Threads that ended in a second: starting one costs about 0.1 ms of the GIL.
const RATE: f64 = 200.0;
/// Fewer in all are a start-up.
const LEAST: u64 = 50;
/// What a thread holds that does hardly more than begin and end; a request that takes
/// this long is work.
const SHORT_HOLD_NS: u64 = 1_000_000;
/// Of all waiting, what these threads wait and cause.
const INVOLVED: f64 = 0.33;
/// Of the time, what these threads hold and wait.
const WORTH: f64 = 0.10;

/// The GIL is busy starting and ending threads.
pub(super) fn thread_churn(gauge: &Gauge<'_>, _shares: &Shares<'_>) -> Option<Finding> {
    if !is_churning(gauge) {
        return None;
    }
    let brief = Brief::of(gauge);
    let most = brief.threads.iter().max_by_key(|thread| thread.members)?;
    let life_ns = brief.sum(|thread| thread.lifetime_ns) / brief.count.max(1);
    let held_ns = brief.sum(|thread| thread.holding_ns) / brief.count.max(1);
    let mut evidence = gauge.evidence();
    evidence.push(Evidence::new(
        "threads that ended",
        brief.count.to_string(),
        format!("{:.0} a second", gauge.rate(brief.count)),
    ));
    evidence.push(Evidence::new(
        "each lived",
        duration(life_ns),
        format!("and held the GIL for {} of it", duration(held_ns)),
    ));
    Some(Finding {
        id: FindingId::ThreadChurn,
        sentence: format!(
            "Thread churn: {:.0} threads a second begin and end ({}), each holds the GIL for \
             {} only; {} of all waiting has to do with them.",
            gauge.rate(brief.count),
            name(most),
            duration(held_ns),
            percent(brief.involved(gauge).min(1.0)),
        ),
        confidence: gauge.confidence(gauge.rate(brief.count) / RATE),
        evidence,
        advice: Some(String::from(
            "keep the threads: a pool (concurrent.futures.ThreadPoolExecutor) starts them once",
        )),
        cost_ns: gauge.gil.waiting_ns.max(brief.spent_ns()),
    })
}

/// Whether that is what the GIL is busy with.
pub(super) fn is_churning(gauge: &Gauge<'_>) -> bool {
    let brief = Brief::of(gauge);
    brief.count >= LEAST
        && gauge.rate(brief.count) >= RATE
        && gauge.share(brief.spent_ns()) >= WORTH
        && brief.involved(gauge) >= INVOLVED
}

/// The threads that did hardly more than begin and end.
struct Brief<'p> {
    threads: Vec<&'p Thread>,
    count: u64,
}

impl<'p> Brief<'p> {
    fn of(gauge: &Gauge<'p>) -> Self {
        let threads = gauge.threads.iter().copied();
        let brief = threads.filter(|thread| {
            thread.ended && thread.holding_ns <= thread.members.saturating_mul(SHORT_HOLD_NS)
        });
        let threads: Vec<&Thread> = brief.collect();
        Self {
            count: threads.iter().map(|thread| thread.members).sum(),
            threads,
        }
    }

    fn sum(&self, part: impl Fn(&Thread) -> u64) -> u64 {
        let parts = self.threads.iter().map(|thread| part(thread));
        parts.fold(0, u64::saturating_add)
    }

    fn spent_ns(&self) -> u64 {
        self.sum(|thread| thread.holding_ns.saturating_add(thread.waiting_ns))
    }

    /// What they wait and cause, of all waiting; where nobody waits it is all theirs.
    fn involved(&self, gauge: &Gauge<'_>) -> f64 {
        match gauge.gil.waiting_ns {
            0 => 1.0,
            all => ratio(
                self.sum(|thread| thread.waiting_ns.saturating_add(thread.caused_ns)),
                all,
            ),
        }
    }
}
