//! What threads were blocked on.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sampled::Sampled;
use crate::state::State;

/// What kind of thing a thread was blocked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockedOn {
    /// A lock, a condition, a queue or another thread's end: a futex of the program.
    Lock,
    /// A time that it asked for: `time.sleep`.
    Sleep,
    /// A connection or a listening socket.
    Socket,
    /// A pipe, or another program at its end.
    Pipe,
    /// A file or a disk.
    File,
    /// A terminal or another device.
    Device,
    /// Whichever of several things comes first: an event loop, `select`.
    Events,
    /// The end of a child process.
    Child,
    /// A signal.
    Signal,
}

impl BlockedOn {
    /// The word for it, as in JSON: `lock`, `sleep`, `socket`, `pipe`, `file`, `device`,
    /// `events`, `child` or `signal`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Sleep => "sleep",
            Self::Socket => "socket",
            Self::Pipe => "pipe",
            Self::File => "file",
            Self::Device => "device",
            Self::Events => "events",
            Self::Child => "child",
            Self::Signal => "signal",
        }
    }
}

impl fmt::Display for BlockedOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Time that one thread was blocked in one system call, outside the GIL or while it
/// held it. Waiting for the GIL is not in it.
///
/// Threads are looked at now and then, and each look bears the time since the one
/// before it. So weights are estimates, and the better the more looks there were.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Blocked {
    /// Id of the thread.
    pub thread: u64,
    /// [`State::Holding`] or [`State::Detached`].
    pub state: State,
    /// Name of the system call, as in `futex`, `recvfrom`, `clock_nanosleep`.
    pub call: String,
    /// What kind of thing it waited for; `None` where not known.
    pub on: Option<BlockedOn>,
    /// The address of the lock, by which threads that queue for one lock are known;
    /// `None` where it is no lock. Addresses of one process only can be compared.
    pub lock: Option<u64>,
    /// The native functions it was in, innermost first, as indexes into
    /// [`Profile::frames`](crate::Profile::frames); empty where not known.
    pub native: Vec<u32>,
    /// The time in ns that its samples stand for.
    pub weight_ns: u64,
    /// How many samples; not how many calls.
    pub samples: u64,
}

impl Sampled for Blocked {
    fn thread(&mut self) -> &mut u64 {
        &mut self.thread
    }

    fn sums(&mut self) -> Vec<&mut u64> {
        vec![&mut self.weight_ns, &mut self.samples]
    }

    fn stacks(&mut self) -> Vec<&mut Vec<u32>> {
        vec![&mut self.native]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_thing_is_saved_as_its_word() {
        let all = [
            BlockedOn::Lock,
            BlockedOn::Sleep,
            BlockedOn::Socket,
            BlockedOn::Pipe,
            BlockedOn::File,
            BlockedOn::Device,
            BlockedOn::Events,
            BlockedOn::Child,
            BlockedOn::Signal,
        ];
        for on in all {
            assert_eq!(serde_json::to_string(&on).unwrap(), format!("\"{on}\""));
        }
    }
}
