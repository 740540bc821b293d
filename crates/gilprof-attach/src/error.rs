//! Why a process cannot be looked at.

/// What went wrong, with the process it went wrong with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process may not or cannot be looked at; a sentence that says why, and what
    /// would help.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    pub(crate) fn refused(why: impl Into<String>) -> Self {
        Error::Refused(why.into())
    }
}
