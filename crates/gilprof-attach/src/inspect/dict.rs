//! What is in a dict.
//!
//! There are two layouts of its table (`struct _dictkeysobject`, 3.9 to 3.10 and 3.11
//! to 3.13: `Objects/dict-common.h`, `pycore_dict.h`). No table of one can be read as one
//! of the other, and what was read must have as many items as the dict says it has.

use gilprof_code::Memory;

use super::anchors::{Anchors, is_pointer};
use super::pages::Pages;

/// In a dict, after what every object begins with.
const KEYS: u64 = 16;
const VALUES: u64 = 24;
/// No larger table is read.
const MOST_ENTRIES: u64 = 1 << 18;

/// The table of a dict, or of the attributes that the objects of a type share.
#[derive(Debug)]
pub(crate) struct Table {
    /// Keys with their values, which are 0 where they are not here.
    pub(crate) entries: Vec<(u64, u64)>,
    /// Whether all its places are accounted for.
    is_whole: bool,
}

/// The items of a dict; `None` for what is no dict, or one that changed while it was
/// read.
pub(crate) fn items(pages: &Pages, anchors: &Anchors, dict: u64) -> Option<Vec<(u64, u64)>> {
    if !anchors.dict.is_of(pages, dict) {
        return None;
    }
    let own = dict.wrapping_add(anchors.head());
    let used = pages.word(own)?;
    if used == 0 {
        return Some(Vec::new());
    }
    let table = Table::read(pages, pages.word(own.wrapping_add(KEYS))?)?;
    let items = match pages.word(own.wrapping_add(VALUES))? {
        0 => table.own_items()?,
        values => table.split_items(pages, anchors, values, used)?,
    };
    (items.len() as u64 == used).then_some(items)
}

impl Table {
    /// The table at this address.
    pub(crate) fn read(pages: &Pages, address: u64) -> Option<Self> {
        if !is_pointer(address) {
            return None;
        }
        match (Self::read310(pages, address), Self::read311(pages, address)) {
            (Some(table), None) | (None, Some(table)) => Some(table),
            _ => None,
        }
    }

    fn read310(pages: &Pages, address: u64) -> Option<Self> {
        let [_, size, _, usable, used] = pages.words(address, 5)[..] else {
            return None;
        };
        let is_size = size.is_power_of_two() && (8..=2 * MOST_ENTRIES).contains(&size);
        let index_bytes = match size {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            _ => 4,
        };
        is_size.then_some(())?;
        let entries = address
            .wrapping_add(40)
            .wrapping_add(size.wrapping_mul(index_bytes));
        Self::of(pages, size, usable, used, entries, true)
    }

    fn read311(pages: &Pages, address: u64) -> Option<Self> {
        let [_, head, usable, used] = pages.words(address, 4)[..] else {
            return None;
        };
        let [log_size, log_index_bytes, kind, ..] = head.to_ne_bytes();
        let index_log = match log_size {
            3..8 => 0,
            8..16 => 1,
            16..20 => 2,
            _ => return None,
        };
        if log_index_bytes != log_size + index_log || kind > 2 {
            return None;
        }
        let entries = address + 32 + (1 << log_index_bytes);
        Self::of(pages, 1 << log_size, usable, used, entries, kind == 0)
    }

    fn of(
        pages: &Pages,
        size: u64,
        usable: u64,
        used: u64,
        entries: u64,
        has_hash: bool,
    ) -> Option<Self> {
        let places = 2 * size / 3;
        if used > places.min(MOST_ENTRIES) || usable > places {
            return None;
        }
        let words = if has_hash { 3 } else { 2 };
        let raw = pages.bytes(entries, 8 * words * used as usize)?;
        let (raw, _) = raw.as_chunks::<8>();
        let word = |index: usize| u64::from_ne_bytes(raw[index]);
        let starts = (0..used as usize).map(|entry| (entry + 1) * words - 2);
        Some(Table {
            entries: starts
                .map(|at| (word(at), word(at.wrapping_add(1))))
                .collect(),
            is_whole: usable + used == places,
        })
    }

    fn own_items(self) -> Option<Vec<(u64, u64)>> {
        let items = self.entries.into_iter().filter(|&(_, value)| value != 0);
        self.is_whole.then(|| items.collect())
    }

