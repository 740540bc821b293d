//! The first page of a region: what it is, how it is divided, whose it is.

use crate::name::NameCell;
use crate::sync::{AtomicU32, AtomicU64};

/// "gilprof" and a byte that text files do not have.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"gilprof\x01");
/// Changes whenever the meaning of any byte of a region changes.
pub(crate) const VERSION: u32 = 7;

/// The most thread slots a region can have.
pub const MAX_THREADS: u32 = 4096;
/// How many GILs a region has room for.
pub const GILS: u32 = 16;
/// How many groups of ended threads have names; one more a GIL takes the rest.
pub(crate) const NAMED_GROUPS: u32 = 48;
/// All groups.
pub(crate) const GROUPS: u32 = NAMED_GROUPS + GILS;

/// How many words describe the layout of code objects.
pub const CODE_LAYOUT_WORDS: usize = 18;

/// How many words describe the layout of frames.
pub const FRAME_LAYOUT_WORDS: usize = 9;

/// Where a recording stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    /// No probe has come yet.
    Empty = 0,
    /// A probe is about to start.
    Claimed = 1,
    /// Hooks write.
    Running = 2,
    /// Stopped in an orderly way.
    Stopped = 3,
    /// The probe refused to start; the region has its reason.
    Refused = 4,
}

impl Phase {
    pub(crate) fn from_u32(value: u32) -> Option<Self> {
        [
            Phase::Empty,
            Phase::Claimed,
            Phase::Running,
            Phase::Stopped,
            Phase::Refused,
        ]
        .into_iter()
        .find(|&phase| phase as u32 == value)
    }
}

/// The header in place.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Header {
    pub(crate) magic: AtomicU64,
    pub(crate) version: AtomicU32,
    pub(crate) threads: AtomicU32,
    /// Events in the ring of the main GIL, and of each other one.
    pub(crate) ring_main: AtomicU32,
    pub(crate) ring_other: AtomicU32,
    pub(crate) size: AtomicU64,

    pub(crate) phase: AtomicU32,
    pub(crate) pid: AtomicU32,
    /// Counts the recordings made in this region.
    pub(crate) epoch: AtomicU32,
    pub(crate) clock_is_tsc: AtomicU32,
    /// Nanoseconds a tick, as a fraction of 2^32, and what is added to the product.
    pub(crate) clock_mult: AtomicU64,
    pub(crate) clock_offset: AtomicU64,

    pub(crate) started_ns: AtomicU64,
    pub(crate) stopped_ns: AtomicU64,
    pub(crate) started_unix_ns: AtomicU64,
    pub(crate) switch_interval_ns: AtomicU64,
    /// What booking one event costs, in thousandths of a nanosecond.
    pub(crate) event_cost_ps: AtomicU64,
    /// What reading a thread's CPU clock costs, in the same.
    pub(crate) reading_cost_ps: AtomicU64,
    /// (major << 16) | (minor << 8) | patch.
    pub(crate) python: AtomicU32,
    /// CPUs that the process may use; 0 where not known.
    pub(crate) cpus: AtomicU32,

    /// Counts how often the reader was rung for, and whether it wants to be.
    pub(crate) bell: AtomicU32,
    pub(crate) bell_wanted: AtomicU32,

    /// When the reader has shown itself last; 0 where it does not do so.
    pub(crate) reader_ns: AtomicU64,
    /// Of a recording that is ordered from outside: 0 until a hook takes it up or it is
    /// called off.
    pub(crate) taken_up: AtomicU32,
    /// Whether the references to code objects were given up, or are about to be.
    pub(crate) codes_let_go: AtomicU32,

    pub(crate) next_id: AtomicU32,
    pub(crate) adopted_left: AtomicU32,
    pub(crate) groups_used: AtomicU32,
    pub(crate) gils_used: AtomicU32,
    /// Threads that found no slot, and GILs that found no cell.
    pub(crate) unaccounted_threads: AtomicU32,
    pub(crate) unaccounted_gils: AtomicU32,
    /// Other processes that would have recorded into this region.
    pub(crate) turned_away: AtomicU32,
    /// After how many nanoseconds of a sum a stack is taken; 0 for never.
    pub(crate) stack_every_ns: AtomicU64,
    /// Where the main GIL's `cond` is in the recorded process.
    pub(crate) gil_address: AtomicU64,
    /// How frames and code objects are laid out, for those who read them.
    pub(crate) frame_layout: [AtomicU64; FRAME_LAYOUT_WORDS],
    pub(crate) code_layout: [AtomicU64; CODE_LAYOUT_WORDS],
    /// Why there are no stacks: several names' worth of text.
    pub(crate) stacks_missing: [NameCell; 4],
    /// Why the probe refused: several names' worth of text.
    pub(crate) refusal: [NameCell; 8],
    /// One bit a slot: set while it is free.
    pub(crate) free_slots: [AtomicU64; MAX_THREADS as usize / 64],
}
