//! Numbers and names as they stand in sentences.

use crate::thread::Thread;

/// The thread's name, or its number where it has none.
pub(super) fn name(thread: &Thread) -> String {
    match thread.name.is_empty() {
        true => format!("thread {}", thread.native_id.map_or(thread.id, u64::from)),
        false => thread.name.clone(),
    }
}

pub(super) fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

/// Three significant digits with a unit that fits.
pub(crate) fn duration(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    match value {
        100.0.. => format!("{value:.0} {unit}"),
        10.0.. => format!("{value:.1} {unit}"),
        _ => format!("{value:.2} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_three_digits() {
        let texts = [12, 1_234, 45_600_000, 789_000_000, 1_500_000_000].map(duration);
        assert_eq!(texts, ["12 ns", "1.23 µs", "45.6 ms", "789 ms", "1.50 s"]);
    }
}
