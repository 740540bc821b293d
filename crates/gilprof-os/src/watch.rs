//! Watching threads that no hook sees.

use std::collections::BTreeMap;

use gilprof_core::{CpuReading, CpuSource};

use crate::counter::Counter;
use crate::proc;

/// How many counters are open at a time: each takes a file of the program's.
const COUNTERS: usize = 64;

/// Follows the CPU time of some threads of a process. Its files are closed when it is
/// dropped.
#[derive(Debug)]
pub struct Watch {
    pid: u32,
    source: CpuSource,
    threads: BTreeMap<u32, Watched>,
}

#[derive(Debug)]
struct Watched {
    counter: Option<Counter>,
    /// What the thread had when its counter was started.
    start: CpuReading,
    last: CpuReading,
}

impl Watch {
    /// Finds out what the system tells of the process, and follows no thread yet.
    pub fn new(pid: u32) -> Self {
        Watch {
            pid,
            source: source(pid),
            threads: BTreeMap::new(),
        }
    }

    /// Where the numbers come from.
    pub fn source(&self) -> &CpuSource {
        &self.source
    }

    /// Follows these threads and no others, and reads what they have by now.
    pub fn follow(&mut self, threads: &[u32]) {
        self.threads.retain(|thread, _| threads.contains(thread));
        for &thread in threads {
            match self.threads.get_mut(&thread) {
                Some(watched) => watched.read(self.pid, thread),
                None => self.begin(thread),
            }
        }
    }

    fn begin(&mut self, thread: u32) {
        let Some(start) = proc::reading(self.pid, thread) else {
            return;
        };
        let open = self.threads.values().filter(|one| one.counter.is_some());
        let counted = self.source == CpuSource::Perf && open.count() < COUNTERS;
        // Where this one is refused, /proc does.
        let counter = counted.then(|| Counter::start(thread).ok()).flatten();
        let watched = Watched {
            counter,
            start,
            last: start,
        };
        self.threads.insert(thread, watched);
    }

    /// What a followed thread had when it was read last.
    pub fn reading(&self, thread: u32) -> Option<CpuReading> {
        self.threads.get(&thread).map(|watched| watched.last)
    }

    /// Closes all files; following goes on with the next [`Watch::follow`].
    pub fn pause(&mut self) {
        self.threads.clear();
    }
}

impl Watched {
    fn read(&mut self, pid: u32, thread: u32) {
        let told = proc::reading(pid, thread);
        let counted = self
            .counter
            .as_mut()
            .and_then(|counter| counter.cpu_ns().ok());
        if let Some(told) = told {
            self.last = told;
        }
        if let Some(counted) = counted {
            self.last.cpu_ns = self.start.cpu_ns.saturating_add(counted);
        }
    }
}

fn source(pid: u32) -> CpuSource {
    match (Counter::start(pid), proc::reading(pid, pid)) {
        (Ok(_), Some(_)) => CpuSource::Perf,
        (Err(_), Some(_)) => CpuSource::Schedstat,
        (_, None) => CpuSource::None(format!(
            "/proc/{pid}/task/{pid}/schedstat or status cannot be read"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// What a thread has after it has done `work`, and what it had before.
    fn watched(source: Option<CpuSource>, work: fn()) -> (CpuReading, CpuReading) {
        let (tell, told) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let (done, finished) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            // SAFETY: the call has no preconditions.
            tell.send(unsafe { libc::gettid() } as u32).expect("heard");
            wait.recv().expect("told");
            work();
            done.send(()).expect("heard");
            // A test that failed has hung up.
            let _ = ended.recv();
        });
        let native_id = told.recv().expect("it starts");
        let mut watch = Watch::new(std::process::id());
        watch.source = source.unwrap_or(watch.source);
        watch.follow(&[native_id]);
        let before = watch.reading(native_id).expect("it lives");
        go.send(()).expect("it waits");
        finished.recv().expect("it works");
        watch.follow(&[native_id]);
        let after = watch.reading(native_id).expect("it lives");
        drop(end);
        thread.join().expect("it ends");
        (before, after)
    }

    fn spin() {
        // By its own CPU time, so that a busy machine changes nothing.
        let own = || {
            // SAFETY: the call has no preconditions.
            let thread = unsafe { libc::gettid() } as u32;
            proc::cpu_ns(std::process::id(), thread).expect("Linux tells")
        };
        let end = own() + 50_000_000;
        while own() < end {}
    }

    #[test]
    fn a_thread_that_spins_is_on_a_cpu_by_either_source() {
        for source in [None, Some(CpuSource::Schedstat)] {
            let (before, after) = watched(source, spin);
            let spent = after.since(before);
            assert!(spent.cpu_ns >= 45_000_000, "{spent:?}");
        }
    }

    #[test]
    fn a_thread_that_blocks_gives_its_cpu_up() {
        let sleep = || thread::sleep(std::time::Duration::from_millis(20));
        let (before, after) = watched(None, sleep);
        let spent = after.since(before);
        assert!(spent.voluntary >= 1, "{spent:?}");
        assert!(spent.cpu_ns < 10_000_000, "{spent:?}");
    }

    #[test]
    fn its_files_are_close_on_exec_and_gone_with_it() {
        let counters = || {
            let files = std::fs::read_dir("/proc/self/fd").expect("Linux has it");
            let links = files.filter_map(|file| {
                let path = file.ok()?.path();
                let target = std::fs::read_link(&path).ok()?;
                let number = path.file_name()?.to_str()?.to_owned();
                target.to_str()?.contains("perf_event").then_some(number)
            });
            links.collect::<Vec<_>>()
        };
        let pid = std::process::id();
        let before = counters();
        let mut watch = Watch::new(pid);
        watch.follow(&[pid]);
        for number in counters() {
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}"));
            let info = info.unwrap_or_default();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            let Some(flags) = flags else { continue };
            let flags = i32::from_str_radix(flags.trim(), 8).expect("octal");
            assert_ne!(flags & libc::O_CLOEXEC, 0, "{info}");
        }
        drop(watch);
        assert!(counters().len() <= before.len());
    }

    #[test]
    fn of_a_process_that_is_not_there_nothing_is_known_and_that_is_said() {
        let watch = Watch::new(u32::MAX / 2);
        assert!(matches!(watch.source(), CpuSource::None(reason) if reason.contains("/proc")));
    }
}
