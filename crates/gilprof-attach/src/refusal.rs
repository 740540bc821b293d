//! Why a process cannot be attached to, and what would help.

use nix::errno::Errno;

use crate::error::Error;
use crate::process::{Credentials, Process};
use crate::{access, namespace};

/// The CPythons that can be attached to: the first and the last, of those with major
/// version 3.
pub const SUPPORTED: (u32, u32) = (9, 15);

/// `CAP_SYS_PTRACE` (`include/uapi/linux/capability.h`).
const TRACE: u64 = 1 << 19;

/// Why a process cannot be attached to. It reads as a sentence after the process's name:
/// what is so, and after a colon what would help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is none.
    #[error("does not exist: `gilprof ps` lists those that do")]
    Absent,
    /// It became another program while it was looked at, or ended.
    #[error("became another program, or ended, while it was looked at: try again")]
    Changed,
    /// It has ended; its parent has not asked how.
    #[error("has ended, and its parent (pid {0}) has not taken note of it: nothing is left of it")]
    Zombie(u32),
    /// Its main thread has ended, others have not.
    #[error("has ended its main thread, and cannot be looked at without: restart it")]
    Headless,
    /// It is a part of the kernel.
    #[error("is a thread of the kernel: choose a process with a Python in it")]
    Kernel,
    /// It is the process that asks.
    #[error("is this gilprof itself: attach from another process")]
    Oneself,
    /// `/proc` does not show it.
    #[error("is of another user and hidden (/proc is mounted with hidepid): run gilprof as root")]
    Hidden,
    /// It is another user's.
    #[error("is of another user (uid {0}): run gilprof as that user or as root")]
    OtherUser(u32),
    /// It acts for another group.
    #[error("is of another group (gid {0}): run gilprof as root")]
    OtherGroup(u32),
    /// It may not be looked at by its own user.
    #[error(
        "is closed to its own user (it changed its user, was not readable, or set \
        PR_SET_DUMPABLE to 0): run gilprof as root"
    )]
    Undumpable,
    /// It may do more than this process.
    #[error("has capabilities that gilprof lacks ({0:#x}): run gilprof as root")]
    Capabilities(u64),
    /// It is a container's or sandbox's.
    #[error(
        "is in another user namespace: run gilprof within that one, or as root outside of both"
    )]
    UserNamespace,
    /// The system lets nobody but parents, or root, or nobody at all.
    #[error("may not be traced (kernel.yama.ptrace_scope is {0}): {advice}", advice = yama(*.0))]
    Yama(u32),
    /// A security module has something against it.
    #[error(
        "may not be traced, as a security module (AppArmor, SELinux, Landlock) has it: allow \
        gilprof to trace it"
    )]
    Forbidden,
    /// This process may not trace any other.
    #[error(
        "may not be traced from here ({0}), as a filter of system calls (seccomp) has it: \
        run gilprof outside of this container, or give it SYS_PTRACE"
    )]
    Filtered(String),
    /// A debugger is at it already.
    #[error("is traced by {name} (pid {pid}) already: end that first")]
    Traced {
        /// The tracer.
        pid: u32,
        /// Its name.
        name: String,
    },
    /// It is a program of 32 bits.
    #[error("is a 32-bit program: gilprof attaches to 64-bit Pythons only")]
    Narrow,
    /// It has no Python in it.
    #[error("is not a Python process (no module exports PyEval_SaveThread)")]
    NotPython,
    /// Its version is none of those that are known well enough.
    #[error("has Python {0}: gilprof attaches to 3.{first} to 3.{last}", first = SUPPORTED.0, last = SUPPORTED.1)]
    Version(String),
    /// It has no GIL.
    #[error(
        "runs without a GIL (free-threaded): there is none to contend for; `gilprof attach \
         --sample` shows what its threads do"
    )]
    NoGil,
    /// It has a GIL now, and may do without.
    #[error(
        "has a free-threaded build of Python with its GIL on, whose GIL gilprof does not record: \
         `gilprof attach --sample` looks at it, and says what switched it on"
    )]
    FreeThreaded,
    /// Its Python does not call libc by way of slots.
    #[error("has libc linked into its Python: use a Python that is linked to a shared libc")]
    NoSlots,
}

