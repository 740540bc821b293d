//! What Linux tells of a process, to everybody who may see it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

/// A thread of the kernel's (`PF_KTHREAD`, `include/linux/sched.h`).
const KERNEL_THREAD: u64 = 0x0020_0000;

/// What Linux tells of a process, as it was when it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    pid: u32,
    name: String,
    state: char,
    parent: u32,
    flags: u64,
    started: u64,
    stack: u64,
    threads: u32,
    tracer: u32,
    credentials: Credentials,
}

/// Who a process is for the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// Real, effective and saved.
    pub(crate) users: [u32; 3],
    pub(crate) groups: [u32; 3],
    /// The capabilities that it can have in effect, and those that are.
    pub(crate) permitted: u64,
    pub(crate) effective: u64,
}

impl Process {
    /// The process of this id.
    ///
    /// # Errors
    /// What the system says: there is no such process, or it shows those of others to
    /// nobody (`hidepid`).
    pub fn of(pid: u32) -> io::Result<Self> {
        let read = |file| fs::read(format!("/proc/{pid}/{file}"));
        let (stat, status) = (read("stat")?, read("status")?);
        let (stat, status) = (
            String::from_utf8_lossy(&stat),
            String::from_utf8_lossy(&status),
        );
        Self::read(pid, &stat, &status).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// proc(5): `/proc/PID/stat` has its fields in a line, of which the second, the name in
    /// parentheses, may contain anything.
    fn read(pid: u32, stat: &str, status: &str) -> Option<Self> {
        let (start, rest) = stat.rsplit_once(')')?;
        let (_, name) = start.split_once('(')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |field: usize| -> Option<u64> { fields.get(field - 3)?.parse().ok() };
        let of_status = |key| numbers(status, key);
        Some(Process {
            pid,
            name: name.into(),
            state: fields.first()?.chars().next()?,
            parent: number(4)?.try_into().ok()?,
            flags: number(9)?,
            started: number(22)?,
            stack: number(28)?,
            threads: number(20)?.try_into().ok()?,
            tracer: *of_status("TracerPid:").first()?,
            credentials: Credentials {
                users: of_status("Uid:").first_chunk().copied()?,
                groups: of_status("Gid:").first_chunk().copied()?,
                permitted: hexadecimal(status, "CapPrm:")?,
                effective: hexadecimal(status, "CapEff:")?,
            },
        })
    }

    /// The ids of all that can be seen, ascending.
    ///
    /// # Errors
    /// What the system says, where `/proc` cannot be listed.
    pub fn all() -> io::Result<Vec<u32>> {
        let mut all: Vec<u32> = fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        all.sort_unstable();
        Ok(all)
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The name of its main thread, 15 bytes at most.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the process that started it, or that has adopted it.
    pub fn parent(&self) -> u32 {
        self.parent
    }

    /// How many threads it has.
    pub fn threads(&self) -> u32 {
        self.threads
    }

    /// The user who it acts for.
    pub fn user(&self) -> u32 {
        let [_, effective, _] = self.credentials.users;
        effective
    }

    /// The program and its arguments, as they are now: a program may write something else
    /// there. Empty for threads of the kernel's and for processes that have ended.
    pub fn command(&self) -> Vec<String> {
        let line = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        // A process that has written a title of its own has filled the rest with zeros.
        let line = line.trim_end_matches('\0');
        match line {
            "" => Vec::new(),
            line => line.split('\0').map(String::from).collect(),
        }
    }

    pub(crate) fn is_kernel_thread(&self) -> bool {
        self.flags & KERNEL_THREAD != 0
    }

    /// Whether its main thread has ended; the process has, where there is no other.
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    pub(crate) fn credentials(&self) -> Credentials {
        self.credentials
    }

    /// The user whom its files in `/proc` belong to: root, once a process is not to be looked
    /// at by its own user. The folder's owner does not tell (`task_dump_owner`,
    /// `fs/proc/base.c`).
    pub(crate) fn owner(&self) -> Option<u32> {
        Some(fs::metadata(format!("/proc/{}/stat", self.pid)).ok()?.uid())
    }

    /// Who traces one of its threads.
    pub(crate) fn tracer(&self) -> Option<u32> {
        let of_main = Some(self.tracer).filter(|&tracer| tracer != 0);
        of_main.or_else(|| {
            let threads = fs::read_dir(format!("/proc/{}/task", self.pid)).ok()?;
            threads.flatten().find_map(|thread| {
                let status = fs::read_to_string(thread.path().join("status")).ok()?;
                let tracer = *numbers(&status, "TracerPid:").first()?;
                (tracer != 0).then_some(tracer)
            })
        })
    }

    /// Whether it still is what it was: the same process, and the same program in it. Where
    /// it may not be looked at, only the former is seen.
    pub fn is_the_same(&self) -> bool {
        Process::of(self.pid).is_ok_and(|now| self.runs_the_same(&now))
    }

    /// Whether the other, of the same id, is the same process: ids are used again.
    pub(crate) fn started_with(&self, other: &Process) -> bool {
        self.started == other.started
    }

    /// Whether the other, of the same id, is the same process with the same program in it,
    /// which has its stack at a place of its own.
    pub(crate) fn runs_the_same(&self, other: &Process) -> bool {
        self.started_with(other) && self.stack == other.stack
    }
}

fn value<'s>(status: &'s str, key: &str) -> Option<&'s str> {
    status.lines().find_map(|line| line.strip_prefix(key))
}

