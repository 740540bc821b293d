//! The numbers of a process's threads: its own, which the hooks see, and those that `/proc`
//! and the kernel's counters know here.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often threads are looked for that are not known yet.
const READ: Duration = Duration::from_millis(50);

/// The numbers that the threads of one process have here. They differ from its own where it
/// is in another pid namespace, as in a container.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// Whether they are the same; `None` until that is known.
    same: Option<bool>,
    here: HashMap<u32, u32>,
    read: Option<Instant>,
}

impl Numbers {
    /// The number that a thread of the process has here; `None` where it is not known.
    pub(crate) fn here(&mut self, pid: u32, own: u32) -> Option<u32> {
        if *self.same.get_or_insert_with(|| is_same(pid)) {
            return Some(own);
        }
        let is_due = self.read.is_none_or(|read| read.elapsed() >= READ);
        if !self.here.contains_key(&own) && is_due {
            self.here = gilprof_attach::tasks(pid);
            self.read = Some(Instant::now());
        }
        self.here.get(&own).copied()
    }
}

/// Whether the process numbers its threads as we do: then it has one number for us, not one
/// more for each namespace that it is further in.
fn is_same(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    ids.is_none_or(|ids| ids.split_whitespace().count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_of_this_process_have_their_own_numbers() {
        let pid = std::process::id();
        assert_eq!(Numbers::default().here(pid, 7), Some(7));
    }

    #[test]
    fn elsewhere_a_thread_that_is_not_known_has_no_number() {
        let mut numbers = Numbers {
            same: Some(false),
            ..Numbers::default()
        };
        let pid = std::process::id();
        assert_eq!(numbers.here(pid, pid), Some(pid));
        assert_eq!(numbers.here(pid, u32::MAX), None);
    }
}
