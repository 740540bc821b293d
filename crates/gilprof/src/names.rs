//! The kernel's names for threads that nobody has named.

use gilprof_region::Region;

/// Names the threads of the recorded process that have no name yet.
pub(crate) fn from_kernel(region: &Region) {
    let pid = region.recording().pid;
    for native_id in region.nameless() {
        let path = format!("/proc/{pid}/task/{native_id}/comm");
        if let Ok(name) = std::fs::read_to_string(path) {
            region.name_nameless(native_id, name.trim_end());
        }
    }
}
