//! Why a region could not be made, opened or believed.

use std::io;

/// Why a region could not be made, opened or believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {what}: {source}")]
    Os {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// An option is outside of its limits.
    #[error("{option}={value} is not allowed: {allowed}")]
    Option {
        /// The option's name.
        option: &'static str,
        /// The value given.
        value: u64,
        /// What would be allowed.
        allowed: &'static str,
    },
    /// The bytes are not a region of this version.
    #[error("not a gilprof region: {what} is {found}, expected {expected}")]
    Foreign {
        /// The field that is wrong.
        what: &'static str,
        /// Its value.
        found: u64,
        /// What it should be.
        expected: u64,
    },
    /// The file can be cut off by others while it is mapped.
    #[error("not a gilprof region: its file is not sealed against shrinking")]
    NotSealed,
    /// A value inside of the region is impossible.
    #[error("corrupt gilprof region: {what} is {found}, the limit is {limit}")]
    Corrupt {
        /// The field that is wrong.
        what: &'static str,
        /// Its value.
        found: u64,
        /// The largest possible value.
        limit: u64,
    },
}

impl Error {
    pub(crate) fn os(what: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Os { what, source }
    }
}
