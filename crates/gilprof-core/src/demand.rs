//! How many threads want a GIL at a time.

use serde::{Deserialize, Serialize};

/// For how long how many threads wanted a GIL: exact, as blame is, and as that without
/// what was lost with dropped events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Demand {
    /// Time in ns it was held while so many threads waited for it: while nobody did at
    /// index 0. The last of at most [`Demand::PLACES`] stands for that many or more.
    pub held_ns: Vec<u64>,
    /// Time in ns nobody held it though somebody waited: it was on its way to the next
    /// holder.
    pub passing_ns: u64,
}

impl Demand {
    /// How many numbers of waiters are told apart.
    pub const PLACES: usize = 64;

    /// Adds time that a holder had it while `waiters` waited.
    #[inline]
    pub(crate) fn hold(&mut self, waiters: usize, ns: u64) {
        let place = waiters.min(Self::PLACES - 1);
        if place >= self.held_ns.len() {
            self.held_ns.resize(place + 1, 0);
        }
        self.held_ns[place] += ns;
    }

    /// Time in ns it was held.
    pub fn total_held_ns(&self) -> u64 {
        self.held_ns
            .iter()
            .fold(0, |sum, ns| sum.saturating_add(*ns))
    }

    /// Takes away what an earlier state of it has, as far as there is.
    pub(crate) fn subtract(&mut self, earlier: &Self) {
        for (own, old) in self.held_ns.iter_mut().zip(&earlier.held_ns) {
            *own = own.saturating_sub(*old);
        }
        self.passing_ns = self.passing_ns.saturating_sub(earlier.passing_ns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_waiters_than_there_are_places_share_the_last() {
        let mut demand = Demand::default();
        demand.hold(0, 5);
        demand.hold(70, 1);
        demand.hold(63, 2);
        assert_eq!(demand.held_ns.len(), Demand::PLACES);
        assert_eq!((demand.held_ns[0], demand.held_ns[63]), (5, 3));
        assert_eq!(demand.total_held_ns(), 8);
    }

    #[test]
    fn a_difference_is_what_was_added() {
        let earlier = Demand {
            held_ns: vec![10],
            passing_ns: 1,
        };
        let mut later = Demand {
            held_ns: vec![12, 7],
            passing_ns: 4,
        };
        later.subtract(&earlier);
        assert_eq!((later.held_ns, later.passing_ns), (vec![2, 7], 3));
    }
}
