//! One code object, read.

use crate::error::Unreadable;
use crate::layout::CodeLayout;
use crate::lines::LineTable;
use crate::memory::{Memory, half, read_bytes, word};

/// One code object, read: a copy, that stays what it is when the object dies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its file, as the compiler was told: `co_filename`.
    pub file: String,
    /// Its qualified name, such as `Thread.run`; before 3.11, where code
    /// objects do not know theirs, the plain name.
    pub function: String,
    /// The line on which its definition begins.
    pub first_line: u32,
    lines: LineTable,
    table: Vec<u8>,
}

impl Code {
    /// Reads the code object at `address`.
    ///
    /// Whoever owns that memory may change it meanwhile. So this is right for
    /// an object that is kept alive, and for any other: right, an error, or
    /// what another code object at the same place says.
    ///
    /// # Errors
    /// [`Unreadable`] with the reason; also for what is not a code object.
    pub fn read(
        memory: &impl Memory,
        layout: &CodeLayout,
        address: u64,
    ) -> Result<Self, Unreadable> {
        let head = read_bytes(memory, "code object", address, layout.extent())?;
        if word(&head, layout.type_word) != layout.code_type {
            return Err(Unreadable::Foreign {
                what: "code object",
                address,
            });
        }
        let text = |what, offset| {
            let text = layout.text;
            text.read(memory, layout.type_word, what, word(&head, offset))
        };
        let table = word(&head, layout.line_table);
        Ok(Code {
            file: text("file name", layout.file_name)?,
            function: text("function name", layout.best_name())?,
            first_line: half(&head, layout.first_line),
            lines: layout.lines,
            table: layout
                .bytes
                .read(memory, layout.type_word, "line table", table)?,
        })
    }

    /// The line of the instruction `offset_bytes` after the begin of the
    /// bytecode; 0 where it has none, as CPython's clean-up code, and behind
    /// the end.
    pub fn line_at(&self, offset_bytes: u32) -> u32 {
        self.lines
            .line_at(&self.table, self.first_line, offset_bytes)
    }
}
