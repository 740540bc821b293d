//! A Python interpreter in another process.

use std::cell::OnceCell;
use std::time::{Duration, Instant};

use gilprof_code::{CodeLayout, FrameLayout, Memory, ProcessMemory, TextLayout};

use super::anchors::Anchors;
use super::code_layout;
use super::frame::Known;
use super::frame_layout::Looks;
use super::gil::{self, GilAt};
use super::imported::{self, Imported};
use super::names::{Reader, ThreadName};
use super::pages::Pages;
use super::sample;
use super::states::{INTERPRETER, InterpreterAt, StateAt, States};
use super::switch::{self, GilSwitch};
use super::text_layout;
use super::threads;
use crate::error::Error;
use crate::modules::Modules;
use crate::tasks::tasks;

/// How long something is searched for, and the pause between two tries.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(2);
/// How often threads are told apart anew.
const TRIES: usize = 10;
/// So many thread states are looked at in one try.
const STATES_AT_ONCE: usize = 16;
/// Frames are looked at at least so often.
const FEWEST_LOOKS: usize = 6;

/// A Python interpreter in another process, or in this one: what its memory says.
///
/// The process runs on while it is read, and is neither stopped nor changed. Reading it
/// needs the right to trace it (ptrace(2), "access mode checking").
#[derive(Debug)]
pub struct Interpreter {
    pid: u32,
    memory: ProcessMemory,
    anchors: Anchors,
    learned: OnceCell<Result<Learned, String>>,
}

/// What was learned of strings and code.
#[derive(Clone, Copy, Debug)]
struct Learned {
    version: [u8; 3],
    text: TextLayout,
    code: CodeLayout,
    code_of_function: u32,
}

impl Interpreter {
    /// The interpreter in the process `pid`, whose modules these are.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is none, or one that this does not know.
    pub fn of(pid: u32, modules: &Modules) -> Result<Self, Error> {
        let memory = ProcessMemory::of(pid);
        let symbol = |name: &str| Some(modules.exporting(name)?.1.address);
        let pages = Pages::of(memory);
        let refuse = |why: String| {
            Error::Refused(format!(
                "the memory of process {pid} is not that of a CPython from 3.9 to 3.15: {why}"
            ))
        };
        let interpreter = Interpreter {
            pid,
            memory,
            anchors: Anchors::find(&pages, symbol).map_err(refuse)?,
            learned: OnceCell::new(),
        };
        interpreter.states().map_err(refuse)?;
        Ok(interpreter)
    }

    /// Whether it is a build that can run without a GIL.
    pub fn is_free_threaded(&self) -> bool {
        self.anchors.is_free_threaded()
    }

    /// How far into a thread state the address of its interpreter is, in bytes.
    pub fn place_in_state(&self) -> u64 {
        // Proved by the states that were found when this was made.
        INTERPRETER
    }

    /// Its version: major, minor, patch.
    ///
    /// # Errors
    /// A reason where it was not found.
    pub fn version(&self) -> Result<[u8; 3], String> {
        Ok(self.learned()?.version)
    }

    /// The interpreters there are now, the main one first.
    ///
    /// # Errors
    /// A reason where they were not found.
    pub fn interpreters(&self) -> Result<Vec<InterpreterAt>, String> {
        Ok(self.states()?.interpreters)
    }

    /// The threads that Python knows now, each with the number that the kernel gives it as
    /// the process itself sees it; `None` where that is not known.
    ///
    /// # Errors
    /// A reason where they were not found.
    pub fn threads(&self) -> Result<Vec<(StateAt, Option<u32>)>, String> {
        let mut last = Vec::new();
        // Threads that end while they are looked at are no reason to know of none.
        for _ in 0..TRIES {
            let states = self.states()?.states;
            let known = tasks(self.pid);
            let ids = threads::native_ids(&Pages::of(self.memory), &states, &known);
            let is_known = ids.iter().any(Option::is_some);
            last = states.into_iter().zip(ids).collect();
            if is_known {
                break;
            }
        }
        Ok(last)
    }

    /// Its GILs, the main one first.
    ///
    /// # Errors
    /// A reason where the main one was not found.
    pub fn gils(&self) -> Result<Vec<GilAt>, String> {
        self.patiently(|| {
            let states = States::find(&Pages::of(self.memory), self.anchors.runtime)?;
            gil::find(self.memory, &states, &self.anchors)
        })
    }

