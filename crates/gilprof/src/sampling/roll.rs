//! The threads of a process that Python knows, and those that have ended.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use gilprof_attach::{Interpreter, tasks};
use gilprof_core::{CpuReading, State, Thread, pattern};
use gilprof_native::{Call, CallFile, Doing};
use gilprof_os::Turns;

/// How often it is asked who the threads are, what they are called, and how much CPU time
/// they had; more rarely where that takes more than one part in so many of a CPU.
const CALLED: Duration = Duration::from_millis(100);
const NAMED: Duration = Duration::from_secs(1);
/// When somebody holds who is not on the roll, it is called again after no less than this.
const SURPRISED: Duration = Duration::from_millis(5);
const AFFORDED: u32 = 100;
/// Ended threads have rows of their own up to this number.
const ENDED: usize = 64;
/// Of how many threads files are kept open; those beyond are not looked at.
const FILES: usize = 256;

/// A thread that Python knows.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: u64,
    /// The kernel's number of it, as seen from here and by the process itself.
    native_id: u32,
    pub(super) own_id: u32,
    name: String,
    pub(super) gil: u32,
    /// `None` for one that there was no room to look at.
    pub(super) file: Option<CallFile>,
    turns: Option<Turns>,
    /// How often it had got a CPU when it was seen to wait, if it was.
    pub(super) waited_at: Option<u64>,
    /// The state it was seen in last.
    pub(super) state: State,
    pub(super) is_switching: bool,
    /// The call it was seen in last, with its number.
    pub(super) call: Option<(Call, u32)>,
    first: Option<CpuReading>,
    last: Option<CpuReading>,
}

impl Member {
    /// What it does; `None` where it has ended.
    pub(super) fn doing(&self) -> Option<Doing> {
        match &self.file {
            Some(file) => file.now().ok(),
            None => Some(Doing::Page),
        }
    }

    /// How often it got a CPU; `None` where not known.
    pub(super) fn turns(&self) -> Option<u64> {
        self.turns.as_ref()?.count()
    }

    fn counted(&self) -> Option<CpuReading> {
        Some(self.last?.since(self.first?))
    }
}

/// A thread that has ended, or a group of them.
#[derive(Debug)]
struct Past {
    native_id: Option<u32>,
    name: String,
    members: u64,
    counted: Option<CpuReading>,
}

/// The roll of a process's threads.
#[derive(Debug)]
pub(super) struct Roll {
    pid: u32,
    pub(super) present: Vec<Member>,
    past: HashMap<u64, Past>,
    /// Groups of ended threads, by what their names have in common.
    groups: HashMap<String, u64>,
    /// Whose thread state is where: its address, with the member's id and its GIL.
    states: HashMap<u64, (u64, u32)>,
    next_id: u64,
    due: Option<Instant>,
    called: Instant,
    named: Option<Instant>,
    /// Threads that there was no room to look at.
    pub(super) unseen: u64,
}

impl Roll {
    pub(super) fn new(pid: u32) -> Self {
        Roll {
            pid,
            present: Vec::new(),
            past: HashMap::new(),
            groups: HashMap::new(),
            states: HashMap::new(),
            next_id: 1,
            due: None,
            called: Instant::now(),
            named: None,
            unseen: 0,
        }
    }

    /// Who has this thread state: the id and the GIL.
    pub(super) fn owner(&self, state: u64) -> Option<(u64, u32)> {
        self.states.get(&state).copied()
    }

    /// The thread states of a thread.
    pub(super) fn states_of(&self, id: u64) -> impl Iterator<Item = u64> {
        let states = self.states.iter();
        states
            .filter(move |(_, owner)| owner.0 == id)
            .map(|(&state, _)| state)
    }

    /// Somebody is not on it who should be.
    pub(super) fn is_surprised(&mut self) {
        let soon = self.called + SURPRISED;
        self.due = self.due.map(|due| due.min(soon));
    }

    /// Calls the roll if it is time for that; `gil_of` tells the GIL of an interpreter.
    pub(super) fn call(&mut self, python: &Interpreter, gil_of: impl Fn(u64) -> u32) {
        let now = Instant::now();
        if self.due.is_some_and(|due| now < due) {
            return;
        }
        // Where its threads come and go too fast to be read, another time may do.
        if let Ok(states) = python.threads() {
            self.enrol(&states, gil_of);
        }
        self.read();
        if self.named.is_none_or(|named| named.elapsed() >= NAMED) {
            self.name(python);
        }
        self.called = Instant::now();
        let cost = self.called.duration_since(now);
        self.due = Some(self.called + CALLED.max(AFFORDED * cost));
    }

