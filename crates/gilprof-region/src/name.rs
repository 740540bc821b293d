//! A thread's name in place: the thread's own, else the kernel's.

use crate::sync::{AtomicU64, Ordering, fence};

const WORDS: usize = 8;
/// The longest name that is kept, in bytes.
pub const NAME_BYTES: usize = WORDS * 8;

/// Up to [`NAME_BYTES`] of UTF-8, guarded by a sequence number: odd while
/// it is being written.
#[derive(Debug)]
#[repr(C)]
pub struct NameCell {
    sequence: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl NameCell {
    /// Replaces the name; what does not fit is cut off.
    // Must not allocate.
    pub fn write(&self, bytes: impl Iterator<Item = u8>) {
        let sequence = self.lock();
        self.store(bytes);
        self.unlock(sequence);
    }

    /// Gives a name to what has none; one that is there stays.
    pub(crate) fn write_if_empty(&self, bytes: impl Iterator<Item = u8>) {
        let sequence = self.lock();
        if self.is_empty() {
            self.store(bytes);
        }
        self.unlock(sequence);
    }

    /// Makes the sequence odd, which keeps other writers away for the few
    /// nanoseconds that writing takes.
    fn lock(&self) -> u64 {
        /// Far more than that: then its writer was killed.
        const TRIES: usize = 10_000;
        for _ in 0..TRIES {
            let even = self.sequence.load(Ordering::Relaxed) & !1;
            let taken = self.sequence.compare_exchange(
                even,
                even + 1,
                // Pairs with the release store in `unlock`.
                Ordering::Acquire,
                Ordering::Relaxed,
            );
            if taken.is_ok() {
                // Pairs with the acquire fence in `try_read`.
                fence(Ordering::Release);
                return even + 1;
            }
            core::hint::spin_loop();
        }
        self.sequence.load(Ordering::Relaxed) | 1
    }

    fn store(&self, bytes: impl Iterator<Item = u8>) {
        for (cell, word) in self.words.iter().zip(pack(bytes)) {
            cell.store(word, Ordering::Relaxed);
        }
    }

    fn unlock(&self, odd: u64) {
        // Pairs with the acquire load in `try_read` and with `lock`.
        self.sequence.store(odd.wrapping_add(1), Ordering::Release);
    }

    /// The bytes of the name, without the padding.
    // Must not allocate.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = u8> + '_ {
        self.words
            .iter()
            .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
            .take_while(|&byte| byte != 0)
    }

    /// Whether no name was written yet.
    pub fn is_empty(&self) -> bool {
        self.words[0].load(Ordering::Relaxed) == 0
    }

    fn try_read(&self) -> Option<String> {
        // Pairs with the release store in `write`.
        let before = self.sequence.load(Ordering::Acquire);
        let bytes: Vec<u8> = self.bytes().collect();
        // Pairs with the release fence in `write`.
        fence(Ordering::Acquire);
        let after = self.sequence.load(Ordering::Relaxed);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (before == after && before.is_multiple_of(2)).then_some(text)
    }

    /// The name; empty where none was written, or where its writer was killed
    /// in the middle.
    pub fn read(&self) -> String {
        const TRIES: usize = 1_000;
        (0..TRIES).find_map(|_| self.try_read()).unwrap_or_default()
    }
}

/// The bytes as little-endian words, cut at a character's edge, zero-padded.
fn pack(bytes: impl Iterator<Item = u8>) -> [u64; WORDS] {
    // One byte more than fits tells whether a character would be cut in two.
    let mut buffer = [0_u8; NAME_BYTES + 1];
    for (place, byte) in buffer.iter_mut().zip(bytes.filter(|&byte| byte != 0)) {
        *place = byte;
    }
    let mut end = NAME_BYTES;
    while end > 0 && is_continuation(buffer[end]) {
        end -= 1;
    }
    buffer[end..].fill(0);
    core::array::from_fn(|i| u64::from_le_bytes(core::array::from_fn(|j| buffer[i * 8 + j])))
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

/// The name with each run of digits replaced by `*`, as ended threads are
/// grouped: `Thread-12 (f)` becomes `Thread-* (f)`.
// Must not allocate.
pub(crate) fn pattern(bytes: impl Iterator<Item = u8>) -> impl Iterator<Item = u8> {
    let mut in_digits = false;
    bytes.filter_map(move |byte| {
        let first = !in_digits;
        in_digits = byte.is_ascii_digit();
        match in_digits {
            true => first.then_some(b'*'),
            false => Some(byte),
        }
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn cell() -> NameCell {
        NameCell {
            sequence: AtomicU64::new(0),
            words: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    #[test]
    fn a_name_reads_back() {
        let cell = cell();
        assert!(cell.is_empty());
        cell.write("worker-1 (größe)".bytes());
        assert_eq!(cell.read(), "worker-1 (größe)");
        cell.write("w".bytes());
        assert_eq!(cell.read(), "w");
    }

    #[test]
    fn a_name_that_is_there_stays_where_the_kernel_has_another() {
        let cell = cell();
        cell.write_if_empty("python".bytes());
        assert_eq!(cell.read(), "python");
        cell.write("worker".bytes());
        cell.write_if_empty("python".bytes());
        assert_eq!(cell.read(), "worker");
    }

    #[test]
    fn a_writer_that_was_killed_keeps_nobody_away_for_ever() {
        let cell = cell();
        cell.sequence.store(7, Ordering::Relaxed);
        cell.write("next".bytes());
        assert_eq!(cell.read(), "next");
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let cell = cell();
        cell.write("é".repeat(40).bytes());
        assert_eq!(cell.read(), "é".repeat(32));
        cell.write(format!("a{}", "é".repeat(40)).bytes());
        assert_eq!(cell.read(), format!("a{}", "é".repeat(31)));
    }

    #[test]
    fn the_pattern_is_the_one_that_profiles_use() {
        for name in ["Thread-12 (f)", "a1b22c", "", "007", "no digits"] {
            let here: Vec<u8> = pattern(name.bytes()).collect();
            assert_eq!(String::from_utf8_lossy(&here), gilprof_core::pattern(name));
        }
    }
}
