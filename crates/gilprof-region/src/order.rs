//! What the one who attaches and the probe it has put into a process tell each other.

use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// How many words an order has.
pub const ORDER_WORDS: usize = 7;

/// How far a probe that was put into a process has come with what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Progress {
    /// Nothing is ordered.
    Idle = 0,
    /// A recording is wanted: the next hook starts it.
    Wanted = 1,
    /// A hook is about to.
    Starting = 2,
    /// The hooks record.
    Recording = 3,
    /// The process uses all of the thread-specific keys that need no allocation.
    NoKey = 4,
    /// What is where the region should be is none.
    NoRegion = 5,
    /// Nobody read the region any more: the hooks have ceased to record.
    Abandoned = 6,
    /// This is the child of a fork of the process that was recorded.
    Child = 7,
    /// The code objects that stacks have kept alive are to be given up: the next hook that
    /// sees the main GIL released does so.
    LetGo = 8,
    /// A hook is doing so.
    LettingGo = 9,
}

impl Progress {
    /// What a word of another process's memory says.
    pub fn from_word(word: u64) -> Option<Self> {
        use Progress::{
            Abandoned, Child, Idle, LetGo, LettingGo, NoKey, NoRegion, Recording, Starting, Wanted,
        };
        let all = [
            Idle, Wanted, Starting, Recording, NoKey, NoRegion, Abandoned, Child, LetGo, LettingGo,
        ];
        all.into_iter().find(|&progress| progress as u64 == word)
    }
}

/// What a recording from outside is to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// Above zero and different from that of the last recording of the process.
    pub generation: u32,
    /// Where the region is, in the process that records.
    pub region: u64,
    /// The bytes of the region.
    pub bytes: u64,
    /// The address of the main GIL's `cond`; 0 where the hooks have to learn it.
    pub gil: u64,
    /// The address of PyGILState_GetThisThreadState; 0 where no stacks are taken.
    pub this_thread_state: u64,
    /// How far into a thread state the address of its interpreter is; 0 where that is not known.
    pub interpreter: u64,
}

impl Order {
    /// The words to write in the place of the present order, that of the progress first.
    /// They are to be written before the progress is set to [`Progress::Wanted`].
    pub fn to_words(&self) -> [u64; ORDER_WORDS] {
        [
            Progress::Idle as u64,
            self.generation.into(),
            self.region,
            self.bytes,
            self.gil,
            self.this_thread_state,
            self.interpreter,
        ]
    }
}

/// The present order, in the process that records.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct OrderCell([AtomicU64; ORDER_WORDS]);

impl OrderCell {
    /// Nothing is ordered.
    pub const fn idle() -> Self {
        OrderCell([const { AtomicU64::new(0) }; ORDER_WORDS])
    }

    /// How far it is.
    // Must not allocate.
    #[inline]
    pub fn is(&self, progress: Progress) -> bool {
        self.0[0].load(Relaxed) == progress as u64
    }

    /// Takes an order that is wanted; `None` where there is none, or another came first.
    // Must not allocate.
    pub fn take(&self) -> Option<Order> {
        let (wanted, starting) = (Progress::Wanted as u64, Progress::Starting as u64);
        // Pairs with the kernel's copy of the words before that of the progress.
        let taken = self.0[0].compare_exchange(wanted, starting, AcqRel, Relaxed);
        taken.is_ok().then(|| Order {
            generation: self.0[1].load(Relaxed) as u32,
            region: self.0[2].load(Relaxed),
            bytes: self.0[3].load(Relaxed),
            gil: self.0[4].load(Relaxed),
            this_thread_state: self.0[5].load(Relaxed),
            interpreter: self.0[6].load(Relaxed),
        })
    }

    /// Begins to give code objects up: false where that is not wanted, or another came first.
    // Must not allocate.
    pub fn begins_to_let_go(&self) -> bool {
        let (wanted, begun) = (Progress::LetGo as u64, Progress::LettingGo as u64);
        self.is(Progress::LetGo)
            && self.0[0]
                .compare_exchange(wanted, begun, AcqRel, Relaxed)
                .is_ok()
    }

    /// Says how far it is now.
    // Must not allocate.
    pub fn advance(&self, progress: Progress) {
        self.0[0].store(progress as u64, Release);
    }

    /// Gives up what was recorded: false if it was not, or another came first.
    // Must not allocate.
    pub fn leave(&self, progress: Progress) -> bool {
        let recording = Progress::Recording as u64;
        let left = self.0[0].compare_exchange(recording, progress as u64, AcqRel, Acquire);
        left.is_ok()
    }
}

/// Where the parts of a probe are that others put into a process: words, as the loader
/// leaves them.
#[derive(Debug)]
#[repr(C)]
pub struct Exports {
    /// What stands in for pthread_cond_signal, _timedwait, _wait and _init.
    pub hooks: [*const (); 4],
    /// The order.
    pub order: *const OrderCell,
    /// The pointer that is null while nothing is recorded.
    pub current: *const (),
    /// The number of hooks at work that are not under a GIL's mutex.
    pub outside: *const (),
}

// SAFETY: addresses of functions and of statics that are never written through these.
unsafe impl Sync for Exports {}

/// How many words [`Exports`] has.
pub const EXPORTS_WORDS: usize = size_of::<Exports>() / size_of::<u64>();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_taken_once_and_as_it_was_given() {
        let order = Order {
            generation: 7,
            region: 0x1000,
            bytes: 4096,
            gil: 0x2000,
            this_thread_state: 0x3000,
            interpreter: 0x10,
        };
        let cell = OrderCell(order.to_words().map(AtomicU64::new));
        assert_eq!(cell.take(), None);
        cell.advance(Progress::Wanted);
        assert_eq!(cell.take(), Some(order));
        assert_eq!(cell.take(), None);
        assert!(cell.is(Progress::Starting));
    }

    #[test]
    fn a_recording_is_given_up_once() {
        let cell = OrderCell::idle();
        cell.advance(Progress::Recording);
        assert!(cell.leave(Progress::Abandoned));
        assert!(!cell.leave(Progress::Child));
        assert!(cell.is(Progress::Abandoned));
    }

    #[test]
    fn a_word_of_no_progress_is_none() {
        assert_eq!(Progress::from_word(3), Some(Progress::Recording));
        assert_eq!(Progress::from_word(9), Some(Progress::LettingGo));
        assert_eq!(Progress::from_word(10), None);
    }
}
