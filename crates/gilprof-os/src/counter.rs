//! A counter that the kernel keeps for one thread.

use std::io;
use std::os::fd::AsRawFd;

use perf_event::Builder;
use perf_event::events::{Event, Software};

/// Counts the time that a thread is on a CPU.
#[derive(Debug)]
pub(crate) struct Counter(perf_event::Counter);

impl Counter {
    /// Begins to count for the thread with this id.
    pub(crate) fn start(thread: u32) -> io::Result<Self> {
        counting(thread, Software::TASK_CLOCK.into()).map(Counter)
    }

    /// Time on a CPU since then, also of a thread that has ended.
    pub(crate) fn cpu_ns(&mut self) -> io::Result<u64> {
        self.0.read()
    }
}

/// A counter of such events that counts for the thread with this id.
pub(crate) fn counting(thread: u32, event: Event) -> io::Result<perf_event::Counter> {
    let thread = thread.try_into().map_err(io::Error::other)?;
    let mut counter = Builder::new().kind(event).observe_pid(thread).build()?;
    close_on_exec(&counter)?;
    counter.enable()?;
    Ok(counter)
}

/// The crate opens its files without, so a program that another thread starts just now
/// can inherit one.
fn close_on_exec(counter: &perf_event::Counter) -> io::Result<()> {
    // SAFETY: the file is open; the call changes nothing but its flag.
    let done = unsafe { libc::fcntl(counter.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
