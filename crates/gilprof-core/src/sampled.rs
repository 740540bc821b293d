//! Rows of samples: what is the same of all that name frames and have a weight.

use std::collections::BTreeMap;

/// A row of samples of one thread. What of it is neither weight nor samples tells it
/// from other rows.
pub(crate) trait Sampled: Ord + Sized {
    /// The thread's id.
    fn thread(&mut self) -> &mut u64;

    /// Its time in ns and how many samples that is.
    fn weight(&mut self) -> (&mut u64, &mut u64);

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

/// Rows, each once, with their weights and samples added up.
#[derive(Debug)]
pub(crate) struct Sums<R>(BTreeMap<R, (u64, u64)>);

impl<R: Sampled> Sums<R> {
    pub(crate) fn new() -> Self {
        Sums(BTreeMap::new())
    }

    /// Adds a row to what is there of the same.
    pub(crate) fn add(&mut self, row: R) {
        let (row, added) = parted(row);
        let (weight_ns, samples) = self.0.entry(row).or_default();
        *weight_ns = weight_ns.saturating_add(added.0);
        *samples = samples.saturating_add(added.1);
    }

    /// Takes a row away from what is there of the same.
    pub(crate) fn subtract(&mut self, row: R) {
        let (row, taken) = parted(row);
        if let Some((weight_ns, samples)) = self.0.get_mut(&row) {
            *weight_ns = weight_ns.saturating_sub(taken.0);
            *samples = samples.saturating_sub(taken.1);
        }
    }

    /// The rows that have a weight, in their order.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = R> {
        let sums = self
            .0
            .into_iter()
            .filter(|(_, (weight_ns, _))| *weight_ns > 0);
        sums.map(|(mut row, sum)| {
            let (weight_ns, samples) = row.weight();
            (*weight_ns, *samples) = sum;
            row
        })
    }
}

/// A row without its weight and samples, and these.
fn parted<R: Sampled>(mut row: R) -> (R, (u64, u64)) {
    let (weight_ns, samples) = row.weight();
    let taken = (std::mem::take(weight_ns), std::mem::take(samples));
    (row, taken)
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
