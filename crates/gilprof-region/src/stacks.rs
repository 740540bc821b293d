//! Stacks of Python frames: where time went, as the hooks sampled it.
//!
//! A stack is taken where a thread's sum passes a threshold and stands for all
//! that was added to that sum since the last one was taken. So each stack's part
//! of the whole is unbiased, and what is cheap is sampled rarely.
//!
//! Only the main GIL's hooks write here, under its mutex. The ring works as that
//! of the events does: the writer overwrites the oldest, each reader counts what
//! it missed.

use crate::sync::{AtomicU64, Ordering, fence};

/// How many code objects a region can name.
pub const CODES: usize = 8192;
/// How many frames of a stack are kept, from the innermost on.
pub const FRAMES: usize = 59;
/// How many stacks the ring holds.
const STACKS: usize = 1024;
/// How far a code object may lie from the place that its address gives it.
const NEAR: usize = 32;
/// Stands for a code object that found no room.
pub const NO_CODE: u32 = u32::MAX;

const HEAD_WORDS: usize = 5;

/// One sampled stack, as it lies in the ring.
#[derive(Debug)]
#[repr(C, align(64))]
struct StackCell([AtomicU64; HEAD_WORDS + FRAMES]);

/// The code objects seen so far, and the ring of stacks.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct StackTable {
    /// How many stacks were ever posted.
    head: AtomicU64,
    /// From which head on the reader is to be woken; it sets it.
    ring_at: AtomicU64,
    /// Frames whose code object found no room.
    codes_refused: AtomicU64,
    codes: [AtomicU64; CODES],
    cells: [StackCell; STACKS],
}

/// Where a stack was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A thread has taken the GIL: the weights are its wait and its time away.
    Acquire,
    /// The holder gave it up: the weights are what its holds cost the waiters,
    /// and how long they were.
    Release,
}

/// What a stack stands for, in nanoseconds; zero where nothing was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weights {
    /// Waiting: the thread's own at [`Moment::Acquire`], that of the others at
    /// [`Moment::Release`].
    pub waiting_ns: u64,
    /// The thread's detached time at [`Moment::Acquire`], its holding time at
    /// [`Moment::Release`].
    pub spent_ns: u64,
    /// At [`Moment::Release`], when the hold that ended had begun.
    pub began_ns: u64,
    /// At [`Moment::Release`], how long it was.
    pub held_ns: u64,
}

impl Weights {
    /// Whether a stack is to be taken.
    #[inline(always)]
    pub fn is_due(&self) -> bool {
        self.waiting_ns | self.spent_ns != 0
    }
}

/// One frame: a code object by its number in the table, and the offset of the
/// instruction in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RawFrame {
    /// [`NO_CODE`] where the table is full.
    pub code: u32,
    /// From the first instruction on.
    pub offset: u32,
}

/// A stack as a reader finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawStack {
    /// The thread's own number.
    pub thread: u32,
    /// Where it was taken.
    pub moment: Moment,
    /// What it stands for.
    pub weights: Weights,
    /// The innermost frame first; empty where it could not be read.
    pub frames: Vec<RawFrame>,
}

impl StackTable {
    /// The number of a code object, and whether it was not seen before. The
    /// caller holds the main GIL's mutex.
    // Must not allocate.
    pub fn intern(&self, address: u64) -> Option<(u32, bool)> {
        for index in places(address) {
            let place = &self.codes[index];
            match place.load(Ordering::Relaxed) {
                known if known == address => return Some((index as u32, false)),
                0 => {
                    // Pairs with the acquire load in `code`.
                    place.store(address, Ordering::Release);
                    return Some((index as u32, true));
                }
                _ => (),
            }
        }
        let refused = self.codes_refused.load(Ordering::Relaxed);
        self.codes_refused.store(refused + 1, Ordering::Relaxed);
        None
    }

