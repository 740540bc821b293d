//! What `/proc` says of a thread.

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
    fn of_a_thread_that_is_not_there_nothing_is_known() {
        assert_eq!(reading(std::process::id(), u32::MAX), None);
    }
}
