//! Where in the code time went that has to do with the GIL.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What the weight of a [`Site`] is the time of.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum SiteKind {
    /// Waiting of others that holds in this stack caused; the thread is the holder.
    #[default]
    Blame,
    /// Waits that ended in this stack.
    Wait,
    /// Holds in this stack.
    Hold,
    /// Time away from the GIL, in the stack that the thread came back to.
    Detached,
}

const KINDS: [(&str, SiteKind); 4] = [
    ("blame", SiteKind::Blame),
    ("wait", SiteKind::Wait),
    ("hold", SiteKind::Hold),
    ("detached", SiteKind::Detached),
];

impl SiteKind {
    /// The word for it: `blame`, `wait`, `hold` or `detached`.
    pub fn as_str(self) -> &'static str {
        KINDS
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(word, _)| word)
    }
}

impl fmt::Display for SiteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SiteKind {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let known = KINDS.iter().find(|(name, _)| *name == word);
        known
            .map(|&(_, kind)| kind)
            .ok_or_else(|| Error::UnknownWord {
                what: "kind of site",
                value: word.into(),
                allowed: "blame, wait, hold, detached",
            })
    }
}

/// Time of one kind that one thread spent in one stack.
///
/// Stacks are sampled, and each sample bears the time since the one before it. So
/// weights are estimates, unlike the times of threads and GILs, and the better the
/// more samples there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// What the weight is the time of.
    pub kind: SiteKind,
    /// Id of the thread whose stack it is.
    pub thread: u64,
    /// Indexes into [`Profile::frames`](crate::Profile::frames), that of the
    /// innermost function first; empty where the stack is not known.
    pub stack: Vec<u32>,
    /// The time in ns that its samples stand for.
    pub weight_ns: u64,
    /// How many samples; not how many holds or waits.
    pub samples: u64,
}

/// Weights and samples by what tells one site from another: kind, thread and stack.
#[derive(Debug, Default)]
pub(crate) struct SiteSums(BTreeMap<(SiteKind, u64, Vec<u32>), (u64, u64)>);

impl SiteSums {
    /// Adds a site to what is there of the same.
    pub(crate) fn add(&mut self, site: Site) {
        let sum = self.0.entry((site.kind, site.thread, site.stack));
        let (weight_ns, samples) = sum.or_default();
        *weight_ns = weight_ns.saturating_add(site.weight_ns);
        *samples = samples.saturating_add(site.samples);
    }

    /// Takes a site away from what is there of the same.
    pub(crate) fn subtract(&mut self, site: Site) {
        let sum = self.0.get_mut(&(site.kind, site.thread, site.stack));
        if let Some((weight_ns, samples)) = sum {
            *weight_ns = weight_ns.saturating_sub(site.weight_ns);
            *samples = samples.saturating_sub(site.samples);
        }
    }

    /// The sites that have a weight, by kind, thread and stack.
    pub(crate) fn into_sites(self) -> impl Iterator<Item = Site> {
        let weighted = self
            .0
            .into_iter()
            .filter(|(_, (weight_ns, _))| *weight_ns > 0);
        weighted.map(|((kind, thread, stack), (weight_ns, samples))| Site {
            kind,
            thread,
            stack,
            weight_ns,
            samples,
        })
    }
}

/// The stack where the frame of each index has another now. One with a frame that is
/// not there is not known.
pub(crate) fn renumbered(stack: &[u32], places: &[u32]) -> Vec<u32> {
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
    fn a_kind_reads_its_own_word() {
        for (word, kind) in KINDS {
            assert_eq!(kind.to_string(), word);
            assert_eq!(word.parse::<SiteKind>().unwrap(), kind);
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("{word:?}"));
        }
    }

    #[test]
    fn an_unknown_kind_is_told_the_known_ones() {
        let error = "idle".parse::<SiteKind>().unwrap_err().to_string();
        assert_eq!(
            error,
            "kind of site \"idle\" is not known: use one of blame, wait, hold, detached"
        );
    }

    #[test]
    fn a_stack_with_a_frame_that_is_not_there_is_not_known() {
        assert_eq!(renumbered(&[0, 1], &[4, 3]), [4, 3]);
        assert!(renumbered(&[0, 2], &[4, 3]).is_empty());
    }
}
