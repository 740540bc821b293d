//! The interpreters of a process and their thread states.
//!
//! `_PyRuntime` has the head of the list of interpreters and the main one side by side
//! (`struct pyinterpreters`, `pycore_runtime.h`, 3.9 to 3.13). An interpreter is one if
//! its thread states lead back to it: they are a list, linked both ways, each with the
//! address of its interpreter (`struct _ts`, `pystate.h`).

use gilprof_code::Memory;

use super::anchors::is_pointer;
use super::pages::Pages;

/// In a thread state.
const PREVIOUS: u64 = 0;
const NEXT: u64 = 8;
pub(crate) const INTERPRETER: u64 = 16;

/// How far the runtime and an interpreter are searched, in words.
const RUNTIME_WORDS: usize = 256;
pub(crate) const INTERPRETER_WORDS: usize = 4096;
/// From an interpreter's link to the next one to its id there are fewer words.
const ID_WORDS: usize = 8;
/// No list is followed further.
const MOST_STATES: usize = 100_000;
const MOST_INTERPRETERS: usize = 1_000;

/// A Python interpreter of a process; most have only the main one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterpreterAt {
    /// Its address.
    pub address: u64,
    /// The number that Python gives it; 0 for the main one.
    pub id: u64,
}

/// A thread that Python knows, in one of its interpreters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateAt {
    /// The address of its thread state.
    pub address: u64,
    /// The id of its interpreter.
    pub interpreter_id: u64,
}

/// The interpreters and the thread states of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct States {
    /// The main one first.
    pub(crate) interpreters: Vec<InterpreterAt>,
    pub(crate) states: Vec<StateAt>,
}

impl States {
    /// Finds them. Lists may change while they are read: then another try may help.
    ///
    /// # Errors
    /// What was not found.
    pub(crate) fn find(pages: &Pages, runtime: u64) -> Result<Self, String> {
        let words = pages.words(runtime, RUNTIME_WORDS);
        let mut triples = words.windows(3).filter_map(|words| {
            let [head, main, next_id] = *words.first_chunk()?;
            let is_list = is_pointer(head) && is_pointer(main) && (1..1 << 32).contains(&next_id);
            is_list.then(|| Self::of(pages, head, main, next_id))?
        });
        let found = triples.next();
        found.ok_or_else(|| "its list of interpreters was not found".to_owned())
    }

    fn of(pages: &Pages, head: u64, main: u64, next_id: u64) -> Option<Self> {
        let (threads, _) = first_states(pages, main)?;
        let interpreters = match head == main {
            true => vec![InterpreterAt {
                address: main,
                id: 0,
            }],
            false => several(pages, head, main, next_id)?,
        };
        let mut states = Vec::new();
        for interpreter in &interpreters {
            let first = pages.word(interpreter.address.wrapping_add(threads))?;
            let chain = chain(pages, first, interpreter.address)?;
            states.extend(chain.into_iter().map(|address| StateAt {
                address,
                interpreter_id: interpreter.id,
            }));
        }
        Some(States {
            interpreters,
            states,
        })
    }

    pub(crate) fn main(&self) -> u64 {
        self.interpreters.first().map_or(0, |main| main.address)
    }

    /// Whether this is a thread state, or was one: it leads to an interpreter.
    pub(crate) fn has_state(&self, memory: &impl Memory, state: u64) -> bool {
        let interpreter = memory.word(state.wrapping_add(INTERPRETER));
        let mut all = self.interpreters.iter();
        is_pointer(state) && all.any(|known| Some(known.address) == interpreter)
    }
}

/// Where an interpreter has its thread states, and these.
fn first_states(pages: &Pages, interpreter: u64) -> Option<(u64, Vec<u64>)> {
    let words = pages.words(interpreter, INTERPRETER_WORDS);
    (0..).step_by(8).zip(words).find_map(|(offset, word)| {
        let states = is_pointer(word).then(|| chain(pages, word, interpreter))??;
        (!states.is_empty()).then_some((offset, states))
    })
}

/// The list of thread states that begins here; `None` where it is none.
fn chain(pages: &Pages, first: u64, interpreter: u64) -> Option<Vec<u64>> {
    let mut found = Vec::new();
    let (mut last, mut next) = (0, first);
    while next != 0 {
        let is_state = is_pointer(next)
            && pages.word(next.wrapping_add(PREVIOUS)) == Some(last)
            && pages.word(next.wrapping_add(INTERPRETER)) == Some(interpreter);
        if !is_state || found.len() == MOST_STATES {
            return None;
        }
        found.push(next);
        (last, next) = (next, pages.word(next.wrapping_add(NEXT))?);
    }
    Some(found)
}

