//! What kind of thing a thread is blocked on.

use gilprof_code::{Memory, ProcessMemory};
use gilprof_core::BlockedOn;
use syscalls::Sysno;

use crate::call::Call;

/// What a thread is blocked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thing {
    /// Its kind; `None` where the call does not tell.
    pub kind: Option<BlockedOn>,
    /// The address of the lock.
    pub lock: Option<u64>,
}

/// What a thread of the process is blocked on in this call.
pub fn on(pid: u32, call: &Call) -> Thing {
    let is_lock = call.sysno() == Some(Sysno::futex);
    Thing {
        kind: call.sysno().and_then(|number| kind(pid, number, call)),
        lock: is_lock.then_some(call.arguments[0]),
    }
}

fn kind(pid: u32, number: Sysno, call: &Call) -> Option<BlockedOn> {
    let [first, second, ..] = call.arguments;
    match number.name() {
        "futex" | "futex_wait" | "futex_waitv" => Some(BlockedOn::Lock),
        "nanosleep" | "clock_nanosleep" => Some(BlockedOn::Sleep),
        "select" | "pselect6" if first == 0 => Some(BlockedOn::Sleep),
        "poll" | "ppoll" if second == 0 => Some(BlockedOn::Sleep),
        // How a call on one socket with a time limit waits for it.
        "poll" | "ppoll" if second == 1 => polled(pid, first),
        "select" | "pselect6" | "poll" | "ppoll" | "epoll_wait" | "epoll_pwait"
        | "epoll_pwait2" | "io_uring_enter" | "io_getevents" | "io_pgetevents" => {
            Some(BlockedOn::Events)
        }
        "wait4" | "waitid" => Some(BlockedOn::Child),
        "pause" | "rt_sigsuspend" | "rt_sigtimedwait" => Some(BlockedOn::Signal),
        "read" | "readv" | "pread64" | "preadv" | "preadv2" | "write" | "writev" | "pwrite64"
        | "pwritev" | "pwritev2" | "recvfrom" | "recvmsg" | "recvmmsg" | "sendto" | "sendmsg"
        | "sendmmsg" | "accept" | "accept4" | "connect" | "sendfile" | "splice" | "fsync"
        | "fdatasync" | "sync_file_range" | "fallocate" | "ftruncate" | "getdents64" | "flock"
        | "fcntl" | "ioctl" | "copy_file_range" | "fstat" | "close" => descriptor(pid, first),
        "open" | "openat" | "openat2" | "stat" | "lstat" | "newfstatat" | "statx" | "access"
        | "faccessat" | "faccessat2" | "unlink" | "unlinkat" | "rename" | "renameat"
        | "renameat2" | "mkdir" | "mkdirat" | "rmdir" | "truncate" | "readlink" | "readlinkat"
        | "sync" | "syncfs" | "execve" => Some(BlockedOn::File),
        _ => None,
    }
}

/// What the only entry of a list for `poll` is of: it begins with the descriptor.
fn polled(pid: u32, list: u64) -> Option<BlockedOn> {
    let mut number = [0; 4];
    let read = ProcessMemory::of(pid).read(list, &mut number);
    read.then(|| descriptor(pid, u32::from_ne_bytes(number).into()))?
}

/// The link is read, not followed: a file on a server that is away would block.
fn descriptor(pid: u32, number: u64) -> Option<BlockedOn> {
    let number = u32::try_from(number).ok()?;
    let target = std::fs::read_link(format!("/proc/{pid}/fd/{number}")).ok()?;
    named(target.to_str()?)
}

fn named(target: &str) -> Option<BlockedOn> {
    let kinds = [
        ("socket:", BlockedOn::Socket),
        ("pipe:", BlockedOn::Pipe),
        ("anon_inode:", BlockedOn::Events),
        ("/dev/", BlockedOn::Device),
        ("/", BlockedOn::File),
    ];
    let mut kinds = kinds.into_iter();
    kinds
        .find(|(prefix, _)| target.starts_with(prefix))
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_known_by_its_link() {
        let links = [
            "socket:[123]",
            "pipe:[5]",
            "anon_inode:[eventpoll]",
            "/dev/pts/0",
            "/var/log/app.log",
        ];
        let kinds = ["socket", "pipe", "events", "device", "file"];
        assert_eq!(links.map(|link| named(link).unwrap().as_str()), kinds);
        assert_eq!(named("net:[4026531840]"), None);
    }
}
