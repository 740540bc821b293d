//! Pythons that can do without a GIL.

use super::finding::{Confidence, Evidence, Finding, FindingId};
use super::gauge::Gauge;
use super::shares::Shares;
use super::words::{duration, percent};
use crate::thread::Thread;

/// A free-threaded build, and whether its GIL is on all the same.
pub(super) fn no_gil(gauge: &Gauge<'_>, _shares: &Shares<'_>) -> Option<Finding> {
    match gauge.gil.enabled? {
        true => Some(is_on(gauge)),
        false => Some(is_off(gauge)),
    }
}

fn is_off(gauge: &Gauge<'_>) -> Finding {
    let spent = |thread: &Thread| {
        let outside_ns = thread.detached_cpu_ns?;
        Some(outside_ns.saturating_add(thread.holding_cpu_ns.unwrap_or(0)))
    };
    let known: Option<Vec<u64>> = gauge.threads.iter().map(|one| spent(one)).collect();
    let cpu_ns = known.map(|all| all.into_iter().fold(0, u64::saturating_add));
    let busy =
        cpu_ns.map(|cpu_ns| format!("; its threads keep {:.1} CPUs busy", gauge.share(cpu_ns)));
    let evidence = cpu_ns.map(|cpu_ns| {
        let threads = format!("of {} threads", gauge.threads.len());
        Evidence::new("on a CPU", duration(cpu_ns), threads)
    });
    Finding {
        id: FindingId::NoGil,
        sentence: format!(
            "No GIL: this Python is free-threaded and runs without one{}.",
            busy.unwrap_or_default(),
        ),
        confidence: Confidence::High,
        evidence: evidence.into_iter().collect(),
        advice: None,
        cost_ns: 0,
    }
}

fn is_on(gauge: &Gauge<'_>) -> Finding {
    let needed_by = &gauge.gil.needed_by;
    let names = needed_by.join(", ");
    let (why, advice) = match needed_by.is_empty() {
        true => (
            String::from("for which module is not known"),
            "look for PYTHON_GIL=1 and -X gil=1; a warning at the import names the module, if it \
             was one"
                .to_owned(),
        ),
        false => (
            format!("it is switched on for {names}"),
            "use a version of it that declares that it can do without (Py_mod_gil); or, if you \
             know that it can, PYTHON_GIL=0"
                .to_owned(),
        ),
    };
    let mut evidence = gauge.evidence();
    evidence.push(Evidence::new(
        "needed by",
        match needed_by.is_empty() {
            true => String::from("n/a (no such module was found)"),
            false => names,
        },
        "an import of what does not declare that it can do without switches it on, for good",
    ));
    Finding {
        id: FindingId::NoGil,
        sentence: format!(
            "The GIL is on in a Python that can do without: {why}; it is held {} of the time.",
            percent(gauge.held()),
        ),
        confidence: Confidence::High,
        evidence,
        advice: Some(advice),
        cost_ns: gauge.gil.waiting_ns,
    }
}
