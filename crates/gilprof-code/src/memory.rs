//! Memory that can be read, and small values out of it.

use crate::error::Unreadable;

/// Memory that can be read: a process, or a copy of some of its pages.
pub trait Memory {
    /// Fills `into` with what is at `address`; false, with any content, unless
    /// all of it is there.
    fn read(&self, address: u64, into: &mut [u8]) -> bool;

    /// The word at `address`; `None` unless all of it is there.
    fn word(&self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        let read = self.read(address, &mut bytes);
        read.then(|| u64::from_ne_bytes(bytes))
    }
}

/// All of `size` bytes, or the reason why not. The caller has limited `size`.
pub(crate) fn read_bytes(
    memory: &impl Memory,
    what: &'static str,
    address: u64,
    size: usize,
) -> Result<Vec<u8>, Unreadable> {
    let mut bytes = vec![0; size];
    let end = address.checked_add(size as u64);
    // Nothing is asked for where there is nothing to read.
    if size == 0 || (end.is_some() && memory.read(address, &mut bytes)) {
        Ok(bytes)
    } else {
        Err(Unreadable::Memory { what, address })
    }
}

/// The 64-bit value at `offset`, or 0 beyond the end.
pub(crate) fn word(bytes: &[u8], offset: u32) -> u64 {
    u64::from_ne_bytes(array(bytes, offset))
}

/// The 32-bit value at `offset`, or 0 beyond the end.
pub(crate) fn half(bytes: &[u8], offset: u32) -> u32 {
    u32::from_ne_bytes(array(bytes, offset))
}

fn array<const N: usize>(bytes: &[u8], offset: u32) -> [u8; N] {
    let rest = bytes.get(offset as usize..).unwrap_or(&[]);
    rest.first_chunk().copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_beyond_the_end_is_zero() {
        let bytes = [1, 0, 0, 0, 2, 0, 0, 0];
        assert_eq!(half(&bytes, 4), 2);
        assert_eq!(half(&bytes, 5), 0);
        assert_eq!(word(&bytes, 0), 0x2_0000_0001);
        assert_eq!(word(&bytes, u32::MAX), 0);
    }
}
