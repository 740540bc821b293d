//! Opening the books of a process that runs already, as far as that is done from outside.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use gilprof_region::{Clock, Recording, Region};

use crate::setup::Setup;

/// Writes what is known at the start: the recording and its threads.
pub(crate) fn prepare(region: &Region, pid: u32, clock: Clock, setup: &Setup) {
    let now_ns = clock.now_ns();
    region.start(&Recording {
        pid,
        clock,
        started_ns: now_ns,
        started_unix_ns: unix_ns(),
        switch_interval_ns: setup.switch_interval_ns,
        event_cost_ps: setup.costs_ps[0],
        reading_cost_ps: setup.costs_ps[1],
        python: setup.python,
        cpus: cpus(pid),
    });
    match (&setup.stacks, &setup.stacks_missing) {
        (Some(plan), _) => region.take_stacks(plan),
        (None, Some(reason)) => region.miss_stacks(&format!("n/a ({reason})")),
        (None, None) => region.miss_stacks("n/a (no layout of frames is known)"),
    }
    for (tid, here, name) in threads(pid) {
        region.adopt(tid, now_ns, &name, gilprof_os::reading(pid, here));
    }
    region.show_up(now_ns);
}

fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// The threads there are: the ids that they know themselves by, those that they have here,
/// and their names.
fn threads(pid: u32) -> Vec<(u32, u32, String)> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/task"));
    let paths = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let thread = |path: PathBuf| {
        let status = std::fs::read_to_string(path.join("status")).ok()?;
        let name = field(&status, "Name:")?.to_owned();
        // In a container, the last id is the one in there.
        let tid = field(&status, "NSpid:")?.split_whitespace().last()?;
        let here = path.file_name()?.to_str()?;
        Some((tid.parse().ok()?, here.parse().ok()?, name))
    };
    paths.filter_map(thread).collect()
}

/// How many CPUs the process may use by its affinity; 0 where not known.
fn cpus(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let set = field(&status, "Cpus_allowed:").unwrap_or_default();
    let digits = set.chars().filter_map(|digit| digit.to_digit(16));
    digits.map(u32::count_ones).sum()
}

fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim())
}
