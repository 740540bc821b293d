//! Which thread of a process to borrow for an errand.

use std::fs;

/// A thread, and how easily it is borrowed: the least comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Candidate {
    ease: Ease,
    /// Its id.
    pub(crate) tid: i32,
    /// What it is doing, for those who ask why it could not be borrowed.
    pub(crate) doing: String,
}

/// What a stop means to a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ease {
    /// It sleeps in a system call that goes on afterwards as if nothing had been.
    Asleep,
    /// It runs.
    Running,
    /// It sleeps in a call that may begin to count its time-out anew.
    Counting,
    /// It cannot be stopped before the kernel is done with it.
    Stuck,
}

impl Candidate {
    /// Whether there is a hope of stopping it now.
    pub(crate) fn is_hopeful(&self) -> bool {
        self.ease != Ease::Stuck
    }

    /// Whether it runs, or is about to.
    pub(crate) fn runs(&self) -> bool {
        self.ease == Ease::Running
    }
}

/// The threads of a process, the best first; empty where it has ended.
pub(crate) fn of(pid: u32) -> Vec<Candidate> {
    let entries = fs::read_dir(format!("/proc/{pid}/task"));
    let ids = entries.into_iter().flatten().flatten();
    let ids = ids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut all: Vec<_> = ids.filter_map(|tid| candidate(pid, tid)).collect();
    all.sort();
    all
}

/// Whether a thread is there and has not ended.
pub(crate) fn lives(pid: u32, tid: i32) -> bool {
    candidate(pid, tid).is_some()
}

fn candidate(pid: u32, tid: i32) -> Option<Candidate> {
    let file = |name| fs::read_to_string(format!("/proc/{pid}/task/{tid}/{name}"));
    let state = state_in(&file("stat").ok()?)?;
    let call = file("syscall").unwrap_or_default();
    let ease = match state {
        'R' => Ease::Running,
        'S' => ease_in(&call),
        'Z' | 'X' => return None,
        _ => Ease::Stuck,
    };
    Some(Candidate {
        ease,
        tid,
        doing: doing(state, &call),
    })
}

/// The state in a line of /proc/PID/stat. The name before it may have anything in it.
fn state_in(line: &str) -> Option<char> {
    line.rsplit_once(") ")?.1.chars().next()
}

fn ease_in(call: &str) -> Ease {
    let mut words = call.split(' ');
    let number = words.next().and_then(|word| word.parse::<i64>().ok());
    let arguments: Vec<_> = words.filter_map(hexadecimal).collect();
    // A time-out of milliseconds; all ones is none.
    let waits_for_ever = || {
        arguments
            .get(3)
            .is_some_and(|&timeout| timeout as i32 == -1)
    };
    match number {
        None => Ease::Running,
        Some(libc::SYS_epoll_wait | libc::SYS_epoll_pwait) if waits_for_ever() => Ease::Asleep,
        Some(
            libc::SYS_epoll_wait
            | libc::SYS_epoll_pwait
            | libc::SYS_epoll_pwait2
            | libc::SYS_semtimedop
            | libc::SYS_rt_sigtimedwait
            | libc::SYS_io_getevents
            | libc::SYS_io_uring_enter
            | libc::SYS_recvmmsg,
        ) => Ease::Counting,
        Some(_) => Ease::Asleep,
    }
}

fn hexadecimal(word: &str) -> Option<u64> {
    u64::from_str_radix(word.trim().strip_prefix("0x")?, 16).ok()
}

fn doing(state: char, call: &str) -> String {
    match (state, call.split(' ').next()) {
        ('R', _) => "it runs".into(),
        ('D', Some(number)) => format!("in a wait that nothing interrupts, system call {number}"),
        ('T' | 't', _) => "it is stopped".into(),
        (state, Some(number)) => format!("state {state}, system call {}", number.trim()),
        (state, None) => format!("state {state}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_hide_the_state() {
        assert_eq!(state_in("42 (a) R (b) S 1 2"), Some('S'));
        assert_eq!(state_in("42"), None);
    }

    #[test]
    fn a_wait_without_a_time_out_is_preferred_to_one_with() {
        let endless = "232 0x3 0x7ff0 0x10 0xffffffff 0x0 0x8 0x7ffc 0x7f00\n";
        let timed = "232 0x3 0x7ff0 0x10 0x3e8 0x0 0x8 0x7ffc 0x7f00\n";
        assert_eq!(ease_in(endless), Ease::Asleep);
        assert_eq!(ease_in(timed), Ease::Counting);
        assert_eq!(ease_in("running\n"), Ease::Running);
        assert!(Ease::Asleep < Ease::Running && Ease::Running < Ease::Counting);
    }

    #[test]
    fn this_process_has_a_thread_that_can_be_borrowed() {
        let all = of(std::process::id());
        assert!(all.iter().any(Candidate::is_hopeful), "{all:?}");
    }
}
