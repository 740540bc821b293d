//! Levels over time, drawn with characters that are full to eighths.

/// Characters full to no, one, … and all eighths.
const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The lines of a chart, the top one first, one character a value: 0.0 is empty and 1.0
/// full. A little is drawn as one eighth, for it is not nothing; what is not known is
/// left empty.
pub(crate) fn chart(values: &[Option<f64>], lines: usize) -> Vec<String> {
    let eighths = |value: f64| {
        let most = 8 * lines;
        let least = usize::from(value > 0.0);
        ((value.clamp(0.0, 1.0) * most as f64).round() as usize).max(least)
    };
    let line = |from_top: usize| {
        let below = 8 * (lines - 1 - from_top);
        let part = |value: &Option<f64>| {
            let filled = value.map_or(0, eighths).saturating_sub(below).min(8);
            EIGHTHS[filled]
        };
        values.iter().map(part).collect()
    };
    (0..lines).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_fills_its_part_of_the_lines() {
        let values = [0.0, 0.25, 0.5, 0.75, 1.0].map(Some);
        assert_eq!(chart(&values, 2), ["   ▄█", " ▄███"]);
        assert_eq!(chart(&values, 1), [" ▂▄▆█"]);
    }

    #[test]
    fn a_little_is_not_nothing() {
        assert_eq!(chart(&[Some(0.0001), Some(0.0)], 2), ["  ", "▁ "]);
    }

    #[test]
    fn what_is_not_known_is_empty_and_more_than_all_is_all() {
        assert_eq!(chart(&[None, Some(7.0), Some(-1.0)], 1), [" █ "]);
    }
}
