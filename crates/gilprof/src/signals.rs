//! Threads of our own that take no signal away from the program.

use std::io;
use std::thread::{Builder, JoinHandle};

/// Starts a thread with every signal blocked, so that each one is delivered to
/// a thread of the program, as it would be without us.
pub(crate) fn spawn_quiet<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    let before = block_all();
    let spawned = Builder::new().name(name.into()).spawn(work);
    restore(&before);
    spawned
}

fn block_all() -> libc::sigset_t {
    // SAFETY: a signal set is plain data; sigfillset gives it its value.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    let mut before = all;
    // SAFETY: `all` is a place for a signal set.
    unsafe { libc::sigfillset(&mut all) };
    // SAFETY: both are signal sets; only this thread's mask changes.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &all, &mut before) };
    before
}

fn restore(before: &libc::sigset_t) {
    // SAFETY: `before` is this thread's own former mask.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}

/// CPU time of the calling thread in nanoseconds.
pub(crate) fn thread_cpu_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a place for the result; every Linux has this clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
