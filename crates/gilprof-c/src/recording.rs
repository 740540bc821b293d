//! Starting and stopping, and what was found.

use std::ffi::c_char;
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gilprof_rust::core::Profile;
use gilprof_rust::{Error, Options, Profiler, Session, metrics};

use crate::error::{Failure, gilprof_status, status, told};
use crate::text::{given, owned};

/// Those that were started and not stopped, the last one last.
static STARTED: Mutex<Vec<Session>> = Mutex::new(Vec::new());

/// Held for a push or a pop only.
fn started() -> MutexGuard<'static, Vec<Session>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to record this process, or joins the recording that it makes already. Every start
/// needs its `gilprof_stop()`.
///
/// `options` is NULL, or text as in "threads=64,stacks=off": threads (how many can have a row
/// at a time), ring (how many events are kept for the reader, a power of two), clock ("auto"
/// or "monotonic"), stacks ("1ms" or "off"), timeline ("64MB" or "off") and counters
/// ("hardware" or "off").
///
/// # Safety
/// `options` is NULL or a string that ends with a null byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gilprof_start(options: *const c_char) -> gilprof_status {
    status(|| {
        let mut builder = Profiler::builder();
        if !options.is_null() {
            // SAFETY: the caller's promise.
            let options = unsafe { given("options", options) }?;
            builder = builder.options(options.parse::<Options>()?);
        }
        let session = builder.start()?;
        started().push(session);
        Ok(())
    })
}

/// Ends what the latest `gilprof_start()` began. The recording ends with the last of those who
/// have started it.
///
/// `profile` is NULL, or where the profile of all that time goes, as JSON: give it to
/// `gilprof_free()`. Where the call fails, NULL goes there.
///
/// # Safety
/// `profile` is NULL or can be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gilprof_stop(profile: *mut *mut c_char) -> gilprof_status {
    let is_wanted = !profile.is_null();
    let mut text = ptr::null_mut();
    let status = status(|| {
        let session = started().pop().ok_or(Error::NotRunning)?;
        let found = session.stop()?;
        if is_wanted {
            text = json(&found)?;
        }
        Ok(())
    });
    if is_wanted {
        // SAFETY: the caller's promise.
        unsafe { profile.write(text) };
    }
    status
}

/// The profile of the recording that is on, from its first start to now, as JSON: give it to
/// `gilprof_free()`. Nobody is stopped. NULL where it cannot be had.
#[unsafe(no_mangle)]
pub extern "C" fn gilprof_snapshot_json() -> *mut c_char {
    told(|| json(&gilprof_rust::snapshot()?)).unwrap_or(ptr::null_mut())
}

/// The numbers of the recording that is on, from its first start to now, as OpenMetrics 1.0, for
/// a metrics endpoint of the host's own: give the text to `gilprof_free()`. Nobody is stopped.
/// NULL where it cannot be had.
#[unsafe(no_mangle)]
pub extern "C" fn gilprof_openmetrics() -> *mut c_char {
    told(|| owned(metrics::openmetrics(&gilprof_rust::snapshot()?))).unwrap_or(ptr::null_mut())
}

/// Whether this process is being recorded.
#[unsafe(no_mangle)]
pub extern "C" fn gilprof_is_running() -> bool {
    gilprof_rust::is_running()
}

fn json(profile: &Profile) -> Result<*mut c_char, Failure> {
    owned(profile.to_json().map_err(Error::from)?)
}
