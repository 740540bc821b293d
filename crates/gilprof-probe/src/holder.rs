//! Which thread had the GIL before anybody looked.
//!
//! A thread state has what `pthread_self()` gives, which on Linux points to itself
//! (`struct pthread` of glibc and musl), and has the kernel's number inside. Where in
//! there is found in that of the calling thread.

use gilprof_code::{Memory, ProcessMemory};

use crate::gils::thread_pointer;

/// How far a thread state is searched, in words, and what the thread library keeps of a
/// thread, in bytes.
const STATE_WORDS: usize = 96;
const THREAD_BYTES: usize = 1_536;

/// The kernel's number of the thread that a thread state is of. A state is shorter than what
/// is searched: what comes later in there may be another thread's. `state` must stay meanwhile.
// Must not allocate.
pub(crate) fn of(state: usize) -> Option<u32> {
    let memory = ProcessMemory::own();
    let place = place_of_number(&memory);
    let mut words = (0..STATE_WORDS).filter_map(move |index| {
        let at = state.checked_add(index * size_of::<usize>())?;
        let handle = memory.word(at as u64)?;
        let points_to_itself = handle != 0 && memory.word(handle) == Some(handle);
        let mut number = [0; size_of::<u32>()];
        let read = points_to_itself && memory.read(handle.checked_add(place?)?, &mut number);
        read.then(|| u32::from_ne_bytes(number))
    });
    words.find(|&number| number != 0)
}

/// Where the thread library keeps the kernel's number of a thread.
fn place_of_number(memory: &ProcessMemory) -> Option<u64> {
    // SAFETY: the call has no preconditions.
    let own = unsafe { libc::syscall(libc::SYS_gettid) } as u32;
    let mut bytes = [0; THREAD_BYTES];
    let length = memory.read_some(thread_pointer() as u64, &mut bytes);
    let words = bytes.get(..length)?.chunks_exact(size_of::<u32>());
    let mut places = (0_u64..).step_by(size_of::<u32>()).zip(words);
    let found = places.find(|(_, word)| **word == own.to_ne_bytes());
    found.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_names_this_thread_is_found_to_be_of_it() {
        let mut state = [7_usize; STATE_WORDS];
        state[11] = thread_pointer();
        // SAFETY: the call has no preconditions.
        let own = unsafe { libc::syscall(libc::SYS_gettid) } as u32;
        assert_eq!(of(state.as_ptr() as usize), Some(own));
    }

    #[test]
    fn a_state_is_not_of_the_thread_whose_state_lies_behind_it() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            // SAFETY: the call has no preconditions.
            let number = unsafe { libc::syscall(libc::SYS_gettid) } as u32;
            tell.send((thread_pointer(), number)).unwrap();
            ended.recv().unwrap_err();
        });
        let (pointer, number) = told.recv().unwrap();
        let mut state = [7_usize; STATE_WORDS];
        state[11] = pointer;
        state[60] = thread_pointer();
        assert_eq!(of(state.as_ptr() as usize), Some(number));
        drop(end);
        other.join().unwrap();
    }

    #[test]
    fn what_is_no_state_is_of_nobody() {
        assert_eq!(of(0), None);
        let state = [7_usize; STATE_WORDS];
        assert_eq!(of(state.as_ptr() as usize), None);
    }
}
