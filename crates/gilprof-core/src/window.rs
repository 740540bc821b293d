//! A stretch of a recording.

use serde::Serialize;

use crate::profile::Profile;

/// What happened in a stretch of a recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    from_ns: u64,
    to_ns: u64,
    profile: Profile,
}

impl Window {
    /// The stretch between two instants, in ns since the recording's start, and what
    /// happened in it.
    pub fn new(from_ns: u64, to_ns: u64, profile: Profile) -> Self {
        Self {
            from_ns,
            to_ns,
            profile,
        }
    }

    /// Where it begins, in ns since the recording's start.
    pub fn from_ns(&self) -> u64 {
        self.from_ns
    }

    /// Where it ends, in ns since the recording's start.
    pub fn to_ns(&self) -> u64 {
        self.to_ns
    }

    /// What happened in it.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }
}
