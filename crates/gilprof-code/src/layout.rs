//! Where the parts of a code object are.

use crate::bytes::BytesLayout;
use crate::error::Unreadable;
use crate::lines::LineTable;
use crate::text::TextLayout;

/// How many words a layout has in shared memory.
pub const WORDS: usize = 18;

/// No object has its fixed part beyond this.
const MAX_OFFSET: u64 = 4096;
/// Beyond the user space of x86-64 and aarch64.
const MAX_ADDRESS: u64 = 1 << 56;

/// Where the parts of a code object are, in one running interpreter
/// (`Include/cpython/code.h`, `PyCodeObject`).
///
/// It is found in an interpreter and proved there; see `gilprof_probe`. It
/// holds for that process only, since it has addresses, and for its forks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeLayout {
    /// The address of `PyCode_Type`.
    pub code_type: u64,
    /// Offset of an object's type, in every object.
    pub type_word: u32,
    /// Offset of `co_filename`.
    pub file_name: u32,
    /// Offset of `co_name`.
    pub name: u32,
    /// Offset of `co_qualname`; 0 before 3.11, where there is none.
    pub qualified_name: u32,
    /// Offset of `co_firstlineno`, a 32-bit value.
    pub first_line: u32,
    /// Offset of `co_linetable`, or `co_lnotab` before 3.10.
    pub line_table: u32,
    /// Offset of the bytecode (`co_code_adaptive`); 0 before 3.11, where it is
    /// an object of its own.
    pub instructions: u32,
    /// How the line table is written.
    pub lines: LineTable,
    /// Where the parts of a `bytes` object are.
    pub bytes: BytesLayout,
    /// Where the parts of a `str` object are.
    pub text: TextLayout,
}

impl CodeLayout {
    /// The layout as words, to be kept in shared memory.
    pub fn to_words(&self) -> [u64; WORDS] {
        let (bytes, text) = (self.bytes, self.text);
        [
            self.code_type,
            bytes.type_address,
            text.type_address,
            self.type_word.into(),
            self.file_name.into(),
            self.name.into(),
            self.qualified_name.into(),
            self.first_line.into(),
            self.line_table.into(),
            self.instructions.into(),
            self.lines as u64,
            bytes.size.into(),
            bytes.data.into(),
            text.length.into(),
            text.state.into(),
            text.ascii_data.into(),
            text.other_data.into(),
            text.flags_shift.into(),
        ]
    }

    /// The layout that these words say.
    ///
    /// # Errors
    /// [`Unreadable::Layout`] for a value that no layout can have.
    pub fn from_words(words: &[u64; WORDS]) -> Result<Self, Unreadable> {
        let [code, bytes, text, head @ .., shift] = words;
        let [
            object,
            file,
            name,
            qualname,
            first,
            table,
            start,
            lines,
            data @ ..,
        ] = head;
        let [
            bytes_size,
            bytes_data,
            length,
            state,
            ascii_data,
            other_data,
        ] = data;
        let layout = CodeLayout {
            code_type: address("code_type", *code)?,
            type_word: word_offset("type_word", *object)?,
            file_name: word_offset("file_name", *file)?,
            name: word_offset("name", *name)?,
            qualified_name: optional("qualified_name", *qualname, 8)?,
            first_line: offset("first_line", *first, 4)?,
            line_table: word_offset("line_table", *table)?,
            instructions: optional("instructions", *start, 2)?,
            lines: line_table(*lines)?,
            bytes: BytesLayout {
                type_address: address("bytes.type_address", *bytes)?,
                size: word_offset("bytes.size", *bytes_size)?,
                data: offset("bytes.data", *bytes_data, 1)?,
            },
            text: TextLayout {
                type_address: address("text.type_address", *text)?,
                length: word_offset("text.length", *length)?,
                state: offset("text.state", *state, 4)?,
                ascii_data: offset("text.ascii_data", *ascii_data, 1)?,
                other_data: offset("text.other_data", *other_data, 1)?,
                flags_shift: shift_of("text.flags_shift", *shift)?,
            },
        };
        layout.heads_come_first()
    }

    /// The data of strings and bytes is read after what tells its size.
    fn heads_come_first(self) -> Result<Self, Unreadable> {
        let (bytes, text) = (self.bytes, self.text);
        let bytes_head = self.type_word.max(bytes.size) + 8;
        let text_head = (self.type_word.max(text.length) + 8).max(text.state + 4);
        let behind = |field, data: u32, head| match data >= head {
            true => Ok(()),
            false => Err(wrong(field, data.into(), "an offset behind the size")),
        };
        behind("bytes.data", bytes.data, bytes_head)?;
        behind("text.ascii_data", text.ascii_data, text_head)?;
        behind("text.other_data", text.other_data, text_head)?;
        Ok(self)
    }

