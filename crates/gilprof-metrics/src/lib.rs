//! The metrics of a profile: what Prometheus, OpenTelemetry and the like are told of it.
//!
//! [`families`] is the one definition of their names, helps, units, kinds and numbers;
//! [`openmetrics`] writes them as the text that Prometheus reads. Nothing here reads a clock
//! or asks anybody: a profile is all there is.
//!
//! ```
//! use gilprof_core::{Gil, Profile, ProfileParts};
//!
//! let profile = Profile::assemble(ProfileParts {
//!     gils: vec![Gil { interpreter_id: Some(0), waiting_ns: 1_500_000_000, ..Gil::default() }],
//!     ..ProfileParts::default()
//! });
//! let text = gilprof_metrics::openmetrics(&profile);
//! assert!(text.contains("python_gil_wait_seconds_total{interpreter=\"0\"} 1.5\n"));
//! assert!(text.ends_with("# EOF\n"));
//! ```
#![forbid(unsafe_code)]

mod family;
mod histogram;

mod families;
mod openmetrics;

pub use families::families;
pub use family::{Family, Kind, Point, Value};
pub use histogram::{EDGES_NS, Histogram};
pub use openmetrics::{CONTENT_TYPE, openmetrics};
