//! Where in the code time went that has to do with the GIL.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::sampled::Sampled;
use crate::state::State;

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

    /// The state that its weights are times of.
    pub fn state(self) -> State {
        match self {
            Self::Blame | Self::Wait => State::Waiting,
            Self::Hold => State::Holding,
            Self::Detached => State::Detached,
        }
    }

    /// The kind that tells the code to which a state's time is due.
    pub(crate) fn of(state: State) -> Option<Self> {
        match state {
            State::Waiting => Some(Self::Blame),
            State::Holding => Some(Self::Hold),
            State::Detached => Some(Self::Detached),
            State::Ended | State::Unknown => None,
        }
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

/// Time of one kind that one thread spent in one stack, of Python and where known of
/// native code.
///
/// Stacks are sampled, and each sample bears the time since the one before it. So
/// weights are estimates, unlike the times of threads and GILs, and the better the
/// more samples there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Site {
    /// What the weight is the time of.
    pub kind: SiteKind,
    /// Id of the thread whose stack it is.
    pub thread: u64,
    /// Indexes into [`Profile::frames`](crate::Profile::frames), that of the
    /// innermost function first; empty where the stack is not known.
    pub stack: Vec<u32>,
    /// The native functions that the innermost Python function had called, innermost
    /// first, up to the interpreter's loop and a few at most; indexes as in `stack`.
    /// Empty where they are not known or there were none.
    #[serde(default)]
    pub native: Vec<u32>,
    /// The time in ns that its samples stand for.
    pub weight_ns: u64,
    /// How many samples; not how many holds or waits.
    pub samples: u64,
    /// The part of `weight_ns` in ns that looks in the middle of holds told: of those
    /// holds, and of others that ended at the same line. The rest was told by the line
    /// at which the thread let go of the GIL or got it.
    #[serde(default)]
    pub seen_ns: u64,
}

impl Sampled for Site {
    fn thread(&mut self) -> &mut u64 {
        &mut self.thread
    }

    fn sums(&mut self) -> Vec<&mut u64> {
        vec![&mut self.weight_ns, &mut self.samples, &mut self.seen_ns]
    }

    fn stacks(&mut self) -> Vec<&mut Vec<u32>> {
        vec![&mut self.stack, &mut self.native]
    }
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
}
