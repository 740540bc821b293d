//! Durations as `repr` writes them.

/// Seconds with two digits: `1.20s`.
pub(crate) fn seconds(ns: u64) -> String {
    format!("{:.2}s", ns as f64 / 1e9)
}

/// Three digits or so in the unit that fits: `870ns`, `12.3us`, `4.56ms`, `1.20s`.
pub(crate) fn duration(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => format!("{:.1}us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2}ms", ns as f64 / 1e6),
        _ => seconds(ns),
    }
}

/// As [`duration`], or `?` where it is not known.
pub(crate) fn known(ns: Option<u64>) -> String {
    ns.map_or_else(|| String::from("?"), duration)
}
