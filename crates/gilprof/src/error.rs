//! Why something could not be done.

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The probe could not start or stop.
    #[error(transparent)]
    Probe(#[from] gilprof_probe::Error),
    /// A process cannot be attached to.
    #[error(transparent)]
    Attach(#[from] gilprof_attach::Error),
    /// A region could not be made, opened or believed.
    #[error(transparent)]
    Region(#[from] gilprof_region::Error),
    /// A profile could not be read, compared or merged.
    #[error(transparent)]
    Profile(#[from] gilprof_core::Error),
    /// An option is not known, or its value is not allowed.
    #[error("option {option}={value} is not allowed: {allowed}")]
    Option {
        /// The option's name.
        option: String,
        /// The value given.
        value: String,
        /// What would be allowed.
        allowed: String,
    },
    /// A profiler runs already, with other options.
    #[error(
        "a profiler already runs in this process with {running}; {asked} was asked for: stop it first, or leave the options out"
    )]
    OtherOptions {
        /// The options it runs with.
        running: String,
        /// The options asked for.
        asked: String,
    },
    /// Nothing is being recorded.
    #[error("no profiler runs in this process")]
    NotRunning,
    /// The shared region belongs to another process.
    #[error("the region is taken by process {pid}: `run` records the first Python that starts")]
    Taken {
        /// The process it belongs to.
        pid: u32,
    },
    /// The exporter cannot have the address.
    #[error("cannot listen on {address}: {reason}")]
    Address {
        /// The address.
        address: String,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// The operating system refused.
    #[error("cannot {what}: {source}")]
    Os {
        /// What was tried.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the interpreter or the platform is one that cannot be profiled.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Error::Probe(error) if error.is_unsupported())
    }

    /// Whether a process cannot be attached to.
    pub fn is_refused(&self) -> bool {
        matches!(self, Error::Attach(_))
    }

    /// Whether an option was wrong.
    pub fn is_option(&self) -> bool {
        matches!(
            self,
            Error::Option { .. }
                | Error::OtherOptions { .. }
                | Error::Region(gilprof_region::Error::Option { .. })
        )
    }
}
