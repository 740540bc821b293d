//! What went wrong.

use std::cell::RefCell;
use std::ffi::{CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

use gilprof_rust::Error;

/// What became of a call. Values are never given another meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum gilprof_status {
    /// It is done.
    GILPROF_OK = 0,
    /// Something else than what follows went wrong.
    GILPROF_FAILED = 1,
    /// The Python of this process cannot be profiled, or there is none.
    GILPROF_UNSUPPORTED = 2,
    /// An option or an argument is not allowed.
    GILPROF_NOT_ALLOWED = 3,
    /// Nothing is recorded.
    GILPROF_NOT_RUNNING = 4,
    /// gilprof has an error of its own.
    GILPROF_BROKEN = 5,
}

/// What went wrong, with the status that stands for it.
#[derive(Debug)]
pub(crate) struct Failure {
    status: gilprof_status,
    text: String,
}

impl Failure {
    pub(crate) fn not_allowed(text: impl Into<String>) -> Self {
        Failure {
            status: gilprof_status::GILPROF_NOT_ALLOWED,
            text: text.into(),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match &error {
            error if error.is_unsupported() => gilprof_status::GILPROF_UNSUPPORTED,
            error if error.is_option() => gilprof_status::GILPROF_NOT_ALLOWED,
            Error::NotRunning => gilprof_status::GILPROF_NOT_RUNNING,
            _ => gilprof_status::GILPROF_FAILED,
        };
        Failure {
            status,
            text: error.to_string(),
        }
    }
}

thread_local!(static LAST: RefCell<Option<CString>> = const { RefCell::new(None) });

/// What the last call of this thread that failed has said, in words; empty before the first.
/// It stays as it is until another call of this thread fails, and is not to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn gilprof_last_error() -> *const c_char {
    // A thread that is ending may have lost it.
    let last = LAST.try_with(|last| last.borrow().as_ref().map(|text| text.as_ptr()));
    last.ok().flatten().unwrap_or(c"".as_ptr())
}

/// Does it, and keeps in words what goes wrong, be it a panic.
pub(crate) fn told<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, gilprof_status> {
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_panic| {
        Err(Failure {
            status: gilprof_status::GILPROF_BROKEN,
            text: "gilprof has an error of its own, which it has written to standard error".into(),
        })
    });
    done.map_err(|failure| {
        // A thread that is ending has nobody who would ask.
        if let Err(_unheard) = LAST.try_with(|last| last.replace(CString::new(failure.text).ok())) {
        }
        failure.status
    })
}

/// The same as a status.
pub(crate) fn status(work: impl FnOnce() -> Result<(), Failure>) -> gilprof_status {
    match told(work) {
        Ok(()) => gilprof_status::GILPROF_OK,
        Err(status) => status,
    }
}
