//! What threads are called.

use std::ffi::c_char;

use crate::error::{gilprof_status, status};
use crate::text::given;

/// Names the calling thread in the recording that is on.
///
/// # Safety
/// `name` is a string that ends with a null byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gilprof_name_thread(name: *const c_char) -> gilprof_status {
    status(|| {
        // SAFETY: the caller's promise.
        gilprof_rust::name_this_thread(unsafe { given("name", name) }?);
        Ok(())
    })
}
