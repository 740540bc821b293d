//! errno, which the interpreter must find as it left it.

/// Runs `work`, and puts errno back.
// Must not allocate.
pub(crate) fn kept<T>(work: impl FnOnce() -> T) -> T {
    // SAFETY: the call has no preconditions.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: this thread's own errno, valid for as long as the thread lives.
    let before = unsafe { place.read() };
    let result = work();
    // SAFETY: as above.
    unsafe { place.write(before) };
    result
}
