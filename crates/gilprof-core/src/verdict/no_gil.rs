//! Pythons without a GIL.

use super::finding::{Evidence, Finding, FindingId};
use super::gauge::Gauge;
use super::shares::Shares;
use crate::site::SiteKind;

/// A free-threaded build, and whether its GIL is on all the same. Its version ends in
/// `t`, as in `3.13.5t`.
pub(super) fn no_gil(gauge: &Gauge<'_>, _shares: &Shares<'_>) -> Option<Finding> {
    if !gauge.profile.python().ends_with('t') {
        return None;
    }
    let line = gauge.line(gauge.sites(SiteKind::Hold, |_| true));
    let is_on = gauge.gil.acquisitions > 0;
    let mut evidence = vec![Evidence::new(
        "GIL taken",
        format!("{} times", gauge.gil.acquisitions),
        "an import of an extension that needs it switches it on",
    )];
    evidence.extend(line.map(|line| line.evidence("its holding")));
    Some(Finding {
        id: FindingId::NoGil,
        sentence: String::from(match is_on {
            true => "No GIL: this Python is free-threaded, but its GIL was taken all the same.",
            false => "No GIL: this Python is free-threaded, and nobody took a GIL.",
        }),
        confidence: gauge.confidence(2.0),
        evidence,
        advice: is_on.then(|| {
            String::from("find the extension that switches the GIL on: PYTHON_GIL=0 keeps it off")
        }),
        cost_ns: 0,
    })
}