    /// The keys are shared with other dicts; the values are a block of their own, which
    /// from 3.13 on has a head.
    fn split_items(
        &self,
        pages: &Pages,
        anchors: &Anchors,
        values: u64,
        used: u64,
    ) -> Option<Vec<(u64, u64)>> {
        let with_head = |head: u64| {
            let items = self.with_values(pages, anchors, values.checked_add(head)?)?;
            (items.len() as u64 == used).then_some(items)
        };
        with_head(0).or_else(|| with_head(8))
    }

    /// Its keys with the values of a block that begins here.
    pub(crate) fn with_values(
        &self,
        pages: &Pages,
        anchors: &Anchors,
        values: u64,
    ) -> Option<Vec<(u64, u64)>> {
        let found = pages.words(values, self.entries.len());
        let all = found.len() == self.entries.len();
        let keys = self.entries.iter().map(|&(key, _)| key);
        let items: Vec<_> = keys.zip(found).filter(|&(_, value)| value != 0).collect();
        let are_objects = items.iter().all(|&(_, value)| {
            let class = value.wrapping_add(anchors.type_word().into());
            is_pointer(value) && pages.word(class).is_some_and(is_pointer)
        });
        (all && are_objects).then_some(items)
    }
}

#[cfg(test)]
mod tests {
    use gilprof_code::ProcessMemory;

    use super::*;
    use crate::inspect::anchors::Class;

    fn anchors(dict: u64) -> Anchors {
        let class = |address| Class {
            address,
            basic_size: 0,
            item_size: 0,
            head: 16,
        };
        let none = class(0);
        Anchors {
            runtime: 0,
            class: none,
            code: none,
            text: none,
            bytes: none,
            tuple: none,
            dict: class(dict),
            module: none,
            function: none,
            frame: none,
            int: none,
        }
    }

    fn pages() -> Pages {
        Pages::of(ProcessMemory::own())
    }

    /// Three places, of which the second has been deleted.
    const ITEMS: [(u64, u64); 3] = [(0x1000, 0x1008), (0, 0), (0x2000, 0x2008)];

    fn keys310(usable: u64) -> Vec<u64> {
        let mut words = vec![1, 8, 0, usable, 3, u64::MAX];
        words.extend(ITEMS.iter().flat_map(|&(key, value)| [7, key, value]));
        words
    }

    fn keys311(usable: u64, kind: u8) -> Vec<u64> {
        let head = u64::from_ne_bytes([3, 3, kind, 0, 9, 0, 0, 0]);
        let mut words = vec![1, head, usable, 3, u64::MAX];
        words.extend(ITEMS.iter().flat_map(|&(key, value)| match kind {
            0 => vec![7, key, value],
            _ => vec![key, value],
        }));
        words
    }

    fn items_of(keys: &[u64], used: u64) -> Option<Vec<(u64, u64)>> {
        let class = 0x7000;
        let dict = [1, class, used, 0, keys.as_ptr() as u64, 0];
        items(&pages(), &anchors(class), dict.as_ptr() as u64)
    }

    #[test]
    fn both_layouts_are_read_and_told_apart() {
        let expected = Some(vec![ITEMS[0], ITEMS[2]]);
        for keys in [keys310(2), keys311(2, 0), keys311(2, 1)] {
            assert_eq!(items_of(&keys, 2), expected);
        }
    }

    #[test]
    fn a_dict_that_changes_meanwhile_is_not_read() {
        for keys in [keys310(2), keys311(2, 1)] {
            assert_eq!(items_of(&keys, 3), None);
        }
        // Places that nobody accounts for.
        for keys in [keys310(1), keys311(1, 1)] {
            assert_eq!(items_of(&keys, 2), None);
        }
    }

    #[test]
    fn what_is_no_dict_is_not_read() {
        let keys = keys311(2, 1);
        let object = [1, 0x7008, 2, 0, keys.as_ptr() as u64, 0];
        assert_eq!(
            items(&pages(), &anchors(0x7000), object.as_ptr() as u64),
            None
        );
        assert_eq!(items(&pages(), &anchors(0x7000), 8), None);
    }
}
