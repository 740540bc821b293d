//! What the CPUs' own counters count of each thread, where that is asked for.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant};

use gilprof_os::{Counted, HardwareCounters};
use gilprof_region::{Cut, Region};

use crate::numbers::Numbers;

/// How often threads are looked for that have none yet.
const EVERY: Duration = Duration::from_millis(20);
/// How many threads are counted at a time: each takes two files.
const THREADS: usize = 128;

/// What counts for one thread.
pub(crate) trait Counters: Sized {
    fn start(native_id: u32) -> io::Result<Self>;
    fn read(&mut self) -> io::Result<Counted>;
}

impl Counters for HardwareCounters {
    fn start(native_id: u32) -> io::Result<Self> {
        HardwareCounters::start(native_id)
    }

    fn read(&mut self) -> io::Result<Counted> {
        self.read()
    }
}

/// The counters of a recording's threads, by their numbers.
#[derive(Debug)]
pub(crate) struct Hardware<C = HardwareCounters> {
    open: HashMap<u32, C>,
    /// What was counted by counters that are closed.
    sums: HashMap<u32, Counted>,
    looked: Option<Instant>,
    numbers: Numbers,
    missing: Option<String>,
}

impl<C: Counters> Hardware<C> {
    pub(crate) fn new() -> Self {
        Hardware {
            open: HashMap::new(),
            sums: HashMap::new(),
            looked: None,
            numbers: Numbers::default(),
            missing: None,
        }
    }

    /// Begins to count for threads that are new, if it is time for that.
    pub(crate) fn look(&mut self, region: &Region) {
        let is_due = self.looked.is_none_or(|then| then.elapsed() >= EVERY);
        if is_due && self.missing.is_none() {
            self.looked = Some(Instant::now());
            let living = region.present().map(|one| (one.thread, one.native_id));
            self.follow(region.recording().pid, &living.collect());
        }
    }

    /// Counts for these threads of the process, by their ids, and for no others.
    fn follow(&mut self, pid: u32, living: &HashMap<u32, u32>) {
        let ended = self
            .open
            .extract_if(|thread, _| !living.contains_key(thread));
        for (thread, counters) in ended.collect::<Vec<_>>() {
            self.close(thread, counters);
        }
        for (&thread, &native_id) in living {
            if self.open.len() < THREADS
                && !self.open.contains_key(&thread)
                && let Some(here) = self.numbers.here(pid, native_id)
            {
                self.start(thread, here);
            }
        }
    }

    fn start(&mut self, thread: u32, native_id: u32) {
        match C::start(native_id) {
            Ok(counters) => drop(self.open.insert(thread, counters)),
            // It has ended meanwhile.
            Err(refused) if refused.raw_os_error() == Some(libc::ESRCH) => (),
            Err(refused) if self.open.is_empty() && self.sums.is_empty() => {
                self.missing = Some(HardwareCounters::missing(&refused));
            }
            // The others are counted.
            Err(_) => (),
        }
    }

    fn close(&mut self, thread: u32, mut counters: C) {
        if let Ok(counted) = counters.read() {
            self.sums.entry(thread).or_default().add(counted);
        }
    }

    /// The row of an ended thread went into that of its group.
    pub(crate) fn fold(&mut self, thread: u32, group: u32) {
        if let Some(counters) = self.open.remove(&thread) {
            self.close(thread, counters);
        }
        if let Some(counted) = self.sums.remove(&thread) {
            self.sums.entry(group).or_default().add(counted);
        }
    }

    /// Completes the rows of all threads that were counted.
    pub(crate) fn complete(&mut self, cut: &mut Cut) {
        for row in &mut cut.threads {
            let counted = u32::try_from(row.id).ok().and_then(|id| self.counted(id));
            row.instructions = counted.map(|counted| counted.instructions);
            row.cycles = counted.map(|counted| counted.cycles);
            row.counted_ns = counted.map(|counted| counted.time_ns);
        }
    }

