//! What was seen of a process at an instant.

use crate::state::State;

/// What was seen of a process at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// When, in ns on the recording's clock.
    pub at_ns: u64,
    /// Its GILs.
    pub gils: Vec<GilSight>,
    /// Its threads; of those that hold one GIL there is one at most.
    pub threads: Vec<ThreadSight>,
}

/// A GIL at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GilSight {
    /// Its index.
    pub index: u32,
    /// Whether somebody holds it; the thread may not be known.
    pub is_held: bool,
}

/// A thread at an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadSight {
    /// Its id.
    pub id: u64,
    /// Index of the GIL it uses.
    pub gil: u32,
    /// Holding, waiting or detached.
    pub state: State,
    /// Whether it waits after its own release until another thread has taken the GIL.
    pub is_switching: bool,
    /// Whether it runs or wants to.
    pub is_ready: bool,
    /// Number of the system call that it is blocked in; `None` where it is in none, or
    /// waits for the GIL.
    pub call: Option<u32>,
    /// Number of its stack; `None` where that was not looked at or did not stand still.
    pub stack: Option<u32>,
}

impl Sight {
    /// How many GILs are held.
    pub(super) fn held(&self) -> u64 {
        self.gils.iter().filter(|gil| gil.is_held).count() as u64
    }

    /// How many threads wait.
    pub(super) fn waiting(&self) -> u64 {
        let threads = self.threads.iter();
        threads.filter(|one| one.state == State::Waiting).count() as u64
    }

    /// Who waits for a GIL.
    pub(super) fn waiters(&self, gil: u32) -> impl Iterator<Item = &ThreadSight> {
        let threads = self.threads.iter();
        threads.filter(move |one| one.gil == gil && one.state == State::Waiting)
    }

    /// Whether the thread waits and nobody holds.
    pub(super) fn is_handoff(&self, thread: &ThreadSight) -> bool {
        thread.state == State::Waiting && (thread.is_switching || !self.is_held(thread.gil))
    }

    /// Whom the thread waits for.
    pub(super) fn blamed(&self, thread: &ThreadSight) -> Option<u64> {
        let waits = thread.state == State::Waiting && !self.is_handoff(thread);
        let mut threads = self.threads.iter();
        let holder = threads.find(|one| one.gil == thread.gil && one.state == State::Holding);
        holder.filter(|_| waits).map(|holder| holder.id)
    }

    /// How many wait for this holder.
    pub(super) fn caused_by(&self, holder: &ThreadSight) -> u64 {
        let waiters = self.waiters(holder.gil);
        waiters.filter(|one| !self.is_handoff(one)).count() as u64
    }

    /// Who is blocked in which call.
    pub(super) fn calls(&self) -> impl Iterator<Item = (&ThreadSight, u32)> {
        let threads = self.threads.iter();
        threads.filter_map(|thread| Some((thread, thread.call?)))
    }

    fn is_held(&self, gil: u32) -> bool {
        self.gils.iter().any(|one| one.index == gil && one.is_held)
    }
}
