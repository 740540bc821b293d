//! Watching threads that no hook sees.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gilprof_core::{CpuReading, CpuSource};

use crate::counter::Counter;
use crate::proc;

/// How many counters are open at a time: each takes a file of the program's.
const COUNTERS: usize = 64;

/// A counter costs its thread some microseconds at each context switch. So only a thread
/// that has no more of them than one in this time gets one.
const CALM: Duration = Duration::from_millis(10);

/// And only when it has been followed for so long: most threads that are there at the start
/// touch the GIL soon, and are followed no more.
const SEEN: Duration = Duration::from_millis(100);

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
    /// When it was looked at how calm it is, and what it had then.
    seen: (Instant, CpuReading),
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
                Some(watched) => {
                    watched.read(self.pid, thread);
                    match watched.was_calm() {
                        Some(true) => self.count(thread),
                        Some(false) => watched.counter = None,
                        None => (),
                    }
                }
                None => self.begin(thread),
            }
        }
    }

    fn begin(&mut self, thread: u32) {
        if let Some(start) = proc::reading(self.pid, thread) {
            self.threads.insert(thread, Watched::new(start));
        }
    }

    fn count(&mut self, thread: u32) {
        let open = self.threads.values().filter(|one| one.counter.is_some());
        let is_room = open.count() < COUNTERS;
        if let Some(watched) = self.threads.get_mut(&thread)
            && watched.counter.is_none()
            && is_room
            // Where this one is refused, /proc does.
            && let Ok(counter) = Counter::start(thread)
        {
            watched.start = watched.last;
            watched.counter = Some(counter);
            self.source = CpuSource::Perf;
        }
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
    fn new(start: CpuReading) -> Self {
        Watched {
            counter: None,
            start,
            last: start,
            seen: (Instant::now(), start),
        }
    }

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

    /// Whether it had few context switches since that was last told; `None` where it is too
    /// early to tell.
    fn was_calm(&mut self) -> Option<bool> {
        let (then, had) = self.seen;
        let past = then.elapsed();
        if past < SEEN {
            return None;
        }
        self.seen = (Instant::now(), self.last);
        let since = self.last.since(had);
        let switches = u128::from(since.voluntary + since.involuntary);
        Some(switches * CALM.as_nanos() <= past.as_nanos())
    }
}

fn source(pid: u32) -> CpuSource {
    match proc::reading(pid, pid) {
        Some(_) => CpuSource::Schedstat,
        None => CpuSource::None(format!(
            "/proc/{pid}/task/{pid}/schedstat or status cannot be read"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// A thread that does what it is told, and who watches it.
    struct Watching {
        watch: Watch,
        native_id: u32,
        works: mpsc::Sender<fn()>,
        done: mpsc::Receiver<()>,
    }

    impl Watching {
        fn new() -> Self {
            let (tell, told) = mpsc::channel();
            let (works, to_do) = mpsc::channel::<fn()>();
            let (tell_done, done) = mpsc::channel();
            // It ends when `works` is dropped.
            thread::spawn(move || {
                // SAFETY: the call has no preconditions.
                tell.send(unsafe { libc::gettid() } as u32).expect("heard");
                for work in to_do {
                    work();
                    tell_done.send(()).expect("heard");
                }
            });
            let native_id = told.recv().expect("it starts");
            let mut watch = Watch::new(std::process::id());
            watch.follow(&[native_id]);
            Watching {
                watch,
                native_id,
                works,
                done,
            }
        }

        fn watched(&mut self) -> &mut Watched {
            self.watch.threads.get_mut(&self.native_id).expect("known")
        }

        /// Has it seen as calm as it was for long enough.
        fn follow_for_long(&mut self) {
            self.watched().seen.0 -= SEEN;
            self.watch.follow(&[self.native_id]);
        }

        /// What the thread counts while it does `work`.
        fn count(&mut self, work: fn()) -> CpuReading {
            let before = self.watch.reading(self.native_id).expect("it lives");
            self.works.send(work).expect("it waits");
            self.done.recv().expect("it works");
            self.watch.follow(&[self.native_id]);
            let after = self.watch.reading(self.native_id).expect("it lives");
            after.since(before)
        }
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

    fn sleep_often() {
        (0..300).for_each(|_| thread::sleep(Duration::from_micros(1)));
    }

    #[test]
    fn a_thread_that_spins_is_on_a_cpu_with_and_without_a_counter() {
        let mut watching = Watching::new();
        for _ in 0..2 {
            let spent = watching.count(spin);
            assert!(spent.cpu_ns >= 45_000_000, "{spent:?}");
            watching.follow_for_long();
        }
    }

    #[test]
    fn a_thread_that_blocks_gives_its_cpu_up() {
        let spent = Watching::new().count(|| thread::sleep(Duration::from_millis(20)));
        assert!(spent.voluntary >= 1, "{spent:?}");
        assert!(spent.cpu_ns < 10_000_000, "{spent:?}");
    }

    #[test]
    fn who_switches_often_has_no_counter_that_would_slow_it_down() {
        let mut watching = Watching::new();
        assert!(watching.watched().counter.is_none(), "it may wake up soon");
        watching.follow_for_long();
        let is_counted = watching.watched().counter.is_some();
        assert_eq!(is_counted, Counter::start(watching.native_id).is_ok());
        assert_eq!(is_counted, *watching.watch.source() == CpuSource::Perf);
        watching.count(sleep_often);
        watching.follow_for_long();
        assert!(watching.watched().counter.is_none());
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
        let before = counters();
        let mut watching = Watching::new();
        watching.follow_for_long();
        for number in counters() {
            let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}"));
            let info = info.unwrap_or_default();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            let Some(flags) = flags else { continue };
            let flags = i32::from_str_radix(flags.trim(), 8).expect("octal");
            assert_ne!(flags & libc::O_CLOEXEC, 0, "{info}");
        }
        drop(watching);
        assert!(counters().len() <= before.len());
    }

    #[test]
    fn of_a_process_that_is_not_there_nothing_is_known_and_that_is_said() {
        let watch = Watch::new(u32::MAX / 2);
        assert!(matches!(watch.source(), CpuSource::None(reason) if reason.contains("/proc")));
    }
}
