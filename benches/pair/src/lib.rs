//! Releases and takes the GIL in a tight loop, as fast as an extension module
//! can: the finest measure there is of what a profiler adds to it. The benches
//! load it with `ctypes.PyDLL`, which calls it with the GIL held.

use std::ffi::c_void;
use std::time::Instant;

// The interpreter that loads this library exports both, in every version.
unsafe extern "C" {
    fn PyEval_SaveThread() -> *mut c_void;
    fn PyEval_RestoreThread(state: *mut c_void);
}

/// Nanoseconds that one release and acquire of the GIL took, as the mean over
/// `pairs` of them.
///
/// # Safety
/// The caller holds the GIL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pair_ns(pairs: u64) -> f64 {
    let begin = Instant::now();
    for _ in 0..pairs {
        // SAFETY: the GIL is held: the caller promised it for the first round,
        // and every round ends with taking it again.
        let state = unsafe { PyEval_SaveThread() };
        // SAFETY: this is the state that this thread has just released.
        unsafe { PyEval_RestoreThread(state) };
    }
    begin.elapsed().as_nanos() as f64 / pairs as f64
}
