//! Why a code object could not be read.

/// Why a code object could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// A layout has a value that no layout can have.
    #[error("not a code layout: {field} is {found}, expected {expected}")]
    Layout {
        /// The field that is wrong.
        field: &'static str,
        /// Its value.
        found: u64,
        /// What it may be.
        expected: &'static str,
    },
    /// There is no such memory, or it may not be read.
    #[error("cannot read {what} at {address:#x}")]
    Memory {
        /// What would be there.
        what: &'static str,
        /// Where.
        address: u64,
    },
    /// Something else is there.
    #[error("no {what} at {address:#x}")]
    Foreign {
        /// What should be there.
        what: &'static str,
        /// Where.
        address: u64,
    },
    /// A size is beyond what is read.
    #[error("{what} at {address:#x} has a size of {found}, the limit is {limit}")]
    TooLong {
        /// What has the size.
        what: &'static str,
        /// Where it is.
        address: u64,
        /// Its size.
        found: u64,
        /// The largest size that is read.
        limit: u64,
    },
}

impl Unreadable {
    /// `size` as a length, if it is within `limit`.
    pub(crate) fn limited(
        what: &'static str,
        address: u64,
        size: u64,
        limit: usize,
    ) -> Result<usize, Self> {
        let too_long = || Unreadable::TooLong {
            what,
            address,
            found: size,
            limit: limit as u64,
        };
        let size = usize::try_from(size).map_err(|_| too_long())?;
        if size <= limit {
            Ok(size)
        } else {
            Err(too_long())
        }
    }
}
