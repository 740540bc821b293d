//! The calling thread's own CPU clock, and how often it lost or gave up its CPU.

use gilprof_core::CpuReading;

use crate::errno;

/// Reads both: two calls into the kernel, which take well below a microsecond.
/// `None` where the system refuses. Async-signal-safe; errno stays as it is.
// Must not allocate.
#[cold]
pub(crate) fn read() -> Option<CpuReading> {
    errno::kept(|| {
        let cpu_ns = cpu_ns()?;
        let (voluntary, involuntary) = switches()?;
        Some(CpuReading {
            cpu_ns,
            voluntary,
            involuntary,
        })
    })
}

fn cpu_ns() -> Option<u64> {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a place for the result.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    (failed == 0).then_some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

fn switches() -> Option<(u64, u64)> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `usage` is a place for the result.
    let failed = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    // SAFETY: integers only, for which the zeroes it began with are valid too.
    let usage = unsafe { usage.assume_init() };
    (failed == 0).then_some((usage.ru_nvcsw as u64, usage.ru_nivcsw as u64))
}
