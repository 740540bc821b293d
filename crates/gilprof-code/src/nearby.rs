//! Memory that is read in pieces.

use std::cell::RefCell;

use crate::memory::Memory;

/// How much is read at a time, in bytes.
const PIECE: usize = 1024;
const PAGE: u64 = 4096;

/// Memory of which more than was asked for is read at a time: what lies below.
///
/// The frames of calls lie above each other, and a read costs a system call. For
/// one walk over memory that does not stand still: what was read is not read again.
#[derive(Debug)]
pub(crate) struct Nearby<'m, M> {
    memory: &'m M,
    piece: RefCell<Piece>,
}

#[derive(Debug)]
struct Piece {
    start: u64,
    length: usize,
    bytes: [u8; PIECE],
}

impl<'m, M: Memory> Nearby<'m, M> {
    pub(crate) fn new(memory: &'m M) -> Self {
        Nearby {
            memory,
            piece: RefCell::new(Piece {
                start: 0,
                length: 0,
                bytes: [0; PIECE],
            }),
        }
    }
}

impl<M: Memory> Memory for Nearby<'_, M> {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        let mut piece = self.piece.borrow_mut();
        piece.copy(address, into)
            || (piece.fill(self.memory, address, into.len()) && piece.copy(address, into))
            || self.memory.read(address, into)
    }
}

impl Piece {
    fn copy(&self, address: u64, into: &mut [u8]) -> bool {
        let whole = &self.bytes[..self.length];
        let found = address.checked_sub(self.start).and_then(|skipped| {
            let rest = whole.get(usize::try_from(skipped).ok()?..)?;
            rest.get(..into.len())
        });
        found.is_some_and(|found| {
            into.copy_from_slice(found);
            true
        })
    }

    /// Reads what ends with these bytes and begins, if they do, on the same page:
    /// there need not be another one.
    fn fill(&mut self, memory: &impl Memory, address: u64, length: usize) -> bool {
        let Some(before) = PIECE.checked_sub(length) else {
            return false;
        };
        let before = (before as u64).min(address % PAGE);
        self.start = address - before;
        self.length = before as usize + length;
        if !memory.read(self.start, &mut self.bytes[..self.length]) {
            self.length = 0;
        }
        self.length > 0
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Two pages with a byte's low bits everywhere, after one that is not there.
    #[derive(Default)]
    struct Pages {
        reads: Cell<u32>,
    }

    impl Memory for Pages {
        fn read(&self, address: u64, into: &mut [u8]) -> bool {
            self.reads.set(self.reads.get() + 1);
            let end = address + into.len() as u64;
            into.iter_mut()
                .zip(address..)
                .for_each(|(byte, at)| *byte = at as u8);
            address >= PAGE && end <= 3 * PAGE
        }
    }

    fn reads_right(nearby: &Nearby<'_, Pages>, address: u64, length: usize) -> bool {
        let mut into = vec![0; length];
        nearby.read(address, &mut into) && into.iter().zip(address..).all(|(&b, at)| b == at as u8)
    }

    #[test]
    fn what_lies_below_is_there_without_another_read() {
        let pages = Pages::default();
        let nearby = Nearby::new(&pages);
        for address in (0..10).map(|frame| 2 * PAGE - 100 * (frame + 1)) {
            assert!(reads_right(&nearby, address, 96), "{address}");
        }
        assert_eq!(pages.reads.get(), 1);
    }

    #[test]
    fn a_read_never_reaches_for_a_page_that_was_not_asked_for() {
        for (address, length) in [
            (PAGE, 8),
            (PAGE + 8, 96),
            (2 * PAGE - 8, 16),
            (3 * PAGE - 8, 8),
        ] {
            let pages = Pages::default();
            assert!(
                reads_right(&Nearby::new(&pages), address, length),
                "{address}"
            );
            assert_eq!(pages.reads.get(), 1);
        }
    }

    #[test]
    fn what_is_larger_than_a_piece_is_read_as_it_is() {
        let pages = Pages::default();
        assert!(reads_right(&Nearby::new(&pages), PAGE, 2 * PIECE));
    }

    #[test]
    fn what_cannot_be_read_is_not_made_up() {
        let pages = Pages::default();
        let nearby = Nearby::new(&pages);
        assert!(!reads_right(&nearby, PAGE - 8, 8));
        assert!(!reads_right(&nearby, 3 * PAGE - 4, 8));
        assert!(reads_right(&nearby, PAGE, 8));
    }
}
