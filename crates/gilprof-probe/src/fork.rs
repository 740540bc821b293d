//! The child of a fork starts clean.

use std::sync::Once;

use crate::active::{self, Active};
use crate::{gils, probe};

/// Has the C library call [`in_child`] after every fork, once per process.
pub(crate) fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: `in_child` lives in a library that is never unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

/// Runs in the child before `fork` returns: only this thread exists, and the
/// others may have been anywhere, so nothing here locks or allocates.
unsafe extern "C" fn in_child() {
    // A copy: turning off lets the original change.
    let inherited = active::recording().copied();
    forget();
    probe::forget_lock_in_child();
    if let Some(inherited) = inherited {
        record_anew(&inherited);
    }
}

/// What the parent knew of its threads and GILs is not so here.
fn forget() {
    active::turn_off_in_child();
    gils::forget(1);
    gils::forget_threads_in_child();
}

/// The recording is the parent's: what is written from now on goes nowhere.
// Must not allocate.
pub(crate) fn leave_to_parent() {
    let inherited = active::recording().copied();
    forget();
    if let Some(inherited) = inherited {
        inherited.region.replace_in_child();
    }
}

/// Goes on recording in a region of the child's own. A region that another
/// process reads is the parent's: there the child stops.
fn record_anew(inherited: &Active) {
    let plan = inherited.region.stack_plan();
    if !inherited.region.replace_in_child() || inherited.shared {
        return;
    }
    // The parent's references to code objects stay: nobody gives them up here.
    if let Some(plan) = plan {
        inherited.region.take_stacks(&plan);
    }
    let now_ns = inherited.clock.now_ns();
    probe::start_books(inherited.region, &inherited.recording, now_ns);
    active::turn_on(Active {
        generation: probe::next_generation(),
        ..*inherited
    });
}
