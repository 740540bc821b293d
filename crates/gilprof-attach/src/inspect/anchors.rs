//! What an interpreter exports by name, and everything else is found from.

use gilprof_code::Memory;

use super::pages::Pages;

/// What every object begins with, in bytes: its references and, last, its type
/// (`Include/object.h`, 3.9 to 3.15); and in a free-threaded build, where its owner and a
/// lock are there, too.
const HEADS: [u64; 2] = [16, 32];
/// In a type, after that and a count: its name, and the sizes of its objects.
const NAME: u64 = 8;
const BASIC_SIZE: u64 = 16;
const ITEM_SIZE: u64 = 24;

/// Addresses of exported symbols. Each type is proved by its name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anchors {
    pub(crate) runtime: u64,
    pub(crate) class: Class,
    pub(crate) code: Class,
    pub(crate) text: Class,
    pub(crate) bytes: Class,
    pub(crate) tuple: Class,
    pub(crate) dict: Class,
    pub(crate) module: Class,
    pub(crate) function: Class,
    pub(crate) frame: Class,
    pub(crate) int: Class,
}

/// A type of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) address: u64,
    /// The size of the part that all its objects have, in bytes.
    pub(crate) basic_size: u64,
    /// The size of what they have a varying number of; 0 for nothing.
    pub(crate) item_size: u64,
    /// The size of what every object begins with.
    pub(crate) head: u64,
}

impl Anchors {
    /// Finds them; `symbol` knows the addresses of what is exported.
    ///
    /// # Errors
    /// The first one that is missing, or is something else.
    pub(crate) fn find(
        pages: &Pages,
        symbol: impl Fn(&str) -> Option<u64>,
    ) -> Result<Self, String> {
        let address = |name: &str| symbol(name).ok_or_else(|| format!("it exports no {name}"));
        let class = |symbol: &str, name: &str| {
            let address = address(symbol)?;
            let mut classes = HEADS
                .iter()
                .filter_map(|&head| Class::read(pages, address, head));
            let found = classes.find(|class| class.is_called(pages, name));
            found.ok_or_else(|| format!("its {symbol} is not the type {name}"))
        };
        Ok(Anchors {
            runtime: address("_PyRuntime")?,
            class: class("PyType_Type", "type")?,
            code: class("PyCode_Type", "code")?,
            text: class("PyUnicode_Type", "str")?,
            bytes: class("PyBytes_Type", "bytes")?,
            tuple: class("PyTuple_Type", "tuple")?,
            dict: class("PyDict_Type", "dict")?,
            module: class("PyModule_Type", "module")?,
            function: class("PyFunction_Type", "function")?,
            frame: class("PyFrame_Type", "frame")?,
            int: class("PyLong_Type", "int")?,
        })
    }

    /// Whether it is a build that can run without a GIL.
    pub(crate) fn is_free_threaded(&self) -> bool {
        self.head() == HEADS[1]
    }

    /// The size of what every object begins with.
    pub(crate) fn head(&self) -> u64 {
        self.class.head
    }

    /// In every object: its type, the last word of that.
    pub(crate) fn type_word(&self) -> u32 {
        self.head() as u32 - 8
    }
}

impl Class {
    /// The type at this address, in a build whose objects begin with so many bytes.
    pub(crate) fn read(pages: &Pages, address: u64, head: u64) -> Option<Self> {
        let own = address.wrapping_add(head);
        Some(Class {
            address,
            basic_size: pages.word(own.wrapping_add(BASIC_SIZE))?,
            item_size: pages.word(own.wrapping_add(ITEM_SIZE))?,
            head,
        })
    }

    fn is_called(self, pages: &Pages, name: &str) -> bool {
        let text = pages.word(self.address.wrapping_add(self.head + NAME));
        let text = text.and_then(|text| pages.bytes(text, name.len() + 1));
        text.is_some_and(|text| text.strip_suffix(&[0]) == Some(name.as_bytes()))
    }

    /// Whether this is an object of exactly this type.
    pub(crate) fn is_of(self, memory: &impl Memory, object: u64) -> bool {
        is_pointer(object) && memory.word(object.wrapping_add(self.head - 8)) == Some(self.address)
    }
}

/// Whether a word can be the address of an object.
pub(crate) fn is_pointer(word: u64) -> bool {
    (0x1000..1 << 56).contains(&word) && word.is_multiple_of(8)
}
