//! The kernel's names for threads that nobody has named.

use gilprof_region::Region;

use crate::numbers::Numbers;

/// Names the threads of the recorded process that have no name yet.
pub(crate) fn from_kernel(region: &Region) {
    let pid = region.recording().pid;
    let mut numbers = Numbers::default();
    for native_id in region.nameless() {
        let Some(here) = numbers.here(pid, native_id) else {
            continue;
        };
        let path = format!("/proc/{pid}/task/{here}/comm");
        if let Ok(name) = std::fs::read_to_string(path) {
            region.name_nameless(native_id, name.trim_end());
        }
    }
}
