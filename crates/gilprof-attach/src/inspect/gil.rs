//! Where the GILs are.
//!
//! To 3.11 the one GIL lies in `_PyRuntime`; from 3.12 on each interpreter points to the
//! one it uses, its own or the main one's (PEP 684). Neither is taken for granted: both
//! places are searched for what can be a GIL (`struct _gil_runtime_state`,
//! `pycore_gil.h`, 3.9 to 3.13), and only one may be found.

use std::mem::size_of;
use std::time::{Duration, Instant};

use gilprof_code::{Memory, ProcessMemory};

use super::anchors::{Anchors, is_pointer};
use super::pages::Pages;
use super::states::{INTERPRETER_WORDS, States};

/// How far the runtime is searched, in words.
const RUNTIME_WORDS: u64 = 1024;
/// In a free-threaded build, a GIL begins with whether it is on.
pub(crate) const ENABLED: u64 = 8;
/// From there to its parts.
const LAST_HOLDER: u64 = 8;
pub(crate) const COND: u64 = 32;
const MUTEX: u64 = COND + size_of::<libc::pthread_cond_t>() as u64;
const SWITCH_COND: u64 = MUTEX + size_of::<libc::pthread_mutex_t>() as u64;
const SWITCH_MUTEX: u64 = SWITCH_COND + size_of::<libc::pthread_cond_t>() as u64;
/// How long a mutex that somebody has is looked at again.
const PATIENCE: Duration = Duration::from_millis(50);

/// A GIL of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GilAt {
    /// The address of its condition variable `gil.cond`.
    pub cond: u64,
    /// The id of the interpreter it belongs to; 0 for the main one, and for those that
    /// share its.
    pub interpreter_id: u64,
    /// The switch interval in microseconds; 0 where it was not read.
    pub interval_us: u64,
}

/// The GILs, the main one first.
///
/// # Errors
/// Why the main one is not known.
pub(crate) fn find(
    memory: ProcessMemory,
    states: &States,
    anchors: &Anchors,
) -> Result<Vec<GilAt>, String> {
    let lead = if anchors.is_free_threaded() {
        ENABLED
    } else {
        0
    };
    let mut found: Vec<GilAt> = Vec::new();
    for interpreter in &states.interpreters {
        let start = match pointed_to(memory, states, interpreter.address, lead) {
            Ok(Some(start)) => start,
            Ok(None) if found.is_empty() => in_runtime(memory, states, anchors.runtime)?,
            // To 3.11 all interpreters share the one.
            Ok(None) => continue,
            Err(why) => return Err(why),
        };
        let cond = start + COND;
        if found.iter().all(|known| known.cond != cond) {
            found.push(GilAt {
                cond,
                interpreter_id: interpreter.id,
                interval_us: memory.word(start).unwrap_or(0),
            });
        }
    }
    Ok(found)
}

/// What an interpreter points to that is a GIL and lies in an interpreter.
fn pointed_to(
    memory: ProcessMemory,
    states: &States,
    interpreter: u64,
    lead: u64,
) -> Result<Option<u64>, String> {
    let extent = 8 * INTERPRETER_WORDS as u64;
    let is_inside = |word: u64| {
        let mut all = states.interpreters.iter();
        all.any(|known| (known.address..known.address + extent).contains(&word))
    };
    let pages = Pages::of(memory);
    let mut found = pages.words(interpreter, INTERPRETER_WORDS);
    found.retain(|&word| is_pointer(word) && is_inside(word));
    found.sort_unstable();
    found.dedup();
    found.iter_mut().for_each(|start| *start += lead);
    the_gil(memory, states, found)
}

fn in_runtime(memory: ProcessMemory, states: &States, runtime: u64) -> Result<u64, String> {
    let places = (0..RUNTIME_WORDS).map(|index| runtime + 8 * index);
    the_gil(memory, states, places.collect())?.ok_or_else(|| "its GIL was not found".to_owned())
}

/// The one of these places where a GIL begins. Its last holder is a thread; where that
/// has ended since and its state is no more, it was one.
fn the_gil(
    memory: ProcessMemory,
    states: &States,
    mut places: Vec<u64>,
) -> Result<Option<u64>, String> {
    let is_state = |start: &u64| {
        let holder = memory.word(start.wrapping_add(LAST_HOLDER));
        holder.is_some_and(|holder| states.has_state(&memory, holder))
    };
    places.retain(|&start| is_gil(memory, start));
    let found: Vec<u64> = places.iter().copied().filter(is_state).collect();
    match if found.is_empty() { &places } else { &found }[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        [one, other, ..] => Err(format!(
            "its GIL may be at {one:#x} as well as at {other:#x}"
        )),
    }
}

