//! Why the probe could not start.

/// Why the probe could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This interpreter or platform cannot be profiled; the text says why and
    /// what works instead.
    #[error("{0}")]
    Unsupported(String),
    /// A probe runs already, and it records elsewhere.
    #[error("a profiler already runs in this process; stop it first")]
    Running,
    /// The region could not be prepared.
    #[error(transparent)]
    Region(#[from] gilprof_region::Error),
    /// The operating system refused.
    #[error("cannot {what}: {source}")]
    Os {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn unsupported(why: impl Into<String>) -> Self {
        Error::Unsupported(why.into())
    }

    pub(crate) fn os(what: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        move |source| Error::Os { what, source }
    }

    /// Whether the interpreter or the platform is one that cannot be profiled.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Error::Unsupported(_))
    }
}