/// Several interpreters, linked from the newest to the main one. Only one place in them
/// leads along that list, and a place right behind it has numbers that fall to 0.
fn several(pages: &Pages, head: u64, main: u64, next_id: u64) -> Option<Vec<InterpreterAt>> {
    (0..8 * INTERPRETER_WORDS as u64)
        .step_by(8)
        .find_map(|link| {
            let addresses = linked(pages, head, main, link)?;
            let ids = (link..).step_by(8).take(ID_WORDS).find_map(|id| {
                let ids = addresses
                    .iter()
                    .map(|address| pages.word(address.wrapping_add(id)));
                let ids: Vec<u64> = ids.collect::<Option<_>>()?;
                let falls = ids.is_sorted_by(|newer, older| newer > older);
                (falls && ids.last() == Some(&0) && ids[0] < next_id).then_some(ids)
            })?;
            let both = addresses.into_iter().zip(ids).rev();
            Some(
                both.map(|(address, id)| InterpreterAt { address, id })
                    .collect(),
            )
        })
}

/// The list from `head` to `main`, if a link at this offset leads there and ends.
fn linked(pages: &Pages, head: u64, main: u64, link: u64) -> Option<Vec<u64>> {
    let mut found = vec![head];
    let mut next = pages.word(head + link)?;
    while is_pointer(next) && found.len() < MOST_INTERPRETERS {
        found.push(next);
        next = pages.word(next.checked_add(link)?)?;
    }
    (next == 0 && found.last() == Some(&main)).then_some(found)
}

#[cfg(test)]
mod tests {
    use gilprof_code::ProcessMemory;

    use super::*;

    /// Words in this process that are laid out as an interpreter is: what links it to the
    /// next, its id, its thread states.
    type Interpreter = Box<[u64; INTERPRETER_WORDS]>;
    type State = Box<[u64; 64]>;

    fn address<T>(of: &T) -> u64 {
        std::ptr::from_ref(of) as u64
    }

    fn interpreter(next: u64, id: u64) -> Interpreter {
        let mut words = Box::new([0; INTERPRETER_WORDS]);
        words[100] = next;
        words[102] = id;
        words
    }

    /// Gives an interpreter so many thread states.
    fn populate(interpreter: &mut Interpreter, count: usize) -> Vec<State> {
        let mut states: Vec<State> = (0..count).map(|_| Box::new([0; 64])).collect();
        let places: Vec<u64> = states.iter().map(|state| address(&**state)).collect();
        for (index, state) in states.iter_mut().enumerate() {
            state[0] = index.checked_sub(1).map_or(0, |before| places[before]);
            state[1] = places.get(index + 1).copied().unwrap_or(0);
            state[2] = address(&**interpreter);
        }
        interpreter[200] = places.first().copied().unwrap_or(0);
        states
    }

    fn runtime(head: u64, main: u64, next_id: u64) -> Box<[u64; RUNTIME_WORDS]> {
        let mut words = Box::new([0; RUNTIME_WORDS]);
        words[10..13].copy_from_slice(&[head, main, next_id]);
        words
    }

    fn find(runtime: &[u64; RUNTIME_WORDS]) -> Result<States, String> {
        States::find(&Pages::of(ProcessMemory::own()), address(runtime))
    }

    #[test]
    fn each_thread_state_belongs_to_the_interpreter_it_leads_to() {
        let mut main = interpreter(0, 0);
        let mut third = interpreter(address(&*main), 3);
        let mut fifth = interpreter(address(&*third), 5);
        let states = [&mut main, &mut third, &mut fifth].map(|one| {
            let count = if one[102] == 3 { 0 } else { 2 };
            populate(one, count)
        });
        let found = find(&runtime(address(&*fifth), address(&*main), 6)).unwrap();
        let ids: Vec<u64> = found.interpreters.iter().map(|one| one.id).collect();
        assert_eq!(ids, [0, 3, 5]);
        assert_eq!(found.main(), address(&*main));
        let expected = [(&states[0], 0), (&states[2], 5)];
        let expected = expected.into_iter().flat_map(|(states, interpreter_id)| {
            states.iter().map(move |state| StateAt {
                address: address(&**state),
                interpreter_id,
            })
        });
        assert_eq!(found.states, expected.collect::<Vec<_>>());
    }

    #[test]
    fn states_that_lead_elsewhere_are_none() {
        let mut main = interpreter(0, 0);
        let mut states = populate(&mut main, 2);
        let runtime = runtime(address(&*main), address(&*main), 1);
        assert!(find(&runtime).is_ok());
        states[1][2] = address(&*states[0]);
        assert_eq!(
            find(&runtime).unwrap_err(),
            "its list of interpreters was not found"
        );
        states[1][2] = address(&*main);
        states[1][0] = 0;
        assert!(find(&runtime).is_err());
    }
}
