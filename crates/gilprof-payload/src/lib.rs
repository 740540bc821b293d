//! The hooks of gilprof as one piece of memory, to be put into a process that runs already.
//!
//! The build of `gilprof-attach` links it without any library, and of all code only that
//! stays which the hooks reach: no thread-local storage, no allocation, no panic, and of
//! the process's libc the few functions that a test of `gilprof-attach` lists.
#![cfg(target_os = "linux")]

#[cfg(target_arch = "x86_64")]
mod bytes;

use gilprof_region::Exports;

/// Where the parts are.
#[unsafe(no_mangle)]
pub static GILPROF_PAYLOAD: Exports = gilprof_probe::EXPORTS;