/// Whether what begins here can be a GIL: a switch interval, a last holder, a lock word,
/// two condition variables and two mutexes.
fn is_gil(memory: ProcessMemory, start: u64) -> bool {
    let mut bytes = [0; COND as usize];
    if !memory.read(start, &mut bytes) {
        return false;
    }
    let (words, _) = bytes.as_chunks();
    let [interval_us, last_holder, locked, _switches] =
        [0, 1, 2, 3].map(|index| u64::from_ne_bytes(words[index]));
    (1..86_400_000_000).contains(&interval_us)
        && matches!(locked as u32, 0 | 1)
        && is_pointer(last_holder)
        && memory.word(last_holder).is_some()
        && have_one_clock(memory, start + COND, start + SWITCH_COND)
        && is_free_at_times(memory, start + MUTEX)
        && is_free_at_times(memory, start + SWITCH_MUTEX)
}

/// Both condition variables are made with the monotonic clock, which each keeps in the low
/// bits of the same word (`init_condattr`, `thread_pthread.h`); beside it, glibc counts.
fn have_one_clock(memory: ProcessMemory, cond: u64, other: u64) -> bool {
    let (Some(cond), Some(other)) = (halves(memory, cond), halves(memory, other)) else {
        return false;
    };
    let mut pairs = cond.into_iter().zip(other);
    pairs.any(|(one, other)| one & 7 != 0 && one & 7 == other & 7)
}

/// While nobody has a mutex of the default kind, it is zeros but for the count of those
/// that have it or wait for a condition with it.
fn is_free_at_times(memory: ProcessMemory, mutex: u64) -> bool {
    let begin = Instant::now();
    loop {
        let Some([lock, count, owner, users, rest @ ..]) = halves(memory, mutex) else {
            return false;
        };
        // What has a pointer or a large number in it is no such mutex.
        let is_large = [lock, count, owner, users]
            .iter()
            .any(|&half| half >= 1 << 23);
        if is_large || rest[..6].iter().any(|&half| half != 0) {
            return false;
        }
        if [lock, count, owner] == [0; 3] {
            return true;
        }
        if begin.elapsed() > PATIENCE {
            return false;
        }
        std::thread::yield_now();
    }
}

/// The twelve halves of words of a condition variable, of which a mutex has the first ten.
fn halves(memory: ProcessMemory, address: u64) -> Option<[u32; 12]> {
    let mut bytes = [0; size_of::<libc::pthread_cond_t>()];
    memory.read(address, &mut bytes).then_some(())?;
    let (halves, _) = bytes.as_chunks();
    let mut found = [0; 12];
    for (into, half) in found.iter_mut().zip(halves) {
        *into = u32::from_ne_bytes(*half);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::states::InterpreterAt;

    /// A GIL at the begin of what stands for the runtime, as glibc leaves it with a waiter.
    fn fake(holder: u64) -> Box<[u64; RUNTIME_WORDS as usize + 64]> {
        let mut words = Box::new([0; RUNTIME_WORDS as usize + 64]);
        let gil = [5_000, holder, 1, 72];
        let cond = [280, 274, 2, 0, 10 << 32 | 8, 0];
        let mutex = [0, 1 << 32, 0, 0, 0];
        let switch_cond = [35, 33, 0, 0, 2 << 32 | 4, 0];
        words[40..44].copy_from_slice(&gil);
        words[44..50].copy_from_slice(&cond);
        words[50..55].copy_from_slice(&mutex);
        words[55..61].copy_from_slice(&switch_cond);
        words
    }

    fn find_in(words: &[u64], states: &States) -> Result<Option<u64>, String> {
        let start = words.as_ptr() as u64;
        let places = (0..RUNTIME_WORDS).map(|index| start + 8 * index);
        let found = the_gil(ProcessMemory::own(), states, places.collect());
        found.map(|found| found.map(|at| (at - start) / 8))
    }

    fn with(interpreter: u64) -> States {
        States {
            interpreters: vec![InterpreterAt {
                address: interpreter,
                id: 0,
            }],
            states: Vec::new(),
        }
    }

    #[test]
    fn a_gil_is_found_by_what_it_is() {
        let state = [0_u64, 0, 0x1000];
        let words = fake(state.as_ptr() as u64);
        assert_eq!(find_in(&words[..], &with(0x1000)), Ok(Some(40)));
    }

    #[test]
    fn without_a_switch_interval_or_a_clock_there_is_no_gil() {
        let state = [0_u64, 0, 0x1000];
        for (word, value) in [(40, 0), (41, 0), (42, 2), (48, 8), (51, 1), (52, 7)] {
            let mut words = fake(state.as_ptr() as u64);
            words[word] = value;
            assert_eq!(find_in(&words[..], &with(0x1000)), Ok(None), "{word}");
        }
    }

    #[test]
    fn two_gils_are_a_doubt_unless_the_holder_of_one_is_no_state() {
        let state = [0_u64, 0, 0x1000];
        let mut words = fake(state.as_ptr() as u64);
        words.copy_within(40..61, 400);
        assert!(find_in(&words[..], &with(0x1000)).is_err());
        let gone = [0_u64, 0, 0];
        words[401] = gone.as_ptr() as u64;
        assert_eq!(find_in(&words[..], &with(0x1000)), Ok(Some(40)));
        words[41] = gone.as_ptr() as u64;
        words[401] = 0;
        assert_eq!(find_in(&words[..], &with(0x1000)), Ok(Some(40)));
    }
}
