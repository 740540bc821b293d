//! The names that a program gives its threads.
//!
//! `threading._active` has a `Thread` for each thread that Python knows, under the number
//! that `threading.get_ident()` gives it. Where a `Thread` has its attributes differs from
//! version to version; right is where it says that number itself.

use gilprof_code::{Memory, TextLayout};

use super::anchors::{Anchors, Class};
use super::dict::{self, Table};
use super::imported::Imported;
use super::pages::Pages;

/// How much of a class is searched for the names of its objects' attributes, in words.
const CLASS_WORDS: usize = 160;
/// Before an object there are so many words that belong to it.
const WORDS_BEFORE: u64 = 4;
/// No object has more words.
const MOST_WORDS: u64 = 64;

/// A thread as `threading` knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadName {
    /// The number that the kernel gives it, as the process itself sees it.
    pub native_id: u32,
    /// Its name.
    pub name: String,
}

/// What is needed to read an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'p> {
    pub(crate) pages: &'p Pages,
    pub(crate) anchors: &'p Anchors,
    pub(crate) text: TextLayout,
}

impl Reader<'_> {
    /// The names of all threads; none where the module threading is not imported.
    ///
    /// # Errors
    /// What was not found; another try may help, since threads come and go.
    pub(crate) fn thread_names(self, modules: &[Imported]) -> Result<Vec<ThreadName>, String> {
        let Some(threading) = self.module(modules, "threading") else {
            return Ok(Vec::new());
        };
        let items = threading.items(self.pages, self.anchors);
        let active = items.and_then(|items| self.item(&items, "_active"));
        let active = active.and_then(|dict| dict::items(self.pages, self.anchors, dict));
        let active = active.ok_or("threading._active was not read")?;
        let mut found: Vec<ThreadName> = active
            .iter()
            .filter_map(|&(ident, thread)| self.thread(self.int(ident)?, thread))
            .collect();
        // Of threads with one number, as greenlets that take themselves for threads are,
        // nobody knows which is meant.
        let all = found.clone();
        found.retain(|one| {
            let same = all.iter().filter(|other| other.native_id == one.native_id);
            same.count() == 1
        });
        match found.is_empty() && !active.is_empty() {
            true => Err("the threads in threading._active were not read".into()),
            false => Ok(found),
        }
    }

    /// The interpreter's version, as `sys.hexversion` has it.
    ///
    /// # Errors
    /// That it was not found.
    pub(crate) fn version(self, modules: &[Imported]) -> Result<[u8; 3], String> {
        let sys = self.module(modules, "sys");
        let items = sys.and_then(|sys| sys.items(self.pages, self.anchors));
        let version = items.and_then(|items| self.item(&items, "hexversion"));
        let version = version.and_then(|version| self.int(version));
        let version = version.ok_or("sys.hexversion was not read")?;
        let [_, patch, minor, major, ..] = version.to_le_bytes();
        Ok([major, minor, patch])
    }

    fn module<'m>(self, modules: &'m [Imported], name: &str) -> Option<&'m Imported> {
        let mut all = modules.iter();
        all.find(|module| self.is_text(module.name, name))
    }

    fn item(self, items: &[(u64, u64)], name: &str) -> Option<u64> {
        let mut all = items.iter();
        let found = all.find(|&&(key, _)| self.is_text(key, name));
        found.map(|&(_, value)| value)
    }

    fn thread(self, ident: u64, thread: u64) -> Option<ThreadName> {
        let is_right = |items: &Vec<(u64, u64)>| {
            let own = self.item(items, "_ident");
            own.and_then(|own| self.int(own)) == Some(ident)
        };
        let items = self.attributes(thread).into_iter().find(is_right)?;
        let native_id = self.int(self.item(&items, "_native_id")?)?;
        Some(ThreadName {
            native_id: u32::try_from(native_id).ok()?,
            name: self.text(self.item(&items, "_name")?)?,
        })
    }

    /// What may be the attributes of an object: the items of a dict that it points to, or
    /// the names that its class keeps, with values that are in the object or before it, or
    /// that a word there points to.
    fn attributes(self, object: u64) -> Vec<Vec<(u64, u64)>> {
        let type_word = u64::from(self.anchors.type_word());
        let class = self.pages.word(object.wrapping_add(type_word));
        let read = |class| Class::read(self.pages, class, self.anchors.head());
        let Some(Class {
            address: class,
            basic_size: size,
            ..
        }) = class.and_then(read)
        else {
            return Vec::new();
        };
        let start = object.wrapping_sub(8 * WORDS_BEFORE);
        let count = WORDS_BEFORE + (size / 8).min(MOST_WORDS);
        let words = self.pages.words(start, count as usize);
        let dicts = words
            .iter()
            .filter_map(|&word| dict::items(self.pages, self.anchors, word));
        let mut found: Vec<_> = dicts.collect();
        // Values after a head of eight bytes behind the object, from 3.13 on.
        let mut places = vec![object.wrapping_add(size).wrapping_add(8)];
        // From 3.12 on the pointer to the values is marked in its lowest bit.
        places.extend(words.iter().flat_map(|&word| [word, word.wrapping_add(1)]));
        for table in self.shared(class) {
            let values = places
                .iter()
                .filter(|&&place| place != 0 && place.is_multiple_of(8))
                .filter_map(|&place| table.with_values(self.pages, self.anchors, place));
            found.extend(values);
        }
        found
    }

    /// Tables that a class points to.
    fn shared(self, class: u64) -> Vec<Table> {
        let words = self.pages.words(class, CLASS_WORDS);
        let tables = words
            .iter()
            .filter_map(|&word| Table::read(self.pages, word));
        tables
            .filter(|table| {
                let mut keys = table.entries.iter().map(|&(key, _)| key);
                keys.any(|key| self.is_text(key, "_ident"))
            })
            .collect()
    }

    pub(crate) fn text(self, text: u64) -> Option<String> {
        let read = self
            .text
            .read(self.pages, self.anchors.type_word(), "text", text);
        read.ok()
    }

    fn is_text(self, text: u64, expected: &str) -> bool {
        self.anchors.text.is_of(self.pages, text)
            && self.text(text).is_some_and(|text| text == expected)
    }

    /// The value of an `int` that is not negative and has up to three digits of 30 bits,
    /// which two numbers precede in one word: to 3.11 that of the digits, from 3.12 on
    /// eight times that (`longintrepr.h`), with a mark on small ones from 3.14 on
    /// (`pycore_long.h`).
    fn int(self, object: u64) -> Option<u64> {
        if !self.anchors.int.is_of(self.pages, object) {
            return None;
        }
        const SMALL: u64 = 1 << 2;
        let own = object.wrapping_add(self.anchors.head());
        let digits = match self.pages.word(own)? & !SMALL {
            count @ 1..=3 => count,
            count @ (8 | 16 | 24) => count / 8,
            _ => return None,
        };
        let bytes = self.pages.bytes(own.wrapping_add(8), 4 * digits as usize)?;
        let (halves, _) = bytes.as_chunks();
        let value = halves.iter().rev().fold(0_u128, |value, &half| {
            value << 30 | u128::from(u32::from_ne_bytes(half))
        });
        u64::try_from(value).ok()
    }
}
