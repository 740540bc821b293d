//! The memory of a process, of which each page is read once.

use std::cell::RefCell;
use std::collections::HashMap;

use gilprof_code::{Memory, ProcessMemory};

const PAGE: usize = 4096;

/// The memory of a process as it was when each page was first asked for.
///
/// For what seldom changes, such as code objects and modules. What does change is
/// looked at anew with another one of these.
#[derive(Debug)]
pub(crate) struct Pages {
    memory: ProcessMemory,
    pages: RefCell<HashMap<u64, Option<Box<[u8; PAGE]>>>>,
}

impl Pages {
    pub(crate) fn of(memory: ProcessMemory) -> Self {
        Pages {
            memory,
            pages: RefCell::default(),
        }
    }

    /// The words from an address on, as far as they are there.
    pub(crate) fn words(&self, address: u64, count: usize) -> Vec<u64> {
        let words = (0..count as u64).map_while(|index| {
            let at = address.checked_add(8 * index)?;
            self.word(at)
        });
        words.collect()
    }

    /// So many bytes, if all are there.
    pub(crate) fn bytes(&self, address: u64, count: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.read(address, &mut bytes).then_some(bytes)
    }
}

impl Memory for Pages {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        let mut pages = self.pages.borrow_mut();
        let mut done = 0;
        while done < into.len() {
            let Some(at) = address.checked_add(done as u64) else {
                return false;
            };
            let number = at / PAGE as u64;
            let page = pages.entry(number).or_insert_with(|| {
                let mut page = Box::new([0; PAGE]);
                let read = self.memory.read(number * PAGE as u64, &mut page[..]);
                read.then_some(page)
            });
            let Some(page) = page else {
                return false;
            };
            let rest = &page[at as usize % PAGE..];
            let length = rest.len().min(into.len() - done);
            into[done..done + length].copy_from_slice(&rest[..length]);
            done += length;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_several_pages_is_read_in_one_piece() {
        let bytes: Vec<u8> = (0..3 * PAGE).map(|index| (index % 251) as u8).collect();
        let pages = Pages::of(ProcessMemory::own());
        assert_eq!(pages.bytes(bytes.as_ptr() as u64, bytes.len()), Some(bytes));
    }

    #[test]
    fn a_page_stays_as_it_was_first_seen() {
        let mut value = Box::new(7_u64);
        let pages = Pages::of(ProcessMemory::own());
        let address = std::ptr::from_mut(&mut *value) as u64;
        assert_eq!(pages.word(address), Some(7));
        *value = 8;
        assert_eq!(pages.word(address), Some(7));
        assert_eq!(Pages::of(ProcessMemory::own()).word(address), Some(8));
    }

    #[test]
    fn what_is_not_there_is_not_made_up() {
        let pages = Pages::of(ProcessMemory::own());
        assert_eq!(pages.word(8), None);
        assert_eq!(pages.word(u64::MAX), None);
        assert_eq!(pages.words(8, 3), Vec::<u64>::new());
    }
}