    /// What was counted of a thread so far; `None` where nothing ever was.
    fn counted(&mut self, thread: u32) -> Option<Counted> {
        let closed = self.sums.get(&thread).copied();
        let open = self.open.get_mut(&thread);
        let Some(Ok(mut counted)) = open.map(Counters::read) else {
            return closed;
        };
        counted.add(closed.unwrap_or_default());
        Some(counted)
    }

    /// Why nothing is counted.
    pub(crate) fn missing(&self) -> Option<String> {
        self.missing.clone()
    }

    /// Closes all files, until it goes on.
    pub(crate) fn pause(&mut self) {
        for (thread, counters) in std::mem::take(&mut self.open) {
            self.close(thread, counters);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts one more each time it is read; of some threads it cannot.
    #[derive(Debug)]
    struct Fake(Counted);

    const ENDED: u32 = 1_000;
    const REFUSED: u32 = 2_000;

    impl Counters for Fake {
        fn start(native_id: u32) -> io::Result<Self> {
            match native_id {
                ENDED => Err(io::Error::from_raw_os_error(libc::ESRCH)),
                REFUSED => Err(io::Error::from_raw_os_error(libc::ENOENT)),
                _ => Ok(Fake(Counted::default())),
            }
        }

        fn read(&mut self) -> io::Result<Counted> {
            self.0.add(Counted {
                instructions: 3,
                cycles: 2,
                time_ns: 1,
            });
            Ok(self.0)
        }
    }

    fn counting(threads: &[(u32, u32)]) -> Hardware<Fake> {
        let mut hardware = Hardware::new();
        follow(&mut hardware, threads);
        hardware
    }

    fn follow(hardware: &mut Hardware<Fake>, threads: &[(u32, u32)]) {
        hardware.follow(std::process::id(), &threads.iter().copied().collect());
    }

    fn cycles(hardware: &mut Hardware<Fake>, thread: u32) -> Option<u64> {
        hardware.counted(thread).map(|counted| counted.cycles)
    }

    #[test]
    fn an_ended_thread_keeps_what_was_counted_and_takes_it_to_its_group() {
        let mut hardware = counting(&[(1, 11), (2, 12)]);
        assert_eq!(cycles(&mut hardware, 1), Some(2));
        follow(&mut hardware, &[(2, 12)]);
        assert_eq!(cycles(&mut hardware, 1), Some(4));
        assert_eq!(cycles(&mut hardware, 1), Some(4));
        hardware.fold(1, 9);
        hardware.fold(2, 9);
        assert_eq!(cycles(&mut hardware, 1), None);
        assert_eq!(cycles(&mut hardware, 9), Some(6));
    }

    #[test]
    fn after_a_pause_counting_goes_on() {
        let mut hardware = counting(&[(1, 11)]);
        hardware.pause();
        assert!(hardware.open.is_empty());
        follow(&mut hardware, &[(1, 11)]);
        assert_eq!(cycles(&mut hardware, 1), Some(4));
    }

    #[test]
    fn of_a_thread_that_was_never_counted_nothing_is_known() {
        let mut hardware = counting(&[(1, ENDED)]);
        assert_eq!(cycles(&mut hardware, 1), None);
        assert_eq!(hardware.missing(), None);
    }

    #[test]
    fn a_machine_without_counters_is_asked_once_and_its_reason_kept() {
        let mut hardware = counting(&[(1, REFUSED)]);
        assert!(hardware.missing().unwrap().starts_with("n/a (the CPUs"));
        assert_eq!(cycles(&mut hardware, 1), None);
    }

    #[test]
    fn so_many_threads_are_counted_and_no_more() {
        let threads: Vec<(u32, u32)> = (1..=200).map(|one| (one, one)).collect();
        let hardware = counting(&threads);
        assert_eq!(hardware.open.len(), THREADS);
    }
}