    fn enrol(
        &mut self,
        states: &[(gilprof_attach::StateAt, Option<u32>)],
        gil_of: impl Fn(u64) -> u32,
    ) {
        let numbers = tasks(self.pid);
        self.states.clear();
        for (state, own_id) in states {
            let native_id = own_id.and_then(|own| Some((own, *numbers.get(&own)?)));
            if let Some(native_id) = native_id {
                let gil = gil_of(state.interpreter_id);
                let id = self.member(native_id, gil);
                self.states.insert(state.address, (id, gil));
            }
        }
        let living: HashSet<u32> = numbers.into_values().collect();
        self.strike_off(|member| !living.contains(&member.native_id));
    }

    /// The id of the thread of these numbers, which is put on the roll if it is not there.
    fn member(&mut self, (own_id, native_id): (u32, u32), gil: u32) -> u64 {
        let known = self.present.iter().find(|one| one.native_id == native_id);
        if let Some(known) = known {
            return known.id;
        }
        let id = self.next_id;
        self.next_id += 1;
        let file = match self.present.len() < FILES {
            true => CallFile::of(self.pid, native_id).ok(),
            false => None,
        };
        self.unseen += u64::from(file.is_none());
        self.present.push(Member {
            id,
            native_id,
            own_id,
            name: kernel_name(self.pid, native_id),
            gil,
            turns: file.as_ref().and_then(|_| Turns::of(self.pid, native_id)),
            file,
            waited_at: None,
            state: State::Unknown,
            is_switching: false,
            call: None,
            first: None,
            last: None,
        });
        id
    }

    /// Takes those off that have ended.
    pub(super) fn strike_off(&mut self, has_ended: impl Fn(&Member) -> bool) {
        let all = std::mem::take(&mut self.present).into_iter();
        let (ended, present): (Vec<_>, Vec<_>) = all.partition(has_ended);
        self.present = present;
        for member in ended {
            self.states.retain(|_, owner| owner.0 != member.id);
            let past = Past {
                native_id: Some(member.native_id),
                counted: member.counted(),
                name: member.name,
                members: 1,
            };
            self.past.insert(member.id, past);
        }
    }

    /// Where there are too many that have ended: which of them share a row from now on, and
    /// the row's id.
    pub(super) fn fold(&mut self) -> HashMap<u64, u64> {
        let singles = self
            .past
            .iter()
            .filter(|(_, past)| past.native_id.is_some());
        let singles: Vec<u64> = singles.map(|(&id, _)| id).collect();
        if singles.len() <= ENDED {
            return HashMap::new();
        }
        let mut folded = HashMap::new();
        for id in singles {
            if let Some(past) = self.past.remove(&id) {
                folded.insert(id, self.group(past));
            }
        }
        folded
    }

    fn group(&mut self, past: Past) -> u64 {
        let name = pattern(&past.name);
        let id = match self.groups.get(&name) {
            Some(&id) => id,
            None => {
                self.next_id += 1;
                self.groups.insert(name.clone(), self.next_id - 1);
                self.next_id - 1
            }
        };
        let group = self.past.entry(id).or_insert(Past {
            native_id: None,
            name,
            members: 0,
            counted: None,
        });
        group.members += past.members;
        group.counted = match (group.counted, past.counted) {
            (Some(own), Some(more)) => Some(CpuReading {
                cpu_ns: own.cpu_ns + more.cpu_ns,
                voluntary: own.voluntary + more.voluntary,
                involuntary: own.involuntary + more.involuntary,
            }),
            (own, more) => own.or(more),
        };
        id
    }

    /// Reads how much CPU time each had.
    pub(super) fn read(&mut self) {
        for member in &mut self.present {
            let read = gilprof_os::reading(self.pid, member.native_id);
            member.first = member.first.or(read);
            member.last = read.or(member.last);
        }
    }

    /// Gives threads the names that Python has for them.
    pub(super) fn name(&mut self, python: &Interpreter) {
        self.named = Some(Instant::now());
        let numbers = tasks(self.pid);
        for thread in python.thread_names().unwrap_or_default() {
            let native_id = numbers.get(&thread.native_id);
            let mut present = self.present.iter_mut();
            if let Some(one) = present.find(|one| Some(&one.native_id) == native_id) {
                one.name = thread.name;
            }
        }
    }

    /// What was counted of a thread by the system since it was first seen.
    pub(super) fn counted(&self, id: u64) -> Option<CpuReading> {
        if let Some(past) = self.past.get(&id) {
            return past.counted;
        }
        self.present.iter().find(|one| one.id == id)?.counted()
    }

    /// Writes into a row who it is of.
    pub(super) fn sign(&self, row: &mut Thread) {
        row.pid = self.pid;
        if let Some(past) = self.past.get(&row.id) {
            row.native_id = past.native_id;
            row.name.clone_from(&past.name);
            row.members = past.members;
            row.ended = true;
        } else if let Some(member) = self.present.iter().find(|one| one.id == row.id) {
            row.native_id = Some(member.native_id);
            row.name.clone_from(&member.name);
        }
    }
}

fn kernel_name(pid: u32, native_id: u32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/task/{native_id}/comm"));
    name.map_or_else(|_| String::new(), |name| name.trim_end().to_owned())
}
