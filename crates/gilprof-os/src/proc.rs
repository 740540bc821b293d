//! What `/proc` says of a thread.

use std::fs::File;
use std::os::unix::fs::FileExt;

use gilprof_core::CpuReading;

/// Time the thread was on a CPU since its birth, as old as its last timer tick while it
/// runs; `None` where it is not there or the system does not tell.
pub fn cpu_ns(pid: u32, thread: u32) -> Option<u64> {
    on_cpu(&read(pid, thread, "schedstat")?)
}

/// The same with its context switches.
pub fn reading(pid: u32, thread: u32) -> Option<CpuReading> {
    let status = read(pid, thread, "status")?;
    Some(CpuReading {
        cpu_ns: cpu_ns(pid, thread)?,
        voluntary: number(&status, "voluntary_ctxt_switches:")?,
        involuntary: number(&status, "nonvoluntary_ctxt_switches:")?,
    })
}

/// The file in which the kernel counts how often a thread got a CPU, kept open.
#[derive(Debug)]
pub struct Turns(File);

/// No line of the file is longer.
const LINE: usize = 96;

impl Turns {
    /// That of a thread; `None` where it is not there.
    pub fn of(pid: u32, thread: u32) -> Option<Self> {
        let file = File::open(format!("/proc/{pid}/task/{thread}/schedstat"));
        file.ok().map(Turns)
    }

    /// How often the thread got a CPU: while this stays the same, it has done nothing. `None`
    /// where the thread is gone or the system does not count.
    pub fn count(&self) -> Option<u64> {
        let mut line = [0; LINE];
        let length = self.0.read_at(&mut line, 0).ok()?;
        let text = std::str::from_utf8(line.get(..length)?).ok()?;
        let count = text.split_ascii_whitespace().nth(2)?.parse().ok()?;
        Some(count).filter(|&count: &u64| count > 0)
    }
}

fn read(pid: u32, thread: u32, file: &str) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/{file}")).ok()
}

/// Run time, run-queue delay and time slices stand in a line.
fn on_cpu(schedstat: &str) -> Option<u64> {
    schedstat.split_ascii_whitespace().next()?.parse().ok()
}

fn number(status: &str, key: &str) -> Option<u64> {
    let mut values = status.lines().filter_map(|line| line.strip_prefix(key));
    values.next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_is_the_time_on_a_cpu() {
        assert_eq!(on_cpu("123456 789 10\n"), Some(123_456));
        assert_eq!(on_cpu("\n"), None);
        assert_eq!(on_cpu("n/a 1 2"), None);
    }

    #[test]
    fn both_kinds_of_switches_are_found_by_their_names() {
        let status = "Name:\tp\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t7\n";
        assert_eq!(number(status, "voluntary_ctxt_switches:"), Some(5));
        assert_eq!(number(status, "nonvoluntary_ctxt_switches:"), Some(7));
        assert_eq!(number("Name:\tp\n", "voluntary_ctxt_switches:"), None);
    }

    #[test]
    fn who_sleeps_has_no_turns_until_it_wakes() {
        let sleeper = std::process::Command::new("sleep").arg("60").spawn();
        let mut sleeper = sleeper.unwrap();
        let pid = sleeper.id();
        let sleeps = || {
            let call = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            call.contains("(sleep) S")
        };
        while !sleeps() {}
        let turns = Turns::of(pid, pid).unwrap();
        let before = turns.count();
        let own = Turns::of(std::process::id(), std::process::id()).unwrap();
        assert!(before.is_some() && own.count().is_some());
        assert_eq!(turns.count(), before);
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert_eq!(turns.count(), None);
    }

    #[test]
    fn of_a_thread_that_is_not_there_nothing_is_known() {
        assert_eq!(reading(std::process::id(), u32::MAX), None);
    }
}
