//! Reading a `bytes` object.

use crate::error::Unreadable;
use crate::memory::{Memory, read_bytes, word};

/// The longest line table that is read, in bytes.
pub const MAX_TABLE_BYTES: usize = 1 << 20;

/// Where the parts of a `bytes` object are (`Include/cpython/bytesobject.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BytesLayout {
    /// The address of `PyBytes_Type`.
    pub type_address: u64,
    /// Offset of the size, a 64-bit value.
    pub size: u32,
    /// Offset of the content.
    pub data: u32,
}

impl BytesLayout {
    /// The content of the `bytes` object at `address`, whose type is at the
    /// offset `type_word`. `what` it is stands in the error.
    ///
    /// # Errors
    /// [`Unreadable`] where it cannot be read, or is no `bytes`.
    pub fn read(
        &self,
        memory: &impl Memory,
        type_word: u32,
        what: &'static str,
        address: u64,
    ) -> Result<Vec<u8>, Unreadable> {
        let head = read_bytes(memory, what, address, self.data as usize)?;
        if word(&head, type_word) != self.type_address {
            return Err(Unreadable::Foreign { what, address });
        }
        let size = Unreadable::limited(what, address, word(&head, self.size), MAX_TABLE_BYTES)?;
        read_bytes(memory, what, address + u64::from(self.data), size)
    }
}
