//! Durations as people read them: three digits and a unit.

/// Each unit's name and its length in ns.
const UNITS: [(&str, f64); 6] = [
    ("ns", 1.0),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("min", 60e9),
    ("h", 3600e9),
];

/// As in `1.23 s`, `45.6 ms`, `789 µs`, `12 ns`.
pub(crate) fn duration(ns: u64) -> String {
    if ns < 1_000 {
        return format!("{ns} ns");
    }
    let in_unit = |length: f64| ns as f64 / length;
    // What would be rounded up to four digits goes to the next unit.
    let fits = UNITS.iter().find(|(_, length)| in_unit(*length) < 999.5);
    let (unit, length) = fits.unwrap_or(&UNITS[UNITS.len() - 1]);
    let value = in_unit(*length);
    let decimals = match value {
        ..9.995 => 2,
        ..99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {unit}")
}

/// The duration, or that it is not known.
pub(crate) fn duration_or_na(ns: Option<u64>) -> String {
    ns.map_or_else(|| String::from("n/a"), duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_unit() {
        let shown = [
            (0, "0 ns"),
            (12, "12 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (789_000, "789 µs"),
            (45_600_000, "45.6 ms"),
            (1_234_567_890, "1.23 s"),
            (754_000_000_000, "754 s"),
            (1_200_000_000_000, "20.0 min"),
            (86_400_000_000_000, "24.0 h"),
        ];
        shown
            .iter()
            .for_each(|&(ns, text)| assert_eq!(duration(ns), text));
    }

    #[test]
    fn rounding_up_changes_the_unit_or_the_decimals_too() {
        assert_eq!(duration(999_499), "999 µs");
        assert_eq!(duration(999_500), "1.00 ms");
        assert_eq!(duration(9_996_000), "10.0 ms");
        assert_eq!(duration(99_960_000), "100 ms");
    }

    #[test]
    fn the_greatest_duration_is_still_one() {
        assert_eq!(duration(u64::MAX), "5124096 h");
    }

    #[test]
    fn what_is_not_known_is_not_zero() {
        assert_eq!(duration_or_na(None), "n/a");
    }
}
