//! Why a command could not be carried out.

use std::io;
use std::path::{Path, PathBuf};

/// Exit status where gilprof itself failed.
pub(crate) const FAILED: i32 = 2;
const CANNOT_RUN: i32 = 126;
const NOT_FOUND: i32 = 127;

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no profile that can be read.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: gilprof::core::Error,
    },
    /// Profiles could not be put together or written out.
    #[error(transparent)]
    Profile(#[from] gilprof::core::Error),
    /// A recording could not be made.
    #[error(transparent)]
    Gilprof(#[from] gilprof::Error),
    /// The program could not be started.
    #[error("cannot run {program}: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is no terminal for a screen.
    #[error(
        "the standard input and output are no terminal that can show a screen: use gilprof attach"
    )]
    NoTerminal,
    /// The system refused something else.
    #[error("cannot {what}: {source}")]
    Os {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        let path = path.into();
        Self::Read { path, source }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.into();
        Self::Write { path, source }
    }

    /// The exit status for it, as shells have it.
    pub(crate) fn status(&self) -> i32 {
        match self {
            Self::Spawn { source, .. } if source.kind() == io::ErrorKind::NotFound => NOT_FOUND,
            Self::Spawn { .. } => CANNOT_RUN,
            _ => FAILED,
        }
    }
}
