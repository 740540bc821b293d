//! How a program ended, and ending the same way.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It exited with this status.
    Exit(i32),
    /// It was killed by this signal.
    Signal(i32),
}

impl Ending {
    pub(crate) fn of(status: ExitStatus) -> Self {
        match status.signal() {
            Some(signal) => Ending::Signal(signal),
            None => Ending::Exit(status.code().unwrap_or_default()),
        }
    }

    /// Our own exit status for it. A signal ends this process too, so that
    /// whoever waits for it sees what it would have seen.
    pub(crate) fn repeat(self) -> i32 {
        match self {
            Ending::Exit(status) => status,
            Ending::Signal(signal) => die(signal),
        }
    }
}

/// Ends this process by `signal`. Comes back only where that signal does not
/// end a process, with the status shells give for it.
fn die(signal: i32) -> i32 {
    leave_no_core();
    if let Err(_not_a_named_signal) = signal_hook::low_level::emulate_default_handler(signal) {}
    // Signals it does not know, or takes for harmless, as SIGIO on Linux is
    // not, have no handler of ours: sending them is enough.
    if let Err(_unsent) = signal_hook::low_level::raise(signal) {}
    128 + signal
}

/// The program left a core file, if one was wanted; ours would be misleading.
fn leave_no_core() {
    let mut limit = rustix::process::getrlimit(Resource::Core);
    limit = Rlimit {
        current: Some(0),
        ..limit
    };
    // A core file too many is no reason not to end.
    if let Err(_kept) = rustix::process::setrlimit(Resource::Core, limit) {}
    if let Err(_kept) = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable) {}
}
