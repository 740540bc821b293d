//! Is it the GIL, and if not, what is it? Rules over the sums of a profile, each of
//! which says one sentence with its evidence.
//!
//! [`shares`] divides the waiting of each GIL by its reasons, so that no nanosecond
//! is explained twice; each rule then looks at its own share. `docs/verdict.md` has
//! the table.

mod churn;
mod evidence;
mod finding;
mod gauge;
mod held;
mod no_gil;
mod outside;
mod place;
mod queue;
mod shares;
mod supply;
pub(crate) mod words;

use crate::profile::Profile;
use gauge::{Gauge, LEAST_WALL_NS};
use shares::Shares;

pub use finding::{Confidence, Evidence, Finding, FindingId};

/// Below this, nothing is said: too few acquisitions, or samples, to tell a habit from an
/// accident.
const LEAST_ACQUISITIONS: u64 = 20;

/// What threads spend in I/O, compared with what they wait for a GIL, makes that little.
const LITTLE: u64 = 4;

/// One rule: what it has to say of one GIL.
type Rule = fn(&Gauge<'_>, &Shares<'_>) -> Option<Finding>;

/// What there may be to say where a GIL is off.
const WITHOUT_GIL: [FindingId; 4] = [
    FindingId::NoGil,
    FindingId::CpuStarved,
    FindingId::LockBound,
    FindingId::IoBound,
];

/// All rules. Where two findings cost the same, the earlier one is told first.
const RULES: [Rule; 15] = [
    no_gil::no_gil,
    held::starved_interpreter,
    held::blocked_hold,
    held::gc,
    held::native_hold,
    churn::thread_churn,
    queue::convoy,
    queue::gil_bound,
    queue::hand_off,
    supply::cpu_starved,
    queue::too_many_threads,
    outside::lock_bound,
    outside::io_bound,
    supply::single_threaded,
    outside::parallel_native,
];

impl Profile {
    /// What is worth knowing about the GIL in this program: first what makes threads wait
    /// for it, then the rest, of each the most costly first;
    /// none where no rule speaks. Each GIL is judged by itself: holds of several are
    /// never added up. Where several GILs have the same finding, that of the worst is
    /// told.
    pub fn findings(&self) -> Vec<Finding> {
        if self.is_too_little() {
            return Vec::new();
        }
        let gauges = self.gils().iter().map(|gil| Gauge::of(self, gil));
        let mut findings: Vec<Finding> = gauges.flat_map(|gauge| judge(&gauge)).collect();
        // Stable, so the order of the rules is kept.
        // Who is blocked outside the GIL may sleep on purpose; who waits for it does not.
        findings.sort_by_key(|finding| {
            let waits = match finding.id {
                FindingId::CpuStarved => true,
                FindingId::NoGil => finding.cost_ns > 0,
                id => id.is_gil(),
            };
            (!waits, std::cmp::Reverse(finding.cost_ns))
        });
        let mut said = Vec::new();
        findings.retain(|finding| {
            let first = !said.contains(&finding.id);
            said.push(finding.id);
            first
        });
        findings
    }

    /// Whether the GIL is the problem: the most costly of the
    /// [`findings`](Self::findings). Where there is none, it is
    /// [`FindingId::NotTheGil`], or [`FindingId::NothingYet`] if too little was
    /// recorded to tell.
    pub fn verdict(&self) -> Finding {
        if self.is_too_little() {
            return self.nothing_yet();
        }
        let first = self.findings().into_iter().next();
        first.unwrap_or_else(|| self.not_the_gil())
    }

    fn is_too_little(&self) -> bool {
        // A long hold is few acquisitions, and yet all that there is to say.
        let spent = |thread: &crate::thread::Thread| thread.holding_cpu_ns.unwrap_or(0);
        let on_cpu_ns = self.threads().iter().map(spent).max().unwrap_or(0);
        let busy = self.waiting_ns().max(on_cpu_ns) >= LEAST_WALL_NS;
        let few = self.acts() < LEAST_ACQUISITIONS && !busy;
        self.gils().is_empty() || self.wall_ns() < LEAST_WALL_NS || few
    }

    /// Acquisitions, or samples where those were not counted.
    fn acts(&self) -> u64 {
        if let Some(samples) = self.samples() {
            return samples.count;
        }
        let counts = self.gils().iter().map(|gil| gil.acquisitions);
        counts.fold(0, u64::saturating_add)
    }

    fn nothing_yet(&self) -> Finding {
        Finding {
            id: FindingId::NothingYet,
            sentence: format!(
                "Nothing to say yet: {} recorded, the {} {} times; \
                 at least {} and {LEAST_ACQUISITIONS} times are needed.",
                words::duration(self.wall_ns()),
                match self.samples() {
                    Some(_) => "process was looked at",
                    None => "GIL was taken",
                },
                self.acts(),
                words::duration(LEAST_WALL_NS),
            ),
            confidence: Confidence::Low,
            evidence: Vec::new(),
            advice: Some(String::from(
                "record for longer, or while the program is busy",
            )),
            cost_ns: 0,
        }
    }

    fn not_the_gil(&self) -> Finding {
        let gauges = self.gils().iter().map(|gil| Gauge::of(self, gil));
        let worst = gauges.max_by(|a, b| a.queue().total_cmp(&b.queue()));
        let Some(gauge) = worst else {
            return self.nothing_yet();
        };
        Finding {
            id: FindingId::NotTheGil,
            sentence: format!(
                "Not the GIL: it is held {} of the time, and threads wait for it {} of the \
                 time that they want it; {} of their lives they are outside of it.",
                words::percent(gauge.held()),
                words::percent(gauge.contention()),
                words::percent(gauge.detached()),
            ),
            confidence: gauge.confidence(queue::QUEUE / gauge.queue().max(1e-9)),
            evidence: gauge.evidence(),
            advice: None,
            cost_ns: 0,
        }
    }
}

fn judge(gauge: &Gauge<'_>) -> Vec<Finding> {
    let shares = Shares::of(gauge);
    let rules = RULES.iter();
    let mut findings: Vec<Finding> = rules.filter_map(|rule| rule(gauge, &shares)).collect();
    if gauge.gil.enabled == Some(false) {
        findings.retain(|finding| WITHOUT_GIL.contains(&finding.id));
    }
    let of_gil = findings.iter().filter(|finding| finding.id.is_gil());
    let gil_ns = of_gil.fold(0_u64, |sum, one| sum.saturating_add(one.cost_ns));
    // "Not the GIL" is not to be said beside what the GIL costs, unless that is little.
    findings.retain(|finding| {
        finding.id != FindingId::IoBound || finding.cost_ns >= gil_ns.saturating_mul(LITTLE)
    });
    findings
}

#[cfg(test)]
mod tests;