fn numbers(status: &str, key: &str) -> Vec<u32> {
    let numbers = value(status, key).unwrap_or_default();
    let numbers = numbers.split_ascii_whitespace();
    numbers.filter_map(|number| number.parse().ok()).collect()
}

fn hexadecimal(status: &str, key: &str) -> Option<u64> {
    u64::from_str_radix(value(status, key)?.trim(), 16).ok()
}

#[cfg(test)]
impl Process {
    /// One with this id, parent, start and program.
    pub(crate) fn sample(pid: u32, parent: u32, started: u64, program: u64) -> Self {
        let own = Process::of(std::process::id()).expect("this process is there");
        Process {
            pid,
            parent,
            started,
            stack: program,
            ..own
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tp\nTracerPid:\t9\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n\
        CapPrm:\t00000000000000ff\nCapEff:\t0000000000000001\n";

    fn stat(name: &str) -> String {
        let rest: Vec<String> = (4..53).map(|field| field.to_string()).collect();
        format!("77 ({name}) S {}\n", rest.join(" "))
    }

    #[test]
    fn a_name_may_contain_what_separates_fields() {
        for name in ["python3", "a) R 1 (b", "", "(("] {
            let process = Process::read(77, &stat(name), STATUS).unwrap();
            assert_eq!((process.name(), process.state), (name, 'S'));
            assert_eq!((process.parent(), process.threads()), (4, 20));
            assert_eq!((process.started, process.stack), (22, 28));
        }
    }

    #[test]
    fn credentials_and_the_tracer_are_of_the_status() {
        let process = Process::read(77, &stat("p"), STATUS).unwrap();
        let expected = Credentials {
            users: [1, 2, 3],
            groups: [5, 6, 7],
            permitted: 0xff,
            effective: 1,
        };
        assert_eq!(process.credentials(), expected);
        assert_eq!((process.user(), process.tracer()), (2, Some(9)));
    }

    #[test]
    fn what_is_cut_off_is_no_process() {
        assert_eq!(Process::read(77, "77 (p) S 1 2", STATUS), None);
        assert_eq!(Process::read(77, &stat("p"), "Name:\tp\n"), None);
    }

    #[test]
    fn this_process_is_among_all_and_stays_the_same() {
        let own = Process::of(std::process::id()).unwrap();
        assert!(Process::all().unwrap().contains(&own.pid()));
        assert!(own.is_the_same());
        assert!(!own.is_kernel_thread() && !own.is_ended());
        assert!(
            own.command()[0].contains("gilprof_attach"),
            "{:?}",
            own.command()
        );
    }
}