    /// The number of a code object that was seen before.
    pub fn find(&self, address: u64) -> Option<u32> {
        // Pairs with the release store in `intern`.
        let known = |index: &usize| self.codes[*index].load(Ordering::Acquire) == address;
        places(address).find(known).map(|index| index as u32)
    }

    /// The address of the code object with this number.
    pub fn code(&self, index: u32) -> Option<u64> {
        // Pairs with the release store in `intern`.
        let address = self.codes.get(index as usize)?.load(Ordering::Acquire);
        Some(address).filter(|&address| address != 0)
    }

    /// The addresses of all code objects.
    pub fn codes(&self) -> impl Iterator<Item = u64> + '_ {
        let places = self.codes.iter();
        places
            .map(|place| place.load(Ordering::Acquire))
            .filter(|&address| address != 0)
    }

    /// Frames whose code object found no room in the table.
    pub fn codes_refused(&self) -> u64 {
        self.codes_refused.load(Ordering::Relaxed)
    }

    /// Appends a stack. The caller holds the main GIL's mutex.
    // Must not allocate.
    pub fn post(
        &self,
        thread: u32,
        moment: Moment,
        weights: Weights,
        frames: impl Iterator<Item = RawFrame>,
    ) {
        let position = self.head.load(Ordering::Relaxed);
        // Whoever sees one of the words below also sees the head of the last
        // post; pairs with the acquire fence in `copy`.
        fence(Ordering::Release);
        let cell = &self.cells[position as usize % STACKS].0;
        let mut depth = 0;
        for (word, frame) in cell[HEAD_WORDS..].iter().zip(frames) {
            let packed = u64::from(frame.code) << 32 | u64::from(frame.offset);
            word.store(packed, Ordering::Relaxed);
            depth += 1;
        }
        let at_release = u64::from(moment == Moment::Release);
        let head = u64::from(thread) << 32 | depth << 1 | at_release;
        cell[0].store(head, Ordering::Relaxed);
        cell[1].store(weights.waiting_ns, Ordering::Relaxed);
        cell[2].store(weights.spent_ns, Ordering::Relaxed);
        cell[3].store(weights.began_ns, Ordering::Relaxed);
        cell[4].store(weights.held_ns, Ordering::Relaxed);
        // Pairs with the acquire load in `posted`.
        self.head.store(position + 1, Ordering::Release);
    }

    /// Whether so many stacks came since the reader's last look that it should look again.
    // Must not allocate.
    pub(crate) fn is_filling(&self) -> bool {
        self.posted() >= self.ring_at.load(Ordering::Relaxed)
    }

    /// How many stacks were ever posted.
    pub fn posted(&self) -> u64 {
        // Pairs with the release store in `post`.
        self.head.load(Ordering::Acquire)
    }

    /// Copies the stack at `position`, or `None` if it may be overwritten.
    fn copy(&self, position: u64) -> Option<RawStack> {
        let cell = &self.cells[position as usize % STACKS].0;
        let head: [u64; HEAD_WORDS] = core::array::from_fn(|i| cell[i].load(Ordering::Relaxed));
        let depth = (head[0] as u32 as usize / 2).min(FRAMES);
        let frames = cell[HEAD_WORDS..][..depth].iter();
        let frames = frames.map(|word| unpack(word.load(Ordering::Relaxed)));
        let stack = RawStack {
            thread: (head[0] >> 32) as u32,
            moment: match head[0] & 1 {
                0 => Moment::Acquire,
                _ => Moment::Release,
            },
            weights: Weights {
                waiting_ns: head[1],
                spent_ns: head[2],
                began_ns: head[3],
                held_ns: head[4],
            },
            frames: frames.collect(),
        };
        // Pairs with the release fence in `post`.
        fence(Ordering::Acquire);
        let intact = position + STACKS as u64 > self.head.load(Ordering::Relaxed);
        intact.then_some(stack)
    }
}

