//! gilprof: a GIL contention profiler for CPython.
//!
//! For programs that embed Python, and for the tools built on it. [`Profiler`]
//! records the process it is in, exactly: every acquire, wait and release of
//! the GIL by every thread. A [`Profile`] holds what was found and can be
//! queried, saved, compared and merged; its verdict says in a sentence whether
//! the GIL is the problem, and each [`Finding`] what it rests on.
//!
//! The numbers and what they mean are in [`gilprof_core`], of which the most
//! important are re-exported here.

mod chance;
mod error;
mod options;
mod pace;
mod program;

mod blamed;
mod blocks;
mod codes;
mod collector;
mod culprit;
mod glimpses;
mod hardware;
mod lookout;
mod marks;
mod names;
mod natives;
mod numbers;
mod on_cpu;
mod own_thread;
mod period;
mod stacks;
mod stolen;
mod sums;
mod table;

mod engine;
mod reader;
mod window;

mod attachment;
mod ended;
mod exporter;
mod follow;
mod hooked;
mod joined;
mod measure;
mod opened;
mod sampling;
mod session;
mod shared;
mod source;
mod span;
mod stall_log;
mod tree;
mod watch;

pub use attachment::Attachment;
pub use blamed::{BlameWindow, Blamed};
pub use error::Error;
pub use exporter::Exporter;
pub use follow::Follower;
pub use measure::{Measure, Measured};
pub use options::{ClockChoice, Options};
pub use sampling::Sampling;
pub use session::{Builder, Profiler, Session, snapshot};
pub use shared::{Listener, SharedSession, VARIABLE, in_followed_child};
pub use source::Source;
pub use span::{Span, Spans, span};
pub use stall_log::StallLog;
pub use tree::ProcessTree;
pub use watch::Watch;

pub use gilprof_core as core;
pub use gilprof_core::{Ended, Finding, Profile, Stall, Window};
pub use gilprof_metrics as metrics;
pub use gilprof_probe::{KnownThread, is_running, name_this_thread};
pub use gilprof_region::Reading;

/// What a process must do around a fork. CPython calls hooks registered with
/// `os.register_at_fork`; a host that forks by itself calls these.
pub mod fork {
    use crate::engine::{engine, python};
    use crate::exporter;

    /// Before the fork, in the parent.
    pub fn before() {
        detached(|| {
            exporter::before_fork();
            engine().before_fork();
        });
    }

    /// Whether this process has no other thread than the calling one.
    pub fn has_one_thread() -> bool {
        let threads = std::fs::read_dir("/proc/self/task");
        threads.is_ok_and(|threads| threads.count() == 1)
    }

    /// After the fork, in the parent.
    pub fn after_in_parent() {
        detached(|| {
            engine().after_fork();
            exporter::after_fork_in_parent();
        });
    }

    /// After the fork, in the child.
    pub fn after_in_child() {
        detached(|| {
            engine().after_fork();
            exporter::after_fork_in_child();
        });
    }

    fn detached(work: impl FnOnce()) {
        match python() {
            Ok(python) => python.detached(work),
            Err(_not_running) => work(),
        }
    }
}

/// Prepares for a recording that may begin later, in some microseconds: it begins some
/// milliseconds sooner then. Records nothing and changes nothing.
pub fn prepare() {
    gilprof_region::Clock::prepare();
}

/// Names a living thread of the recording that is on; false if it is not in it.
pub fn name_thread(native_id: u32, name: &str) -> bool {
    gilprof_probe::region().is_some_and(|region| region.name_thread(native_id, name))
}

/// Has the tests run what the README shows.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// And the guide for programs that embed Python.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Guide;

/// The same of the page about spans.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/spans.md")]
struct SpansPage;
