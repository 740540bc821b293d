//! What has to happen around `os.fork()`.

use std::ffi::{c_int, c_void};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use gilprof::fork;
use pyo3::ffi;
use pyo3::prelude::*;

/// For how long what follows a fork is put off at most, should `os.fork()` not come back to
/// who called it.
const PUT_OFF: Duration = Duration::from_millis(100);

/// A fork in a process of one thread, in whose parent nothing goes on yet.
static FORKED: Mutex<Option<Forked>> = Mutex::new(None);

struct Forked {
    at: Instant,
    /// Who called `os.fork()`.
    caller: Option<Py<PyAny>>,
}

/// Before a fork, in the parent.
#[pyfunction]
pub(crate) fn before_fork(py: Python<'_>) {
    py.detach(fork::before);
}

/// After a fork, in the parent. Right after this and what others do then Python looks, from
/// 3.12 on, whether the process has several threads, and warns if so: where all the program's
/// own are this one, ours begin once `os.fork()` has come back.
#[pyfunction]
pub(crate) fn after_fork_in_parent(py: Python<'_>) {
    if py.version_info() >= (3, 12) && fork::has_one_thread() && calls_soon(py) {
        let caller = frame(py).map(Bound::unbind);
        let at = Instant::now();
        drop(replaced(Some(Forked { at, caller })));
        return;
    }
    py.detach(fork::after_in_parent);
}

/// After a fork, in the child.
#[pyfunction]
pub(crate) fn after_fork_in_child(py: Python<'_>) {
    drop(replaced(None));
    py.detach(fork::after_in_child);
}

fn replaced(with: Option<Forked>) -> Option<Forked> {
    // Nobody panics who holds it.
    let mut forked = FORKED.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::replace(&mut forked, with)
}

/// Has Python's main thread go on between two of its instructions; false where too much is
/// waiting for that.
fn calls_soon(_attached: Python<'_>) -> bool {
    // SAFETY: Python is initialized, the function is of a library that is never unloaded, and
    // it makes nothing of its argument.
    unsafe { ffi::Py_AddPendingCall(Some(goes_on), std::ptr::null_mut()) == 0 }
}

extern "C" fn goes_on(_nothing: *mut c_void) -> c_int {
    Python::attach(|py| {
        let forked = replaced(None);
        if let Some(forked) = forked
            && is_under_way(py, &forked)
            && calls_soon(py)
        {
            drop(replaced(Some(forked)));
        } else {
            py.detach(fork::after_in_parent);
        }
    });
    0
}

/// Whether Python is in what others do after a fork, which `os.fork()` calls.
fn is_under_way(py: Python<'_>, forked: &Forked) -> bool {
    let callers = std::iter::successors(frame(py), |frame| {
        frame.getattr("f_back").ok().filter(|back| !back.is_none())
    });
    let is_caller = |frame: Bound<'_, PyAny>| {
        let caller = forked.caller.as_ref();
        caller.is_some_and(|caller| frame.is(caller))
    };
    forked.at.elapsed() < PUT_OFF && callers.skip(1).any(is_caller)
}

/// The innermost Python function that runs.
fn frame(py: Python<'_>) -> Option<Bound<'_, PyAny>> {
    // SAFETY: the thread is attached.
    let frame = unsafe { ffi::PyEval_GetFrame() };
    // SAFETY: it is a borrowed reference to an object, or null.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, frame.cast()) }
}