/// Where a code object can be in the table.
fn places(address: u64) -> impl Iterator<Item = usize> {
    let start = (address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 51;
    (0..NEAR).map(move |near| (start as usize + near) % CODES)
}

fn unpack(word: u64) -> RawFrame {
    RawFrame {
        code: (word >> 32) as u32,
        offset: word as u32,
    }
}

/// A reader's place among the stacks.
#[derive(Clone, Copy, Debug, Default)]
pub struct StackCursor {
    position: u64,
    lost: u64,
    /// Whether somebody else is the one who is rung for.
    is_visitor: bool,
}

impl StackCursor {
    /// That of one who reads along with the reader, and writes nothing.
    pub fn of_visitor() -> Self {
        StackCursor {
            is_visitor: true,
            ..StackCursor::default()
        }
    }

    /// The next stack before `limit` that was not read yet and is still there.
    pub fn next(&mut self, table: &StackTable, limit: u64) -> Option<RawStack> {
        let posted = table.posted();
        while self.position < limit.min(posted) {
            let oldest = posted.saturating_sub(STACKS as u64 / 2);
            let stack = table.copy(self.position);
            if let Some(stack) = stack {
                self.position += 1;
                return Some(stack);
            }
            let next = oldest.max(self.position + 1);
            self.lost += next - self.position;
            self.position = next;
        }
        if !self.is_visitor {
            let ring_at = self.position + STACKS as u64 / 2;
            table.ring_at.store(ring_at, Ordering::Relaxed);
        }
        None
    }

    /// How many stacks were overwritten before they were read.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::region::{Region, Sizes};

    fn region() -> Region {
        Region::private(Sizes::default()).expect("memory for a region")
    }

    fn frame(n: u32) -> RawFrame {
        RawFrame { code: n, offset: n }
    }

    fn drained(region: &Region, cursor: &mut StackCursor) -> Vec<RawStack> {
        std::iter::from_fn(|| cursor.next(region.stacks(), u64::MAX)).collect()
    }

    fn weights(n: u64) -> Weights {
        Weights {
            waiting_ns: n,
            spent_ns: n + 1,
            began_ns: n + 2,
            held_ns: n + 3,
        }
    }

    #[test]
    fn a_stack_comes_back_as_it_was_posted() {
        let region = region();
        let frames = || (0..3).map(frame);
        region
            .stacks()
            .post(7, Moment::Release, weights(5), frames());
        let found = drained(&region, &mut StackCursor::default());
        assert_eq!(
            found,
            [RawStack {
                thread: 7,
                moment: Moment::Release,
                weights: weights(5),
                frames: frames().collect(),
            }]
        );
    }

    #[test]
    fn of_a_deep_stack_the_innermost_frames_are_kept() {
        let region = region();
        let frames = (0..500).map(frame);
        region.stacks().post(1, Moment::Acquire, weights(1), frames);
        let found = drained(&region, &mut StackCursor::default());
        assert_eq!(found[0].frames.len(), FRAMES);
        assert_eq!(found[0].frames[0], frame(0));
    }

    #[test]
    fn stacks_read_and_stacks_lost_add_up_to_stacks_posted() {
        let region = region();
        let mut cursor = StackCursor::default();
        for n in 0..3_000 {
            let none = std::iter::empty();
            region.stacks().post(n, Moment::Acquire, weights(1), none);
        }
        let read = drained(&region, &mut cursor).len() as u64;
        assert_eq!(read + cursor.lost(), 3_000);
        assert!(read > 0 && cursor.lost() > 0);
    }

    #[test]
    fn a_code_object_is_new_once_and_keeps_its_number() {
        let region = region();
        let table = region.stacks();
        let addresses = (1..5_000_u64).map(|n| 0x7f00_0000_0000 + n * 208);
        for address in addresses.clone() {
            let Some((index, fresh)) = table.intern(address) else {
                continue;
            };
            assert!(fresh);
            assert_eq!(table.intern(address), Some((index, false)));
            assert_eq!(table.code(index), Some(address));
        }
        let known = addresses.count() as u64 - table.codes_refused();
        assert_eq!(table.codes().count() as u64, known);
        assert!(table.codes_refused() < 100);
    }
}
