//! Namespaces of processes.

use std::fs;

/// Whether a process is in the user namespace of this one. Where the namespaces themselves
/// may not be seen, their tables of users are compared.
pub(crate) fn is_same_user(pid: u32) -> bool {
    let link = |of: &str| fs::read_link(format!("/proc/{of}/ns/user"));
    let table = |of: &str| fs::read_to_string(format!("/proc/{of}/uid_map")).ok();
    let other = pid.to_string();
    match (link("self"), link(&other)) {
        (Ok(own), Ok(other)) => own == other,
        _ => table("self") == table(&other),
    }
}
