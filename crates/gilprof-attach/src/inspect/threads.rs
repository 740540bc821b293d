//! Which thread of the kernel's a thread state is of.
//!
//! A thread state has what `pthread_self()` gives, which on Linux points to itself
//! (`struct pthread` of glibc and musl), and has the kernel's number inside.

use std::collections::HashMap;

use gilprof_code::Memory;

use super::anchors::is_pointer;
use super::pages::Pages;
use super::states::StateAt;

/// How far a thread state is searched, in words, and what the thread library keeps of a
/// thread, in bytes.
const STATE_WORDS: u64 = 96;
const THREAD_BYTES: u64 = 1_536;

/// The kernel's numbers of these thread states, as the process itself sees them: one of
/// the keys of `known` each, or `None` where it is not known.
pub(crate) fn native_ids(
    pages: &Pages,
    states: &[StateAt],
    known: &HashMap<u32, u32>,
) -> Vec<Option<u32>> {
    let handles = (0..STATE_WORDS).map(|index| handles(pages, states, 8 * index));
    let ids = handles.flatten().find_map(|handles| {
        let mut places = (0..THREAD_BYTES).step_by(4);
        places.find_map(|place| ids_at(pages, &handles, place, known))
    });
    ids.unwrap_or_else(|| vec![None; states.len()])
}

/// The words at one place of all states, where each points to itself; 0 for a state that
/// no thread runs in.
fn handles(pages: &Pages, states: &[StateAt], offset: u64) -> Option<Vec<u64>> {
    let words = states
        .iter()
        .map(|state| pages.word(state.address.wrapping_add(offset)));
    let words: Vec<u64> = words.collect::<Option<_>>()?;
    let points_to_itself = |&word: &u64| is_pointer(word) && pages.word(word) == Some(word);
    let fits = words
        .iter()
        .all(|word| *word == 0 || points_to_itself(word));
    (fits && words.iter().any(|&word| word != 0)).then_some(words)
}

fn ids_at(
    pages: &Pages,
    handles: &[u64],
    place: u64,
    known: &HashMap<u32, u32>,
) -> Option<Vec<Option<u32>>> {
    // A thread may have states in several interpreters.
    let mut owners = HashMap::new();
    let ids = handles.iter().map(|&handle| {
        if handle == 0 {
            return Some(None);
        }
        let bytes = pages.bytes(handle + place, 4)?;
        let id = u32::from_ne_bytes(*bytes.first_chunk()?);
        let is_its = *owners.entry(id).or_insert(handle) == handle;
        (known.contains_key(&id) && is_its).then_some(Some(id))
    });
    ids.collect()
}
