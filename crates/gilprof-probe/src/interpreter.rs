//! Which interpreter a thread state belongs to.

use std::ffi::c_void;
use std::mem::transmute;

use gilprof_code::{Memory, ProcessMemory};

use crate::errno;
use crate::process::words;
use crate::python::{Attached, symbol};

type InterpreterOfState = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// How far a thread state is searched.
const WORDS: usize = 8;

/// Where thread states point to their interpreters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InterpreterOf {
    /// In bytes.
    offset: u64,
}

impl InterpreterOf {
    /// Learns it from the state of this thread, of which CPython tells; `None` where it
    /// is not found.
    pub(crate) fn find(attached: &Attached<'_>) -> Option<Self> {
        let address = symbol(c"PyThreadState_GetInterpreter")?;
        // SAFETY: CPython declares the function with this type, since 3.9.
        let get = unsafe { transmute::<*mut c_void, InterpreterOfState>(address) };
        let state = attached.state();
        // SAFETY: the state of this thread, which holds the GIL.
        let interpreter = unsafe { get(state as *mut c_void) } as usize;
        let words = words(state, WORDS);
        let place = words.iter().position(|&word| word == interpreter)?;
        Some(Self {
            offset: (place * size_of::<usize>()) as u64,
        })
    }

    /// What one who attaches has learned; `None` where that is nothing.
    pub(crate) fn told(offset: u64) -> Option<Self> {
        (offset > 0).then_some(Self { offset })
    }

    /// The address of the interpreter of a state; `None` where it is gone.
    // Must not allocate.
    pub(crate) fn state(self, state: usize) -> Option<u64> {
        let mut word = [0; size_of::<u64>()];
        // At the end of an interpreter a GIL may name a state that is freed already.
        let place = (state as u64).checked_add(self.offset)?;
        let read = errno::kept(|| ProcessMemory::own().read(place, &mut word));
        read.then(|| u64::from_ne_bytes(word))
            .filter(|&word| word != 0)
    }
}
