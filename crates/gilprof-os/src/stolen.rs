//! Time that the host of a virtual machine keeps its CPUs from it.

use std::fs::read_to_string;

/// For how long the host has kept CPUs from this machine since it started, in ns, all CPUs
/// together ("steal"); `None` where Linux does not tell. It is counted in ticks of 10 ms and
/// is in no thread's CPU time.
///
/// ```
/// if let Some(stolen_ns) = gilprof_os::stolen_ns() {
///     assert!(gilprof_os::stolen_ns() >= Some(stolen_ns));
/// }
/// ```
pub fn stolen_ns() -> Option<u64> {
    // SAFETY: it takes a number and gives one.
    let a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    let a_second = u64::try_from(a_second).ok().filter(|&ticks| ticks > 0)?;
    let ticks = ticks(&read_to_string("/proc/stat").ok()?)?;
    Some(ticks.saturating_mul(1_000_000_000 / a_second))
}

/// The eighth number of all CPUs: after user, nice, system, idle, iowait, irq and softirq.
fn ticks(stat: &str) -> Option<u64> {
    let all = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    all.split_ascii_whitespace().nth(7)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eighth_number_of_all_cpus_is_what_the_host_kept() {
        let stat = "cpu  1 2 3 4 5 6 7 88 9 10\ncpu0 1 2 3 4 5 6 7 44 9 10\n";
        assert_eq!(ticks(stat), Some(88));
    }

    #[test]
    fn of_a_system_that_does_not_tell_nothing_is_known() {
        assert_eq!(ticks("cpu  1 2 3 4 5 6 7\n"), None);
        assert_eq!(ticks("intr 1 2 3 4 5 6 7 8\n"), None);
        assert_eq!(ticks(""), None);
    }
}
