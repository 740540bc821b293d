//! Whether the kernel lets this process look at another one. Nothing is written to that
//! one, and it is not stopped.

use std::io::IoSliceMut;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;

/// Asks for a byte of memory where there is none: the kernel first looks at whether the
/// caller has the right to trace that process (`PTRACE_MODE_ATTACH_REALCREDS`), which is
/// what attaching takes too.
///
/// # Errors
/// [`Errno::EPERM`] where it has not, [`Errno::ESRCH`] where there is no such process or it
/// has no memory.
pub(crate) fn memory(pid: u32) -> Result<(), Errno> {
    let mut byte = [0];
    let nowhere = [RemoteIoVec { base: 1, len: 1 }];
    match process_vm_readv(id(pid), &mut [IoSliceMut::new(&mut byte)], &nowhere) {
        Ok(_) | Err(Errno::EFAULT) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether this process may trace any process at all: under some filters of system calls
/// (seccomp) it may not.
///
/// # Errors
/// What the system says, where it may not.
pub(crate) fn tracing() -> Result<(), Errno> {
    // Nobody is the tracer of itself: the kernel says that there is no such tracee.
    match ptrace::getevent(Pid::this()) {
        Ok(_) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether there is a process of this id, also where it is hidden from `/proc`. No signal is
/// sent.
pub(crate) fn exists(pid: u32) -> bool {
    // Zero and negative numbers would mean groups of processes.
    let one = id(pid).as_raw() > 0;
    one && !matches!(nix::sys::signal::kill(id(pid), None), Err(Errno::ESRCH))
}

fn id(pid: u32) -> Pid {
    // What is no process id becomes one that no process has.
    Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_own_memory_and_processes_may_be_looked_at() {
        let own = std::process::id();
        assert_eq!(
            (memory(own), tracing(), exists(own)),
            (Ok(()), Ok(()), true)
        );
    }

    #[test]
    fn what_is_not_there_cannot_be_looked_at() {
        for pid in [0, u32::MAX, i32::MAX as u32] {
            assert!(!exists(pid), "{pid}");
        }
        assert_eq!(memory(i32::MAX as u32), Err(Errno::ESRCH));
    }
}
