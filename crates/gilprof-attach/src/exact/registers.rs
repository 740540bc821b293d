//! The registers of a stopped thread, and where it goes on.

use std::mem::MaybeUninit;

/// What the kernel leaves in the result of a system call that it is about to begin anew
/// (include/linux/errno.h).
mod again {
    pub(super) const ERESTARTSYS: i64 = -512;
    pub(super) const ERESTARTNOINTR: i64 = -513;
    pub(super) const ERESTARTNOHAND: i64 = -514;
    pub(super) const ERESTART_RESTARTBLOCK: i64 = -516;
}

const EINTR: i64 = -(libc::EINTR as i64);

/// The length of the instruction `syscall`.
const SYSCALL: u64 = 2;

/// System calls that fail with EINTR after a stop, though no signal came (signal(7),
/// "Interruption of system calls and library functions by stop signals").
const CUT_SHORT: [i64; 22] = [
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_epoll_wait,
    libc::SYS_io_getevents,
    libc::SYS_io_uring_enter,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_write,
    libc::SYS_writev,
];

/// The registers of a stopped thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers(pub(crate) libc::user_regs_struct);

impl Default for Registers {
    fn default() -> Self {
        // SAFETY: integers only, for which zero is a value.
        Registers(unsafe { MaybeUninit::zeroed().assume_init() })
    }
}

impl Registers {
    /// With these registers a thread goes on as if it had not been stopped, wherever it is
    /// sent in between: a system call that the stop has interrupted is begun anew, which
    /// the kernel does only for threads that stay where they are.
    pub(crate) fn resumed(mut self) -> Self {
        let interrupted = self.0.orig_rax as i64;
        if interrupted >= 0 {
            let number = match self.0.rax as i64 {
                again::ERESTARTSYS | again::ERESTARTNOINTR | again::ERESTARTNOHAND => {
                    Some(interrupted)
                }
                // It goes on with the time that was left.
                again::ERESTART_RESTARTBLOCK => Some(libc::SYS_restart_syscall),
                EINTR if CUT_SHORT.contains(&interrupted) => Some(interrupted),
                _ => None,
            };
            if let Some(number) = number {
                self.0.rax = number as u64;
                self.0.rip -= SYSCALL;
            }
        }
        self.sent_to(self.0.rip)
    }

    /// The same at another place. The kernel must take it for no system call, so that it
    /// changes nothing.
    pub(crate) fn sent_to(mut self, place: u64) -> Self {
        self.0.rip = place;
        self.0.orig_rax = u64::MAX;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stopped(orig_rax: i64, rax: i64) -> Registers {
        let mut registers = Registers::default();
        registers.0.orig_rax = orig_rax as u64;
        registers.0.rax = rax as u64;
        registers.0.rip = 1000;
        registers
    }

    #[test]
    fn an_interrupted_call_is_begun_anew() {
        let resumed = stopped(libc::SYS_read, again::ERESTARTSYS).resumed();
        assert_eq!((resumed.0.rip, resumed.0.rax as i64), (998, libc::SYS_read));
        let resumed = stopped(libc::SYS_epoll_wait, EINTR).resumed();
        assert_eq!(
            (resumed.0.rip, resumed.0.rax as i64),
            (998, libc::SYS_epoll_wait)
        );
        let resumed = stopped(libc::SYS_poll, again::ERESTART_RESTARTBLOCK).resumed();
        let expected = (998, libc::SYS_restart_syscall);
        assert_eq!((resumed.0.rip, resumed.0.rax as i64), expected);
    }

    #[test]
    fn what_was_no_call_or_has_its_result_goes_on_after_it() {
        for registers in [stopped(-1, EINTR), stopped(libc::SYS_read, 5)] {
            let resumed = registers.resumed();
            assert_eq!((resumed.0.rip, resumed.0.rax), (1000, registers.0.rax));
        }
    }
}
