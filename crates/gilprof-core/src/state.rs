//! The states of a thread.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What a thread is doing at an instant. Every observed instant of a thread's life
/// belongs to exactly one of holding, waiting and detached.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It has the GIL.
    Holding,
    /// It wants the GIL and has not got it.
    Waiting,
    /// It does not want the GIL: it is blocked, or runs native code.
    Detached,
    /// It is no more.
    Ended,
    /// Events were lost and it has not been seen since.
    #[default]
    Unknown,
}

impl State {
    /// The word for it: `holding`, `waiting`, `detached`, `ended` or `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Holding => "holding",
            Self::Waiting => "waiting",
            Self::Detached => "detached",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for State {
    type Err = Error;

    /// Reads one of the states that time is spent in.
    fn from_str(word: &str) -> Result<Self, Error> {
        match word {
            "holding" => Ok(Self::Holding),
            "waiting" => Ok(Self::Waiting),
            "detached" => Ok(Self::Detached),
            _ => Err(Error::UnknownWord {
                what: "state",
                value: word.into(),
                allowed: "holding, waiting, detached",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_reads_its_own_word() {
        for state in [State::Holding, State::Waiting, State::Detached] {
            assert_eq!(state.as_str().parse::<State>().unwrap(), state);
        }
    }

    #[test]
    fn an_unknown_state_is_told_the_known_ones() {
        let error = "idle".parse::<State>().unwrap_err().to_string();
        assert_eq!(
            error,
            "state \"idle\" is not known: use one of holding, waiting, detached"
        );
    }
}