    /// Offset of the best name there is.
    pub(crate) fn best_name(&self) -> u32 {
        match self.qualified_name {
            0 => self.name,
            offset => offset,
        }
    }

    /// How many bytes of a code object have all that is read of it.
    pub(crate) fn extent(&self) -> usize {
        let words = [
            self.type_word,
            self.file_name,
            self.best_name(),
            self.line_table,
        ];
        let ends = words.map(|offset| offset as usize + 8);
        let first_line = self.first_line as usize + 4;
        ends.into_iter().fold(first_line, usize::max)
    }
}

fn wrong(field: &'static str, found: u64, expected: &'static str) -> Unreadable {
    Unreadable::Layout {
        field,
        found,
        expected,
    }
}

fn address(field: &'static str, value: u64) -> Result<u64, Unreadable> {
    match value {
        1..MAX_ADDRESS if value.is_multiple_of(8) => Ok(value),
        _ => Err(wrong(
            field,
            value,
            "an address in user space, aligned to 8",
        )),
    }
}

fn word_offset(field: &'static str, value: u64) -> Result<u32, Unreadable> {
    offset(field, value, 8)
}

fn offset(field: &'static str, value: u64, align: u64) -> Result<u32, Unreadable> {
    match optional(field, value, align)? {
        0 => Err(wrong(field, value, "an offset above 0")),
        offset => Ok(offset),
    }
}

fn optional(field: &'static str, value: u64, align: u64) -> Result<u32, Unreadable> {
    match u32::try_from(value) {
        Ok(offset) if value < MAX_OFFSET && value.is_multiple_of(align) => Ok(offset),
        _ => Err(wrong(field, value, "an aligned offset below 4096")),
    }
}

/// Five flags have to fit into 32 bits.
fn shift_of(field: &'static str, value: u64) -> Result<u8, Unreadable> {
    match u8::try_from(value) {
        Ok(shift) if shift <= 27 => Ok(shift),
        _ => Err(wrong(field, value, "at most 27")),
    }
}

fn line_table(value: u64) -> Result<LineTable, Unreadable> {
    LineTable::ALL
        .into_iter()
        .find(|&format| format as u64 == value)
        .ok_or_else(|| wrong("lines", value, "1, 2 or 3"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// CPython 3.12's, with made-up addresses.
    fn layout() -> CodeLayout {
        CodeLayout {
            code_type: 0x7f00_0000_1000,
            type_word: 8,
            file_name: 112,
            name: 120,
            qualified_name: 128,
            first_line: 68,
            line_table: 136,
            instructions: 192,
            lines: LineTable::Locations311,
            bytes: BytesLayout {
                type_address: 0x7f00_0000_2000,
                size: 16,
                data: 32,
            },
            text: TextLayout {
                type_address: 0x7f00_0000_3000,
                length: 16,
                state: 32,
                ascii_data: 40,
                other_data: 56,
                flags_shift: 2,
            },
        }
    }

    #[test]
    fn a_layout_is_the_same_after_a_trip_through_words() {
        assert_eq!(CodeLayout::from_words(&layout().to_words()), Ok(layout()));
        let old = CodeLayout {
            qualified_name: 0,
            instructions: 0,
            lines: LineTable::Lnotab,
            ..layout()
        };
        assert_eq!(CodeLayout::from_words(&old.to_words()), Ok(old));
    }

    #[test]
    fn each_word_is_checked() {
        for index in 0..WORDS {
            let mut words = layout().to_words();
            words[index] = u64::MAX;
            let refused = CodeLayout::from_words(&words);
            assert!(matches!(refused, Err(Unreadable::Layout { .. })), "{index}");
        }
        assert!(CodeLayout::from_words(&[0; WORDS]).is_err());
    }

    #[test]
    fn data_before_its_size_is_refused_by_name() {
        let mut words = layout().to_words();
        words[12] = 16;
        let error = CodeLayout::from_words(&words).unwrap_err().to_string();
        let expected = "not a code layout: bytes.data is 16, expected an offset behind the size";
        assert_eq!(error, expected);
    }

    proptest! {
        #[test]
        fn words_that_are_a_layout_say_all_of_it(
            changes in prop::collection::vec((0..WORDS, 0_u64..5_000), 0..5),
        ) {
            let mut words = layout().to_words();
            for (index, value) in changes {
                words[index] = value;
            }
            if let Ok(read) = CodeLayout::from_words(&words) {
                prop_assert_eq!(read.to_words(), words);
                prop_assert!(read.extent() <= MAX_OFFSET as usize + 8);
            }
        }
    }
}
