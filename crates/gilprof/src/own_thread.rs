//! Threads of our own: they take no signal away from the program, and whoever has ended one can
//! say that it is gone.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// For how long a thread that has ended may still be known to the kernel; 3 ms were seen.
const FORGOTTEN: Duration = Duration::from_millis(100);

/// A thread of our own.
#[derive(Debug)]
pub(crate) struct OwnThread<T> {
    handle: JoinHandle<T>,
    native_id: Arc<AtomicI32>,
}

impl<T: Send + 'static> OwnThread<T> {
    /// Starts a thread with every signal blocked, so that each one is delivered to
    /// a thread of the program, as it would be without us.
    pub(crate) fn spawn(
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<OwnThread<T>> {
        let native_id = Arc::new(AtomicI32::new(0));
        let told = Arc::clone(&native_id);
        let before = block_all();
        let spawned = Builder::new().name(name.into()).spawn(move || {
            told.store(rustix::thread::gettid().as_raw_pid(), SeqCst);
            work()
        });
        restore(&before);
        let handle = spawned?;
        Ok(OwnThread { handle, native_id })
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    pub(crate) fn unpark(&self) {
        self.handle.thread().unpark();
    }

    /// Waits for the end of the thread, and until the kernel counts it no longer: else Python
    /// would take it for one of the program's, which it warns of a fork. `None` from a thread
    /// that panicked: it has left its panic message already.
    pub(crate) fn join(self) -> Option<T> {
        let done = self.handle.join().ok();
        let known = format!("/proc/self/task/{}", self.native_id.load(SeqCst));
        let ended = Instant::now();
        while Path::new(&known).exists() && ended.elapsed() < FORGOTTEN {
            std::thread::yield_now();
        }
        done
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Who joins a thread is woken a little before the kernel forgets it: about once in a
    /// thousand times somebody can see that.
    #[test]
    fn a_thread_that_was_joined_is_not_counted_any_more() {
        for _ in 0..20_000 {
            let thread = OwnThread::spawn("short", rustix::thread::gettid).unwrap();
            let native_id = thread.join().unwrap().as_raw_pid();
            assert!(!Path::new(&format!("/proc/self/task/{native_id}")).exists());
        }
    }
}