fn yama(scope: u32) -> &'static str {
    match scope {
        1 => {
            "run gilprof as root, or start the program with `gilprof run`, or \
            `sysctl kernel.yama.ptrace_scope=0`"
        }
        2 => "run gilprof as root",
        _ => "nobody may until the next boot",
    }
}

impl Refusal {
    /// The error for this process.
    pub fn into_error(self, pid: u32) -> Error {
        Error::Refused(format!("process {pid} {self}"))
    }

    /// Whether this process may look at that one at all: the kernel is asked, and where it
    /// says no, why. Nothing is written to that process, and it is not stopped.
    pub(crate) fn of_access(process: &Process) -> Option<Self> {
        let pid = process.pid();
        if pid == std::process::id() {
            return Some(Refusal::Oneself);
        }
        if process.is_kernel_thread() {
            return Some(Refusal::Kernel);
        }
        if process.is_ended() {
            return Some(match process.threads() {
                0 | 1 => Refusal::Zombie(process.parent()),
                _ => Refusal::Headless,
            });
        }
        if let Err(error) = access::memory(std::process::id()).and_then(|()| access::tracing()) {
            return Some(Refusal::Filtered(error.desc().to_lowercase()));
        }
        match access::memory(pid) {
            Ok(()) => None,
            Err(Errno::ESRCH) => Some(Refusal::Changed),
            Err(_forbidden) => Some(Bars::of(process).refusal()),
        }
    }

    /// Whether somebody is at it already.
    pub(crate) fn of_tracer(process: &Process) -> Option<Self> {
        let pid = process.tracer()?;
        let name =
            Process::of(pid).map_or_else(|_| "a process".into(), |tracer| tracer.name().into());
        Some(Refusal::Traced { pid, name })
    }

    /// Of a process that has no entry in `/proc`.
    pub(crate) fn of_absence(pid: u32) -> Self {
        match access::exists(pid) {
            true => Refusal::Hidden,
            false => Refusal::Absent,
        }
    }
}

/// What may stand between this process and another one. The kernel looks at them in this
/// order (`__ptrace_may_access`, `kernel/ptrace.c`).
#[derive(Clone, Copy, Debug)]
struct Bars {
    own: Credentials,
    other: Credentials,
    /// The other is closed to its own user.
    closed: bool,
    /// It is in this process's user namespace, as far as can be seen.
    same_namespace: bool,
    /// `kernel.yama.ptrace_scope`; 0 where there is no such thing.
    yama: u32,
}

impl Bars {
    fn of(process: &Process) -> Self {
        let other = process.credentials();
        let own = Process::of(std::process::id()).map(|own| own.credentials());
        let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
        Bars {
            // Without /proc for oneself nothing is known: the reasons that stay are general.
            own: own.unwrap_or(other),
            other,
            closed: process.owner().is_some_and(|owner| owner != process.user()),
            same_namespace: namespace::is_same_user(process.pid()),
            yama: yama
                .ok()
                .and_then(|scope| scope.trim().parse().ok())
                .unwrap_or(0),
        }
    }

