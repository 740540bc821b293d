//! The threads of a process by their numbers, in its own namespace and in ours.

use std::collections::HashMap;

/// The threads of a process: the numbers that it sees itself, to those that we see; none
/// where the system does not tell.
pub fn tasks(pid: u32) -> HashMap<u32, u32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let own = threads.filter_map(|thread| {
        let status = std::fs::read_to_string(thread.path().join("status")).ok()?;
        let mut lines = status.lines();
        let ids = lines.find_map(|line| line.strip_prefix("NSpid:"))?;
        let mut ids = ids.split_whitespace().map(|id| id.parse().ok());
        let outer = ids.next()??;
        Some((ids.next_back().flatten().unwrap_or(outer), outer))
    });
    own.collect()
}
