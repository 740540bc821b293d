//! The stacks that were seen, and the code objects they are made of.

use std::collections::HashMap;

use gilprof_attach::Interpreter;
use gilprof_code::{Code, CodeLayout, FrameAt, FrameLayout, Memory, ProcessMemory};
use gilprof_core::Frame;
use gilprof_region::{FRAMES, RawFrame};

use crate::culprit::steady;

/// How many stacks and code objects are kept; others are not known.
const STACKS: usize = 65_536;
const CODES: usize = 16_384;
/// A code object that cannot be named.
const UNREADABLE: u32 = u32::MAX;
/// No code object is read further, in bytes.
const EXTENT: usize = 512;

/// The stacks that were seen, by their numbers.
#[derive(Debug)]
pub(super) struct Shelf {
    memory: ProcessMemory,
    frames: FrameLayout,
    layout: CodeLayout,
    stacks: Vec<Vec<RawFrame>>,
    numbers: HashMap<Vec<RawFrame>, u32>,
    codes: Vec<Code>,
    /// By address: its number, and what it said of itself.
    known: HashMap<u64, (u32, Signature)>,
}

/// What tells a code object from another that came to its place: where its names and lines
/// are, and its first line.
type Signature = [u64; 4];

impl Shelf {
    /// # Errors
    /// A reason where frames or code cannot be read.
    pub(super) fn of(pid: u32, python: &Interpreter) -> Result<Self, String> {
        Ok(Shelf {
            memory: ProcessMemory::of(pid),
            frames: python.frame_layout()?,
            layout: python.code_layout()?,
            stacks: Vec::new(),
            numbers: HashMap::new(),
            codes: Vec::new(),
            known: HashMap::new(),
        })
    }

    /// The number of the stack of a thread state, as far out as it stood while `goes_on`.
    pub(super) fn stack(&mut self, state: u64, goes_on: impl Fn() -> bool) -> Option<u32> {
        let known = |code| self.known.contains_key(&code);
        let read = || self.frames.frames(&self.memory, state, FRAMES, known);
        let (frames, _stood) = steady(read, goes_on)?;
        let stack: Vec<RawFrame> = frames.iter().map(|frame| self.number(frame)).collect();
        if let Some(&number) = self.numbers.get(&stack) {
            return Some(number);
        }
        let number = u32::try_from(self.stacks.len()).ok()?;
        if self.stacks.len() >= STACKS {
            return None;
        }
        self.stacks.push(stack.clone());
        self.numbers.insert(stack, number);
        Some(number)
    }

    fn number(&mut self, frame: &FrameAt) -> RawFrame {
        RawFrame {
            code: self.code(frame.code).unwrap_or(UNREADABLE),
            offset: frame.offset,
        }
    }

    /// Nothing keeps a code object alive, and another may have its address: so each time it
    /// is looked at whether it is the same.
    fn code(&mut self, address: u64) -> Option<u32> {
        let signature = self.signature(address)?;
        let known = self.known.get(&address);
        if let Some((number, _)) = known.filter(|(_, known)| *known == signature) {
            return Some(*number);
        }
        let code = Code::read(&self.memory, &self.layout, address).ok()?;
        let number = match self.codes.iter().position(|known| *known == code) {
            Some(at) => at as u32,
            None if self.codes.len() >= CODES => return None,
            None => {
                self.codes.push(code);
                (self.codes.len() - 1) as u32
            }
        };
        self.known.insert(address, (number, signature));
        Some(number)
    }

    fn signature(&self, address: u64) -> Option<Signature> {
        let layout = &self.layout;
        let name = match layout.qualified_name {
            0 => layout.name,
            offset => offset,
        };
        let places = [layout.file_name, name, layout.line_table, layout.first_line];
        let end = places.iter().max()? + 8;
        let mut bytes = [0; EXTENT];
        let bytes = bytes.get_mut(..end as usize)?;
        if !self.memory.read(address, bytes) {
            return None;
        }
        let mut signature = [0; 4];
        for (word, place) in signature.iter_mut().zip(places) {
            *word = u64::from_ne_bytes(*bytes[place as usize..].first_chunk()?);
        }
        // The first line is half a word.
        signature[3] &= u64::from(u32::MAX);
        Some(signature)
    }

    /// Adds the frames of a stack to the table, and says at which indexes they are.
    pub(super) fn place(
        &self,
        stack: u32,
        places: &mut HashMap<RawFrame, u32>,
        table: &mut Vec<Frame>,
    ) -> Vec<u32> {
        let stack = self.stacks.get(stack as usize).into_iter().flatten();
        let place = |frame: &RawFrame| {
            *places.entry(*frame).or_insert_with(|| {
                table.push(self.frame(frame));
                (table.len() - 1) as u32
            })
        };
        stack.map(place).collect()
    }

    fn frame(&self, frame: &RawFrame) -> Frame {
        match self.codes.get(frame.code as usize) {
            Some(code) => Frame {
                function: code.function.clone(),
                file: code.file.clone(),
                line: code.line_at(frame.offset),
                ..Frame::default()
            },
            None => Frame {
                function: String::from("(unreadable)"),
                ..Frame::default()
            },
        }
    }
}
