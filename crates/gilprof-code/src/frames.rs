//! A thread's Python frames, from its thread state on.

use crate::error::Unreadable;
use crate::memory::Memory;
use crate::nearby::Nearby;

/// How many words a layout takes in a region.
pub const FRAME_WORDS: usize = 9;
/// No frame is read further, in bytes.
const MOST: usize = 256;
/// No offset is larger.
const FAR: u64 = 4096;
/// Pointers to code objects may carry flags in their low bits.
const TAGS: u64 = 7;

/// How the place of the instruction is kept in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instruction {
    /// A pointer into the code object, whose instructions begin so many bytes in.
    Pointer {
        /// Where they begin.
        start: u32,
    },
    /// An `int` that counts units.
    Index {
        /// The bytes of a unit.
        unit: u32,
    },
}

impl Instruction {
    /// The offset in bytes of an instruction; that of a frame that has not begun
    /// is zero.
    #[inline]
    pub fn offset(self, raw: u64, code: u64) -> u32 {
        let offset = match self {
            Self::Pointer { start } => raw.wrapping_sub(code).wrapping_sub(start.into()) as u32,
            Self::Index { unit } => (raw as u32).wrapping_mul(unit),
        };
        if offset > i32::MAX as u32 { 0 } else { offset }
    }
}

/// Where frames are in an interpreter's memory; offsets are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLayout {
    /// In a thread state: the innermost frame, or what points to it.
    pub current: u32,
    /// In what the thread state points to, where that is not the frame.
    pub through: Option<u32>,
    /// In a frame: the frame that called it.
    pub previous: u32,
    /// In a frame: its code object.
    pub code: u32,
    /// In a frame: the place of the instruction.
    pub instruction: u32,
    /// How that is kept.
    pub kind: Instruction,
    /// The address of the type of code objects.
    pub code_type: u64,
    /// The address of the code object of frames that stand for C; 0 for none.
    pub shim: u64,
}

/// One frame as it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FrameAt {
    /// The address of the code object.
    pub code: u64,
    /// The offset of the instruction in bytes.
    pub offset: u32,
}

impl FrameLayout {
    /// The layout as words that another process can read.
    pub fn to_words(&self) -> [u64; FRAME_WORDS] {
        let (kind, number) = match self.kind {
            Instruction::Pointer { start } => (1, start),
            Instruction::Index { unit } => (2, unit),
        };
        [
            self.current.into(),
            self.through.map_or(u64::MAX, u64::from),
            self.previous.into(),
            self.code.into(),
            self.instruction.into(),
            kind,
            number.into(),
            self.code_type,
            self.shim,
        ]
    }

    /// The layout that these words say.
    ///
    /// # Errors
    /// [`Unreadable`] where they cannot be one.
    pub fn from_words(words: &[u64; FRAME_WORDS]) -> Result<Self, Unreadable> {
        let offset = |word: u64| match word {
            0..FAR => Ok(word as u32),
            found => Err(Unreadable::Layout {
                field: "an offset in a frame",
                found,
                expected: "less than 4096",
            }),
        };
        let kind = match (words[5], offset(words[6])?) {
            (1, start) => Instruction::Pointer { start },
            (2, unit @ 1..=2) => Instruction::Index { unit },
            _ => {
                return Err(Unreadable::Layout {
                    field: "the kind of an instruction's place",
                    found: words[5],
                    expected: "1, or 2 with a unit of 1 or 2",
                });
            }
        };
        Ok(FrameLayout {
            current: offset(words[0])?,
            through: match words[1] {
                u64::MAX => None,
                word => Some(offset(word)?),
            },
            previous: offset(words[2])?,
            code: offset(words[3])?,
            instruction: offset(words[4])?,
            kind,
            code_type: words[7],
            shim: words[8],
        })
    }

    /// Reads the frames of a thread state, the innermost first, at most `limit`;
    /// `None` where something could not be read. What is `known` to be a code object
    /// is not looked at. A thread that runs may change its frames meanwhile: then
    /// what is read may be nonsense, but reading it ends.
    pub fn frames(
        &self,
        memory: &impl Memory,
        state: u64,
        limit: usize,
        known: impl Fn(u64) -> bool,
    ) -> Option<Vec<FrameAt>> {
        let nearby = Nearby::new(memory);
        let mut frames = Vec::new();
        let mut next = self.innermost(memory, state)?;
        let mut last_code = 0;
        // Frames that stand for C are passed by, so there are more of them.
        for _ in 0..4 * limit {
            if next == 0 || frames.len() >= limit {
                break;
            }
            let frame = Words::read(&nearby, next, self.bytes()?)?;
            let code = frame.word(self.code)? & !TAGS;
            if code == last_code || known(code) || self.is_code(memory, code)? {
                last_code = code;
                let raw = frame.half(self.instruction)?;
                frames.push(FrameAt {
                    code,
                    offset: self.kind.offset(raw.into(), code & 0xffff_ffff),
                });
            }
            next = frame.word(self.previous)?;
        }
        Some(frames)
    }

    fn innermost(&self, memory: &impl Memory, state: u64) -> Option<u64> {
        let first = memory.word(state.checked_add(self.current.into())?)?;
        match self.through {
            Some(offset) if first != 0 => memory.word(first.checked_add(offset.into())?),
            _ => Some(first),
        }
    }

    /// How much of a frame has to be read.
    fn bytes(&self) -> Option<usize> {
        let last = self.previous.max(self.code).max(self.instruction);
        let bytes = last as usize + 8;
        (bytes <= MOST).then_some(bytes)
    }

    /// Whether a frame with this code object is one of Python's.
    fn is_code(&self, memory: &impl Memory, code: u64) -> Option<bool> {
        if code == 0 || code == self.shim {
            return Some(false);
        }
        // The type is the second word of any object.
        Some(memory.word(code.checked_add(8)?)? == self.code_type)
    }
}

/// The first bytes of a frame.
struct Words([u8; MOST]);

impl Words {
    fn read(memory: &impl Memory, address: u64, bytes: usize) -> Option<Self> {
        let mut words = Words([0; MOST]);
        let read = memory.read(address, words.0.get_mut(..bytes)?);
        read.then_some(words)
    }

    fn word(&self, offset: u32) -> Option<u64> {
        let bytes = self.0.get(offset as usize..)?.first_chunk()?;
        Some(u64::from_ne_bytes(*bytes))
    }

    fn half(&self, offset: u32) -> Option<u32> {
        let bytes = self.0.get(offset as usize..)?.first_chunk()?;
        Some(u32::from_ne_bytes(*bytes))
    }
}
