//! This process's own memory, as words, read in a way that cannot fault.

use gilprof_code::ProcessMemory;

/// Up to `count` words from an address on: as many as can be read.
pub(crate) fn words(address: usize, count: usize) -> Vec<usize> {
    if address == 0 || !address.is_multiple_of(align_of::<usize>()) {
        return Vec::new();
    }
    let mut bytes = vec![0; count * size_of::<usize>()];
    let read = ProcessMemory::own().read_some(address as u64, &mut bytes);
    let words = bytes[..read].as_chunks().0;
    words.iter().copied().map(usize::from_ne_bytes).collect()
}
