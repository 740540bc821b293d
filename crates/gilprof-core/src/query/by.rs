//! What the rows of an answer stand for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// What the rows of an answer stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The threads that were in the state.
    #[default]
    Thread,
    /// The threads that made the others wait; for waiting only.
    Holder,
    /// The GILs.
    Gil,
    /// The states.
    State,
    /// The lines of code: of blame and hold those that held the GIL, of wait those that
    /// waited, of detached those that came back to it. As for the four below, times
    /// are weights of samples, and only the innermost function counts.
    Site,
    /// The functions of those lines.
    Function,
    /// The files of those lines.
    File,
    /// The modules of those lines.
    Module,
    /// The native functions that the lines of holders had called: of each stack the
    /// innermost that has a name.
    Native,
}

const BY: [(&str, By); 9] = [
    ("thread", By::Thread),
    ("holder", By::Holder),
    ("gil", By::Gil),
    ("state", By::State),
    ("site", By::Site),
    ("function", By::Function),
    ("file", By::File),
    ("module", By::Module),
    ("native", By::Native),
];

impl By {
    /// The word for it: `thread`, `holder`, `gil`, `state`, `site`, `function`, `file`,
    /// `module` or `native`.
    pub fn as_str(self) -> &'static str {
        BY.iter()
            .find(|(_, by)| *by == self)
            .map_or("", |(word, _)| word)
    }
}

impl By {
    /// Whether the rows are about code.
    pub(super) fn is_code(self) -> bool {
        matches!(
            self,
            Self::Site | Self::Function | Self::File | Self::Module | Self::Native
        )
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for By {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let known = BY.iter().find(|(name, _)| *name == word);
        known.map(|&(_, by)| by).ok_or_else(|| Error::UnknownWord {
            what: "grouping",
            value: word.into(),
            allowed: "thread, holder, gil, state, site, function, file, module, native",
        })
    }
}
