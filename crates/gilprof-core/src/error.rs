//! What can be wrong with what the caller gave.

/// What can be wrong with what the caller gave.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A saved profile is newer than this program.
    #[error(
        "profile has format {found}, newest understood is {newest}: read it with a newer gilprof"
    )]
    NewerFormat {
        /// Format of the saved profile.
        found: u32,
        /// Newest format this program understands.
        newest: u32,
    },
    /// A saved profile is not JSON of the known form.
    #[error("not a gilprof profile: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A profile contradicts itself.
    #[error("{place} is {value}, {reason}: the profile is damaged, record it anew")]
    Invalid {
        /// Path of the value inside the profile, as in `blame[3].waiter`.
        place: String,
        /// The offending value.
        value: String,
        /// What it had to be.
        reason: String,
    },
    /// Two profiles of different recordings have no difference.
    #[error("profiles are of two recordings, {later} and {earlier}: take both from one recording")]
    OtherRecording {
        /// Recording of the later profile.
        later: String,
        /// Recording of the earlier profile.
        earlier: String,
    },
    /// The profile to subtract is not the earlier one.
    #[error("{what} is greater in the earlier profile than in the later: swap the two")]
    NotEarlier {
        /// What had grown backwards.
        what: String,
    },
    /// A merge of no profile at all.
    #[error("no profile to merge: give at least one")]
    NothingToMerge,
    /// A word that names none of the allowed things.
    #[error("{what} {value:?} is not known: use one of {allowed}")]
    UnknownWord {
        /// What the word was meant to name.
        what: &'static str,
        /// The word.
        value: String,
        /// The words there are.
        allowed: &'static str,
    },
    /// Rows were asked for that nothing was recorded for.
    #[error("{asked} cannot be told {limit}")]
    NotRecorded {
        /// What was asked for.
        asked: String,
        /// What stands against it and what to ask instead.
        limit: String,
    },
    /// A span of time that is empty or wholly outside the recorded history.
    #[error("no history between {from_ns} and {to_ns} ns: it covers {start_ns} to {end_ns} ns")]
    OutsideHistory {
        /// Begin of the span asked for.
        from_ns: u64,
        /// End of the span asked for.
        to_ns: u64,
        /// Begin of the history.
        start_ns: u64,
        /// End of the history.
        end_ns: u64,
    },
}

impl Error {
    pub(crate) fn not_earlier(what: impl Into<String>) -> Self {
        Self::NotEarlier { what: what.into() }
    }

    pub(crate) fn invalid(
        place: impl Into<String>,
        value: impl ToString,
        reason: impl Into<String>,
    ) -> Self {
        Self::Invalid {
            place: place.into(),
            value: value.to_string(),
            reason: reason.into(),
        }
    }

    /// Whether a saved profile was written by a newer gilprof.
    pub fn is_newer_format(&self) -> bool {
        matches!(self, Self::NewerFormat { .. })
    }
}
