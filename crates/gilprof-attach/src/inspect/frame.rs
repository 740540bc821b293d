//! One frame as it may be, and what it says of itself.

use gilprof_code::{CodeLayout, LineTable, Memory};

use super::anchors::{Anchors, is_pointer};
use super::pages::Pages;

/// How far a frame is searched, in words.
pub(crate) const FRAME_WORDS: usize = 24;
/// Pointers to code objects and, from 3.14 on, to functions may carry flags in their low bits.
pub(crate) const TAGS: u64 = 7;
/// The instructions of most functions that have called another, in 3.9 and 3.10:
/// CALL_FUNCTION, CALL_FUNCTION_KW, CALL_FUNCTION_EX, CALL_METHOD, YIELD_FROM and FOR_ITER
/// (`opcode.h`).
const CALLS: [u8; 6] = [131, 141, 142, 161, 72, 93];

/// What is known of code objects and functions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) anchors: Anchors,
    pub(crate) layout: CodeLayout,
    /// In a function: its code object.
    pub(crate) code_of_function: u32,
    /// The address of the interpreter whose threads they are of.
    pub(crate) interpreter: u64,
}

/// The first words of what may be a frame.
pub(crate) type Words = [u64; FRAME_WORDS];

/// Places in a frame: one bit for each four bytes.
pub(crate) type Places = u64;

/// One frame of a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) address: u64,
    /// Its code object; 0 where there is something else.
    pub(crate) code: u64,
    /// Whether it is a frame of that code beyond doubt: it is an object of that type, as
    /// to 3.10, or it has the function of that code.
    pub(crate) is_proved: bool,
    /// Whether it was the same when it was read again.
    pub(crate) is_still: bool,
    /// Where the place of the instruction may be kept.
    pub(crate) instructions: Places,
    /// Where it may be if that instruction is a call; not known from 3.11 on.
    pub(crate) calls: Places,
}

impl Known {
    /// How the place of an instruction is counted before 3.11: in bytes to 3.9, in units of
    /// two from 3.10 on, when the line table changed too. `None` from 3.11 on.
    pub(crate) fn unit(&self) -> Option<u32> {
        match self.layout.lines {
            LineTable::Lnotab => Some(1),
            LineTable::Lines310 => Some(2),
            LineTable::Locations311 => None,
        }
    }

    /// The code object that a word points to, else 0.
    pub(crate) fn code(&self, pages: &Pages, word: u64) -> u64 {
        let code = word & !TAGS;
        match self.anchors.code.is_of(pages, code) {
            true => code,
            false => 0,
        }
    }

    /// The words at an address that may be a frame's.
    pub(crate) fn words(pages: &Pages, address: u64) -> Option<Words> {
        let words = is_pointer(address).then(|| pages.words(address, FRAME_WORDS))?;
        words.try_into().ok()
    }

    /// Whether these are the words of a frame of this code beyond doubt.
    pub(crate) fn is_frame(&self, pages: &Pages, words: &Words, code: u64) -> bool {
        let offset = u64::from(self.code_of_function);
        let has_function = |&word: &u64| {
            let function = word & !TAGS;
            self.anchors.function.is_of(pages, function)
                && pages.word(function.wrapping_add(offset)) == Some(code)
        };
        match self.unit() {
            Some(_) => words[self.anchors.type_word() as usize / 8] == self.anchors.frame.address,
            None => words.iter().any(has_function),
        }
    }

    /// Where these words may have the place of the instruction, and where it is that of a
    /// call.
    pub(crate) fn instructions(&self, pages: &Pages, words: &Words, code: u64) -> (Places, Places) {
        match self.unit() {
            None => (self.pointers(pages, words, code), 0),
            Some(unit) => self.indices(pages, words, code, unit),
        }
    }

    /// A pointer into the bytecode, or right before it where the function has not begun.
    fn pointers(&self, pages: &Pages, words: &Words, code: u64) -> Places {
        let begin = code + u64::from(self.layout.instructions);
        let units = pages
            .word(code.wrapping_add(self.anchors.head()))
            .unwrap_or(0);
        let size = units.saturating_mul(self.anchors.code.item_size);
        let range = begin - 2..begin.saturating_add(size);
        let fits = |at: usize| range.contains(&words[at]);
        let fitting = (0..FRAME_WORDS).filter(|&at| fits(at));
        fitting.fold(0, |places, at| places | 1 << (2 * at))
    }

    /// A number of units, less than there are; -1 where the function has not begun.
    fn indices(&self, pages: &Pages, words: &Words, code: u64, unit: u32) -> (Places, Places) {
        let bytecode = self.bytecode(pages, code);
        let (mut places, mut calls) = (0, 0);
        // An object begins with its count of references and its type.
        for at in 4..2 * FRAME_WORDS {
            let number = (words[at / 2] >> (at % 2 * 32)) as u32;
            let instruction = bytecode.get(number as usize * unit as usize);
            if number == u32::MAX || instruction.is_some() {
                places |= 1 << at;
            }
            if instruction.is_some_and(|instruction| CALLS.contains(instruction)) {
                calls |= 1 << at;
            }
        }
        (places, calls)
    }

    /// Of the `bytes` of a code object, the bytecode is the longest.
    fn bytecode(&self, pages: &Pages, code: u64) -> Vec<u8> {
        let size = self.anchors.code.basic_size as usize / 8;
        let parts = pages.words(code, size.min(64)).into_iter();
        let parts = parts.filter(|&part| self.anchors.bytes.is_of(pages, part));
        let contents = parts.filter_map(|part| {
            let content = self
                .layout
                .bytes
                .read(pages, self.anchors.type_word(), "bytecode", part);
            content.ok()
        });
        contents.max_by_key(Vec::len).unwrap_or_default()
    }
}
