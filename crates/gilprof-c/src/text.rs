//! Text from C and to C.

use std::ffi::{CStr, CString, c_char};

use crate::error::Failure;

/// The text at `text`, which is called `name`.
///
/// # Safety
/// `text` is null or points to bytes that end with a null byte and stay for as long as the
/// result is used.
pub(crate) unsafe fn given<'t>(name: &str, text: *const c_char) -> Result<&'t str, Failure> {
    if text.is_null() {
        return Err(Failure::not_allowed(format!(
            "{name}: NULL is not allowed: a string"
        )));
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| {
        Failure::not_allowed(format!(
            "{name}: {text:?} is not allowed: a string in UTF-8"
        ))
    })
}

/// Text that the caller is to give back to [`gilprof_free`].
pub(crate) fn owned(text: String) -> Result<*mut c_char, Failure> {
    let text = CString::new(text)
        .map_err(|error| Failure::not_allowed(format!("a text with a null character: {error}")))?;
    Ok(text.into_raw())
}

/// Frees what `gilprof_stop()`, `gilprof_snapshot_json()` or `gilprof_openmetrics()` gave. NULL is
/// allowed.
///
/// # Safety
/// `text` is NULL or from one of these, and is freed once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gilprof_free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: it comes from `owned`, and is given back once.
        drop(unsafe { CString::from_raw(text) });
    }
}