    fn refusal(self) -> Refusal {
        let ([user, ..], [group, ..]) = (self.own.users, self.own.groups);
        let is_root = self.own.effective & TRACE != 0;
        let other_user = self.other.users.into_iter().find(|&other| other != user);
        let other_group = self.other.groups.into_iter().find(|&other| other != group);
        let lacks = self.other.permitted & !self.own.permitted;
        match (other_user, other_group) {
            _ if !self.same_namespace && is_root => Refusal::UserNamespace,
            _ if is_root && self.yama > 2 => Refusal::Yama(self.yama),
            _ if is_root => Refusal::Forbidden,
            (Some(user), _) => Refusal::OtherUser(user),
            (_, Some(group)) => Refusal::OtherGroup(group),
            _ if self.closed => Refusal::Undumpable,
            _ if !self.same_namespace => Refusal::UserNamespace,
            _ if lacks != 0 => Refusal::Capabilities(lacks),
            _ if self.yama > 0 => Refusal::Yama(self.yama),
            _ => Refusal::Forbidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Credentials = Credentials {
        users: [1000; 3],
        groups: [1000; 3],
        permitted: 0,
        effective: 0,
    };
    const NONE: Bars = Bars {
        own: OWN,
        other: OWN,
        closed: false,
        same_namespace: true,
        yama: 0,
    };

    #[test]
    fn each_bar_is_told_by_its_own_reason() {
        let users = |users| Credentials { users, ..OWN };
        let all = [
            (
                Bars {
                    other: users([33; 3]),
                    ..NONE
                },
                Refusal::OtherUser(33),
            ),
            (
                Bars {
                    other: users([1000, 0, 0]),
                    ..NONE
                },
                Refusal::OtherUser(0),
            ),
            (
                Bars {
                    other: Credentials {
                        groups: [1000, 8, 8],
                        ..OWN
                    },
                    ..NONE
                },
                Refusal::OtherGroup(8),
            ),
            (
                Bars {
                    closed: true,
                    ..NONE
                },
                Refusal::Undumpable,
            ),
            (
                Bars {
                    same_namespace: false,
                    ..NONE
                },
                Refusal::UserNamespace,
            ),
            (
                Bars {
                    other: Credentials {
                        permitted: 6,
                        ..OWN
                    },
                    ..NONE
                },
                Refusal::Capabilities(6),
            ),
            (Bars { yama: 1, ..NONE }, Refusal::Yama(1)),
            (NONE, Refusal::Forbidden),
        ];
        for (bars, refusal) in all {
            assert_eq!(bars.refusal(), refusal, "{bars:?}");
        }
    }

    #[test]
    fn of_several_bars_the_first_that_the_kernel_looks_at_is_told() {
        let other = Credentials {
            users: [33; 3],
            permitted: 6,
            ..OWN
        };
        let all = Bars {
            other,
            closed: true,
            same_namespace: false,
            yama: 2,
            ..NONE
        };
        assert_eq!(all.refusal(), Refusal::OtherUser(33));
        assert_eq!(Bars { other: OWN, ..all }.refusal(), Refusal::Undumpable);
    }

    #[test]
    fn root_is_not_told_to_be_root() {
        let root = Credentials {
            effective: TRACE,
            ..OWN
        };
        let other = Credentials {
            users: [33; 3],
            ..OWN
        };
        let bars = Bars {
            own: root,
            other,
            closed: true,
            yama: 2,
            ..NONE
        };
        assert_eq!(bars.refusal(), Refusal::Forbidden);
        assert_eq!(Bars { yama: 3, ..bars }.refusal(), Refusal::Yama(3));
        assert_eq!(
            Bars {
                same_namespace: false,
                ..bars
            }
            .refusal(),
            Refusal::UserNamespace
        );
    }

    #[test]
    fn a_refusal_is_a_sentence_about_the_process() {
        let said = Refusal::OtherUser(33).into_error(4242).to_string();
        assert_eq!(
            said,
            "process 4242 is of another user (uid 33): run gilprof as that user or as root"
        );
        assert_eq!(
            Refusal::Version("3.8.18".into()).to_string(),
            "has Python 3.8.18: gilprof attaches to 3.9 to 3.15"
        );
        assert!(
            Refusal::Yama(3)
                .to_string()
                .ends_with("nobody may until the next boot")
        );
    }

    #[test]
    fn the_versions_are_those_of_the_list_of_supported_ones() {
        let list = include_str!("../../../pythons.txt");
        let (first, last) = SUPPORTED;
        let expected: Vec<String> = (first..=last).map(|minor| format!("3.{minor}")).collect();
        assert_eq!(list.split_whitespace().collect::<Vec<_>>(), expected);
    }
}
