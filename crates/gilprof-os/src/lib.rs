//! What Linux knows of threads: how long they were on a CPU.
//!
//! For threads that do not touch the GIL, so that no hook sees them, of this process or
//! of another one. A [`Watch`] reads `/proc` now and then, and where that is not there it says
//! why. For those that rarely give up or lose their CPU it keeps a counter of the kernel's
//! (perf_event_open, task-clock), which knows what a thread has had that has ended since.
//!
//! Where it is asked for, and the machine has them, the CPUs' own counters count instructions and
//! cycles ([`HardwareCounters`]).
//!
//! And what program a process runs: [`program`]; and for how long the host of a virtual machine
//! kept its CPUs from it: [`stolen_ns`].
//!
//! How often a thread gave its CPU up or lost it is always from `/proc`: the kernel's
//! counter of context switches does not tell the two apart.
//!
//! A thread of our own that others wait for asks to be run early ([`hurry`]).
//!
//! ```
//! use gilprof_os::{CpuSource, Watch};
//!
//! let pid = std::process::id();
//! let mut watch = Watch::new(pid);
//! watch.follow(&[pid]);
//! if !matches!(watch.source(), CpuSource::None(_)) {
//!     assert!(watch.reading(pid).is_some());
//! }
//! ```

mod counter;
mod hardware;
mod proc;
mod program;
mod stolen;
mod urgency;
mod watch;

pub use gilprof_core::{CpuReading, CpuSource};
pub use hardware::{Counted, HardwareCounters};
pub use proc::{Turns, cpu_ns, reading};
pub use program::program;
pub use stolen::stolen_ns;
pub use urgency::hurry;
pub use watch::Watch;
