//! Labels for what threads do.

use std::ffi::c_char;
use std::ptr;

use gilprof_rust::Spans;

use crate::error::told;
use crate::text::given;

/// A span of the thread that has begun it.
pub struct gilprof_span(Spans);

impl std::fmt::Debug for gilprof_span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Labels what the calling thread does until `gilprof_span_end()`: the profile has a row for
/// the label. NULL while nothing is recorded, and where the label is no string in UTF-8.
///
/// # Safety
/// `label` is NULL or a string that ends with a null byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gilprof_span_begin(label: *const c_char) -> *mut gilprof_span {
    if !gilprof_rust::is_running() {
        return ptr::null_mut();
    }
    let begun = told(|| {
        // SAFETY: the caller's promise.
        let label = unsafe { given("label", label) }?;
        let mut spans = Spans::default();
        spans.begin(|| label);
        Ok(Box::into_raw(Box::new(gilprof_span(spans))))
    });
    begun.unwrap_or(ptr::null_mut())
}

/// Ends a span, and frees it. In another thread than it was begun in it adds nothing. NULL is
/// allowed.
///
/// # Safety
/// `span` is NULL or from `gilprof_span_begin()`, and is ended once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gilprof_span_end(span: *mut gilprof_span) {
    if span.is_null() {
        return;
    }
    // SAFETY: it comes from `gilprof_span_begin` and is given back once.
    let mut span = unsafe { Box::from_raw(span) };
    // There is nobody to be told.
    if let Err(_unheard) = told(|| {
        span.0.end();
        Ok(())
    }) {}
}
