//! Reading a `str` object.

use crate::error::Unreadable;
use crate::memory::{Memory, half, read_bytes, word};

/// The longest name or file name that is read, in characters.
pub const MAX_TEXT_CHARS: usize = 4096;

const KIND: u32 = 7;
const COMPACT: u32 = 1 << 3;
const ASCII: u32 = 1 << 4;

/// Where the parts of a `str` object are (`Include/cpython/unicodeobject.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextLayout {
    /// The address of `PyUnicode_Type`.
    pub type_address: u64,
    /// Offset of the length in characters, a 64-bit value.
    pub length: u32,
    /// Offset of the state, a 32-bit value.
    pub state: u32,
    /// Offset of the characters of a compact ASCII string.
    pub ascii_data: u32,
    /// Offset of the characters of any other compact string.
    pub other_data: u32,
    /// The lowest bit of the state's five flags: three for the bytes a
    /// character, 1, 2 or 4; one for compact; one for ASCII.
    pub flags_shift: u8,
}

impl TextLayout {
    /// The flags of a compact string, once they are shifted down.
    pub fn flags(bytes_a_character: u32, is_ascii: bool) -> u32 {
        bytes_a_character | COMPACT | if is_ascii { ASCII } else { 0 }
    }

    /// The flags in a state that has them at `shift`.
    pub fn flags_in(state: u32, shift: u8) -> u32 {
        state.unbounded_shr(shift.into()) & (KIND | COMPACT | ASCII)
    }

    /// The content of the `str` object at `address`, whose type is at the
    /// offset `type_word`. What is no character, half of a surrogate pair,
    /// becomes U+FFFD. `what` it is stands in the error.
    ///
    /// # Errors
    /// [`Unreadable`] where it cannot be read, or is no `str`.
    pub fn read(
        &self,
        memory: &impl Memory,
        type_word: u32,
        what: &'static str,
        address: u64,
    ) -> Result<String, Unreadable> {
        // Both data offsets are behind all of the head.
        let head = read_bytes(memory, what, address, self.ascii_data as usize)?;
        let foreign = Unreadable::Foreign { what, address };
        if word(&head, type_word) != self.type_address {
            return Err(foreign);
        }
        let flags = Self::flags_in(half(&head, self.state), self.flags_shift);
        if flags & COMPACT == 0 {
            return Err(foreign);
        }
        let length = Unreadable::limited(what, address, word(&head, self.length), MAX_TEXT_CHARS)?;
        let offset = match flags & ASCII {
            0 => self.other_data,
            _ => self.ascii_data,
        };
        let kind = flags & KIND;
        let characters: fn(&[u8]) -> String = match kind {
            1 => latin1,
            2 => two_bytes,
            4 => four_bytes,
            _ => return Err(foreign),
        };
        let size = length * kind as usize;
        read_bytes(memory, what, address + u64::from(offset), size).map(|data| characters(&data))
    }
}

fn latin1(data: &[u8]) -> String {
    data.iter().copied().map(char::from).collect()
}

fn two_bytes(data: &[u8]) -> String {
    let (units, _) = data.as_chunks();
    let codes = units.iter().copied().map(u16::from_ne_bytes);
    codes.map(|code| character(code.into())).collect()
}

fn four_bytes(data: &[u8]) -> String {
    let (units, _) = data.as_chunks();
    let codes = units.iter().copied().map(u32::from_ne_bytes);
    codes.map(character).collect()
}

fn character(code: u32) -> char {
    char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
}