    /// Whether this GIL is on and for whom, in a free-threaded build; `None` for a build that
    /// always has its GIL, and where that cannot be read.
    pub fn switch_of(&self, gil: &GilAt) -> Option<GilSwitch> {
        if !self.anchors.is_free_threaded() {
            return None;
        }
        let needed_by = self.learned().and_then(|learned| {
            self.patiently(|| {
                let pages = Pages::of(self.memory);
                let modules = self.imported(&pages)?;
                let reader = self.reader(&pages, learned.text);
                switch::needed_by(&pages, &self.anchors, reader, &modules)
            })
        });
        Some(GilSwitch {
            is_on: switch::is_on(self.memory, gil)?,
            needed_by,
        })
    }

    /// Where the parts of code objects are.
    ///
    /// # Errors
    /// A reason where that was not found, or not proved.
    pub fn code_layout(&self) -> Result<CodeLayout, String> {
        Ok(self.learned()?.code)
    }

    /// Where frames are, in the threads of the main interpreter.
    ///
    /// # Errors
    /// A reason where that was not found, or not proved: a program that makes no calls
    /// shows no more than one frame. Another time may do.
    pub fn frame_layout(&self) -> Result<FrameLayout, String> {
        if self.anchors.is_free_threaded() {
            return Err(
                "a free-threaded Python: each of its threads runs its own copy of the code,                  which gilprof cannot read yet"
                    .into(),
            );
        }
        let learned = self.learned()?;
        let mut looks = Looks::new(Known {
            anchors: self.anchors,
            layout: learned.code,
            code_of_function: learned.code_of_function,
            interpreter: self.states()?.main(),
        });
        let mut times = 0;
        self.patiently(|| {
            let states = States::find(&Pages::of(self.memory), self.anchors.runtime)?.states;
            looks.bound(states.iter().map(|state| state.address));
            let main = states.iter().filter(|state| state.interpreter_id == 0);
            let main: Vec<u64> = main.map(|state| state.address).collect();
            // Each time others of many.
            let some = main.iter().copied().cycle().skip(times * STATES_AT_ONCE);
            let some = some.take(STATES_AT_ONCE.min(main.len()));
            looks.look(self.memory, some);
            times += 1;
            match times < FEWEST_LOOKS {
                true => Err("not looked at often enough".into()),
                false => looks.conclude(),
            }
        })
    }

    /// The names that the program gives its threads; none where it does not use the
    /// module threading.
    ///
    /// # Errors
    /// A reason where they were not found.
    pub fn thread_names(&self) -> Result<Vec<ThreadName>, String> {
        let text = self.learned()?.text;
        let known = tasks(self.pid);
        let names = self.patiently(|| {
            let pages = Pages::of(self.memory);
            let modules = self.imported(&pages)?;
            self.reader(&pages, text).thread_names(&modules)
        });
        // Who is in threading._active may have ended without a word.
        let lives = |name: &ThreadName| known.is_empty() || known.contains_key(&name.native_id);
        Ok(names?.into_iter().filter(lives).collect())
    }

    fn states(&self) -> Result<States, String> {
        self.patiently(|| States::find(&Pages::of(self.memory), self.anchors.runtime))
    }

    fn imported(&self, pages: &Pages) -> Result<Vec<Imported>, String> {
        let states = States::find(pages, self.anchors.runtime)?;
        imported::find(pages, &self.anchors, states.main())
    }

    fn reader<'p>(&'p self, pages: &'p Pages, text: TextLayout) -> Reader<'p> {
        Reader {
            pages,
            anchors: &self.anchors,
            text,
        }
    }

    fn learned(&self) -> Result<Learned, String> {
        let learned = self.learned.get_or_init(|| self.patiently(|| self.learn()));
        learned.clone()
    }

    fn learn(&self) -> Result<Learned, String> {
        let pages = Pages::of(self.memory);
        let modules = self.imported(&pages)?;
        let sample = sample::collect(&pages, &self.anchors, &modules)?;
        let text = text_layout::find(&pages, &self.anchors, &sample.names, &sample.texts)?;
        Ok(Learned {
            version: self.reader(&pages, text).version(&modules)?,
            text,
            code: code_layout::find(&pages, &self.anchors, &sample, text)?,
            code_of_function: sample.code_of_function,
        })
    }

    /// What is found within a second, or why the last try failed.
    fn patiently<T>(&self, mut find: impl FnMut() -> Result<T, String>) -> Result<T, String> {
        let begin = Instant::now();
        loop {
            let found = find();
            if found.is_ok() || begin.elapsed() > PATIENCE {
                return found;
            }
            if self.memory.word(self.anchors.runtime).is_none() {
                return Err("its memory cannot be read: the process has ended".into());
            }
            std::thread::sleep(PAUSE);
        }
    }
}
