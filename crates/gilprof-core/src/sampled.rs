//! Rows of samples: what is the same of all that name frames and have a weight.

use std::collections::BTreeMap;

/// A row of samples of one thread. What of it is no sum tells it from other rows.
pub(crate) trait Sampled: Ord + Sized {
    /// The thread's id.
    fn thread(&mut self) -> &mut u64;

    /// What is added up of equal rows, its weight first.
    fn sums(&mut self) -> Vec<&mut u64>;

    /// Its lists of frames.
    fn stacks(&mut self) -> Vec<&mut Vec<u32>>;

    /// The row where the frame of each index has another now.
    fn renumbered(mut self, places: &[u32]) -> Self {
        for stack in self.stacks() {
            *stack = renumbered(stack, places);
        }
        self
    }

    /// The row of another thread.
    fn of_thread(mut self, thread: impl FnOnce(u64) -> u64) -> Self {
        let id = self.thread();
        *id = thread(*id);
        self
    }
}

/// Rows, each once, with their sums.
#[derive(Debug)]
pub(crate) struct Sums<R>(BTreeMap<R, Vec<u64>>);

impl<R: Sampled> Sums<R> {
    pub(crate) fn new() -> Self {
        Sums(BTreeMap::new())
    }

    /// Adds a row to what is there of the same.
    pub(crate) fn add(&mut self, row: R) {
        let (row, added) = parted(row);
        let sums = self.0.entry(row).or_insert_with(|| vec![0; added.len()]);
        let pairs = sums.iter_mut().zip(added);
        pairs.for_each(|(sum, more)| *sum = sum.saturating_add(more));
    }

    /// Takes a row away from what is there of the same.
    pub(crate) fn subtract(&mut self, row: R) {
        let (row, taken) = parted(row);
        if let Some(sums) = self.0.get_mut(&row) {
            let pairs = sums.iter_mut().zip(taken);
            pairs.for_each(|(sum, less)| *sum = sum.saturating_sub(less));
        }
    }

    /// The rows that have a weight, in their order.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = R> {
        let weighted = |sums: &Vec<u64>| sums.first().is_some_and(|&weight_ns| weight_ns > 0);
        let rows = self.0.into_iter().filter(move |(_, sums)| weighted(sums));
        rows.map(|(mut row, sums)| {
            let places = row.sums().into_iter().zip(sums);
            places.for_each(|(place, sum)| *place = sum);
            row
        })
    }
}

/// A row without its sums, and these.
fn parted<R: Sampled>(mut row: R) -> (R, Vec<u64>) {
    let sums = row.sums().into_iter().map(std::mem::take).collect();
    (row, sums)
}

/// The stack where the frame of each index has another now. One with a frame that is
/// not there is not known.
fn renumbered(stack: &[u32], places: &[u32]) -> Vec<u32> {
    let place = |&index: &u32| places.get(index as usize).copied();
    stack
        .iter()
        .map(place)
        .collect::<Option<_>>()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_with_a_frame_that_is_not_there_is_not_known() {
        assert_eq!(renumbered(&[0, 1], &[4, 3]), [4, 3]);
        assert!(renumbered(&[0, 2], &[4, 3]).is_empty());
    }
}
