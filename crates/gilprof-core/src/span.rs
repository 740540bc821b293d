//! What happened while threads did something that has a label.

use serde::{Deserialize, Serialize};

/// What threads went through with the GIL inside of the spans of one label, each in the
/// thread that it was begun in.
///
/// Sums are inclusive: what happens in a span within another one is in both. A span
/// within one of the same label in the same thread counts once: only the outer one does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanRow {
    /// What the spans are called, cut after 63 bytes; `(others)` where a recording had no
    /// place left for their labels.
    pub label: String,
    /// How many have ended.
    pub spans: u64,
    /// The time in them: holding + waiting + detached, in ns.
    pub wall_ns: u64,
    /// Time their threads had the GIL, in ns.
    pub holding_ns: u64,
    /// Time their threads wanted the GIL and had not got it, in ns.
    pub waiting_ns: u64,
    /// Time their threads did not want the GIL, in ns.
    pub detached_ns: u64,
    /// Waiting of other threads while these had the GIL, in ns, summed over the others.
    pub caused_ns: u64,
    /// How often their threads got the GIL.
    pub acquisitions: u64,
    /// How often their threads began to wait for it.
    pub waits: u64,
}

impl SpanRow {
    /// Adds the sums of another row of this label.
    pub fn add(&mut self, other: &Self) {
        self.each(other, u64::saturating_add);
    }

    fn subtract(&mut self, earlier: &Self) {
        self.each(earlier, u64::saturating_sub);
    }

    fn each(&mut self, other: &Self, change: fn(u64, u64) -> u64) {
        let sums = [
            (&mut self.spans, other.spans),
            (&mut self.wall_ns, other.wall_ns),
            (&mut self.holding_ns, other.holding_ns),
            (&mut self.waiting_ns, other.waiting_ns),
            (&mut self.detached_ns, other.detached_ns),
            (&mut self.caused_ns, other.caused_ns),
            (&mut self.acquisitions, other.acquisitions),
            (&mut self.waits, other.waits),
        ];
        for (sum, value) in sums {
            *sum = change(*sum, value);
        }
    }
}

/// The rows less their former state; those to which nothing was added are left out.
pub(crate) fn between(later: Vec<SpanRow>, earlier: &[SpanRow]) -> Vec<SpanRow> {
    let rest = later.into_iter().map(|mut row| {
        if let Some(old) = earlier.iter().find(|old| old.label == row.label) {
            row.subtract(old);
        }
        row
    });
    rest.filter(|row| row.spans > 0 || row.wall_ns > 0)
        .collect()
}

/// Adds the rows of another recording by their labels.
pub(crate) fn extend(all: &mut Vec<SpanRow>, rows: &[SpanRow]) {
    for row in rows {
        match all.iter_mut().find(|one| one.label == row.label) {
            Some(sum) => sum.add(row),
            None => all.push(row.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, spans: u64, holding_ns: u64) -> SpanRow {
        SpanRow {
            label: label.into(),
            spans,
            wall_ns: holding_ns + 5,
            holding_ns,
            detached_ns: 5,
            ..SpanRow::default()
        }
    }

    #[test]
    fn a_label_to_which_nothing_was_added_is_not_in_the_difference() {
        let earlier = [row("a", 1, 10), row("b", 2, 20)];
        let later = vec![row("a", 1, 10), row("b", 5, 80), row("c", 1, 7)];
        let left = between(later, &earlier);
        assert_eq!(left.len(), 2);
        assert_eq!((left[0].spans, left[0].holding_ns), (3, 60));
        assert_eq!(left[1], row("c", 1, 7));
    }

    #[test]
    fn sums_of_a_label_are_added_up() {
        let mut all = vec![row("a", 1, 10)];
        extend(&mut all, &[row("b", 2, 20), row("a", 3, 30)]);
        let mut sum = row("a", 4, 40);
        (sum.wall_ns, sum.detached_ns) = (50, 10);
        assert_eq!(all, [sum, row("b", 2, 20)]);
    }
}
