//! Counts and shares as people read them.

/// A count with its thousands apart: `1,234,567`.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `part` of `whole` as in `49 %`. Only nothing is `0 %`, only all is `100 %`;
/// a share of nothing is not known.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return String::from("n/a");
    }
    let share = 100.0 * part as f64 / whole as f64;
    match share {
        _ if part == 0 => String::from("0 %"),
        ..1.0 => String::from("<1 %"),
        _ if part < whole => format!("{:.0} %", share.min(99.0)),
        _ => format!("{share:.0} %"),
    }
}

/// `1 thread`, `2 threads`.
pub(crate) fn plural(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(value), if value == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(count(7), "7");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(123_456), "123,456");
        assert_eq!(count(12_345_678), "12,345,678");
    }

    #[test]
    fn a_little_is_not_nothing_and_most_is_not_all() {
        assert_eq!(percent(0, 10), "0 %");
        assert_eq!(percent(1, 10_000), "<1 %");
        assert_eq!(percent(49, 100), "49 %");
        assert_eq!(percent(9_999, 10_000), "99 %");
        assert_eq!(percent(10, 10), "100 %");
    }

    #[test]
    fn a_share_of_nothing_is_not_known() {
        assert_eq!(percent(0, 0), "n/a");
    }
}
