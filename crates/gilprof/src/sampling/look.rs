//! One look at a process.

use std::collections::HashMap;

use gilprof_attach::{GilWords, Interpreter};
use gilprof_core::{Blocked, GilSight, Sight, State, ThreadSight};
use gilprof_native::{Call, Doing, on};
use gilprof_region::Clock;

use super::place::{Found, Holder, place};
use super::roll::{Member, Roll};
use super::shelf::Shelf;

/// How many different calls are kept; what comes later is not known.
const CALLS: usize = 4_096;

/// What one look was.
pub(super) enum Look {
    Seen(Sight),
    /// The GIL changed hands while it was read.
    Torn,
    /// The process is no more.
    Gone,
}

/// Looks at a process.
#[derive(Debug)]
pub(super) struct Looker {
    pid: u32,
    pub(super) clock: Clock,
    /// By the index of the GIL.
    pub(super) gils: Vec<GilWords>,
    pub(super) roll: Roll,
    /// The stacks, or why there are none.
    pub(super) shelf: Result<Shelf, String>,
    pub(super) calls: Vec<Blocked>,
    numbers: HashMap<Blocked, u32>,
    /// Whose stack is looked at next, beside those of holders.
    turn: usize,
    pub(super) unplaced: u64,
    /// How often each GIL had changed hands at the first look and the last.
    pub(super) switches: Vec<(u64, u64)>,
}

impl Looker {
    pub(super) fn new(pid: u32, gils: Vec<GilWords>, shelf: Result<Shelf, String>) -> Self {
        Looker {
            pid,
            clock: Clock::monotonic(),
            gils,
            roll: Roll::new(pid),
            shelf,
            calls: Vec::new(),
            numbers: HashMap::new(),
            turn: 0,
            unplaced: 0,
            switches: Vec::new(),
        }
    }

    /// Looks once; `gil_of` tells the GIL of an interpreter.
    pub(super) fn look(&mut self, python: &Interpreter, gil_of: impl Fn(u64) -> u32) -> Look {
        self.roll.call(python, gil_of);
        let at_ns = self.clock.now_ns();
        let mut gils = Vec::with_capacity(self.gils.len());
        for words in &self.gils {
            let now = match words.read() {
                None => return Look::Gone,
                Some(None) => return Look::Torn,
                Some(Some(now)) => now,
            };
            let owner = self.roll.owner(now.last_holder).filter(|_| now.is_held);
            if now.is_held && owner.is_none() {
                self.roll.is_surprised();
            }
            let id = owner.map(|(id, _)| id);
            gils.push((
                *words,
                Holder {
                    now,
                    id,
                    goes_on: false,
                },
            ));
        }
        let switches = gils.iter().map(|(_, holder)| holder.now.switches);
        if self.switches.is_empty() {
            self.switches = switches.map(|count| (count, count)).collect();
        } else {
            self.switches
                .iter_mut()
                .zip(switches)
                .for_each(|(of, now)| of.1 = now);
        }
        let found = self.found();
        for (words, holder) in &mut gils {
            let now = words.read().flatten();
            holder.goes_on = now.is_some_and(|now| now.is_of_the_same_hold(&holder.now));
        }
        let (mut threads, unplaced) = place(&found, &gils);
        self.unplaced += unplaced;
        for (thread, found) in threads.iter_mut().zip(&found) {
            let has_let_go =
                |(_, holder): &(_, Holder)| holder.id == Some(thread.id) && !holder.goes_on;
            if !gils.iter().any(has_let_go) {
                thread.call = self.call(thread, found.doing);
            }
        }
        self.take_stacks(&mut threads, &found, &gils);
        for thread in &threads {
            if let Some(member) = self.member(thread.id) {
                // Who was woken and has not run is as it was.
                let stays = member.state == thread.state && thread.is_ready;
                member.waited_at = match thread.state {
                    State::Waiting if stays => member.waited_at,
                    State::Waiting if !thread.is_ready => member.turns(),
                    _ => None,
                };
                member.is_switching = thread.is_switching;
                member.state = thread.state;
            }
        }
        let held = (0..).zip(&gils).map(|(index, (_, holder))| GilSight {
            index,
            is_held: holder.now.is_held,
        });
        Look::Seen(Sight {
            at_ns,
            gils: held.collect(),
            threads,
        })
    }

    fn member(&mut self, id: u64) -> Option<&mut Member> {
        self.roll.present.iter_mut().find(|one| one.id == id)
    }

    /// Where each thread is; those that have ended are struck off the roll.
    fn found(&mut self) -> Vec<Found> {
        let mut found = Vec::with_capacity(self.roll.present.len());
        let mut ended = Vec::new();
        for member in &self.roll.present {
            match member.doing() {
                Some(doing) => found.push(Found {
                    id: member.id,
                    own_id: member.own_id,
                    gil: member.gil,
                    before: member.state,
                    was_switching: member.is_switching,
                    has_run: has_run(member, doing),
                    doing,
                }),
                None => ended.push(member.id),
            }
        }
        if !ended.is_empty() {
            self.roll.strike_off(|member| ended.contains(&member.id));
        }
        found
    }

    /// The number of the call that a thread is blocked in, outside the GIL or while it
    /// holds it.
    fn call(&mut self, thread: &ThreadSight, doing: Doing) -> Option<u32> {
        let Doing::Call(call) = doing else {
            return None;
        };
        if thread.state == State::Waiting {
            return None;
        }
        let member = self.member(thread.id)?;
        if let Some((last, number)) = member.call
            && last == call
        {
            return Some(number);
        }
        let number = self.number(&call)?;
        self.member(thread.id)?.call = Some((call, number));
        Some(number)
    }

    fn number(&mut self, call: &Call) -> Option<u32> {
        let thing = on(self.pid, call);
        let row = Blocked {
            call: call.name(),
            on: thing.kind,
            lock: thing.lock,
            ..Blocked::default()
        };
        if let Some(&number) = self.numbers.get(&row) {
            return Some(number);
        }
        if self.calls.len() >= CALLS {
            return None;
        }
        let number = self.calls.len() as u32;
        self.calls.push(row.clone());
        self.numbers.insert(row, number);
        Some(number)
    }

    /// The stack of who holds the main GIL, and of one other thread, each in its turn.
    fn take_stacks(
        &mut self,
        threads: &mut [ThreadSight],
        found: &[Found],
        gils: &[(GilWords, Holder)],
    ) {
        let Ok(shelf) = &mut self.shelf else { return };
        let Some((words, holder)) = gils.first() else {
            return;
        };
        if let Some(one) = threads.iter_mut().find(|one| Some(one.id) == holder.id) {
            let state = holder.now.last_holder;
            one.stack = shelf.stack(state, || {
                let now = words.read().flatten();
                now.is_some_and(|now| now.is_of_the_same_hold(&holder.now))
            });
        }
        self.turn = (self.turn + 1).checked_rem(threads.len()).unwrap_or(0);
        let Some((one, found)) = threads.get_mut(self.turn).zip(found.get(self.turn)) else {
            return;
        };
        let mut present = self.roll.present.iter();
        let member = present.find(|member| member.id == one.id);
        let state = self.roll.states_of(one.id).next();
        if let (0, Some(member), Some(state)) = (one.gil, member, state)
            && one.state != State::Holding
        {
            one.stack = shelf.stack(state, || member.doing() == Some(found.doing));
        }
    }
}

/// Whether a thread that is ready to run has run since it was seen to wait.
fn has_run(member: &Member, doing: Doing) -> bool {
    match member.waited_at {
        Some(turns) if doing == Doing::Ready => member.turns() != Some(turns),
        _ => true,
    }
}
