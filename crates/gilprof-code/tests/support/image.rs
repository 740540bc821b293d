//! A made-up interpreter's memory: one code object and what it refers to.

use gilprof_code::{BytesLayout, CodeLayout, LineTable, Memory, TextLayout};

/// Where the image begins.
pub(crate) const BASE: u64 = 0x10_0000;
/// Where its code object is.
pub(crate) const CODE: u64 = BASE;
const FILE: u64 = BASE + 0x200;
const NAME: u64 = BASE + 0x300;
const TABLE: u64 = BASE + 0x400;
const SIZE: usize = 0x500;

const CODE_TYPE: u64 = 0x20_0000;
const TEXT_TYPE: u64 = 0x20_0100;
const BYTES_TYPE: u64 = 0x20_0200;

/// The line table: two units a line, 100 of them.
pub(crate) const LINES: [u8; 200] = {
    let mut lines = [2; 200];
    let mut index = 1;
    while index < lines.len() {
        lines[index] = 1;
        index += 2;
    }
    lines
};

/// The layout of CPython 3.12, with another line table.
pub(crate) fn layout() -> CodeLayout {
    CodeLayout {
        code_type: CODE_TYPE,
        type_word: 8,
        file_name: 112,
        name: 120,
        qualified_name: 128,
        first_line: 68,
        line_table: 136,
        instructions: 192,
        lines: LineTable::Lines310,
        bytes: BytesLayout {
            type_address: BYTES_TYPE,
            size: 16,
            data: 32,
        },
        text: TextLayout {
            type_address: TEXT_TYPE,
            length: 16,
            state: 32,
            ascii_data: 40,
            other_data: 56,
            flags_shift: 2,
        },
    }
}

/// Some bytes from [`BASE`] on.
pub(crate) struct Image(pub(crate) Vec<u8>);

impl Memory for Image {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        let from = address.checked_sub(BASE).map(|from| from as usize);
        let part = from.and_then(|from| self.0.get(from..from.checked_add(into.len())?));
        part.map(|part| into.copy_from_slice(part)).is_some()
    }
}

impl Image {
    /// A code object `größe`, from line 40 of `a.py`.
    pub(crate) fn new() -> Self {
        let mut image = Image(vec![0; SIZE]);
        image.put(CODE + 8, &CODE_TYPE.to_ne_bytes());
        image.put(CODE + 68, &40_u32.to_ne_bytes());
        for (offset, address) in [(112, FILE), (120, FILE), (128, NAME), (136, TABLE)] {
            image.put(CODE + offset, &address.to_ne_bytes());
        }
        image.put_text(FILE, 0x64, 40, 4, b"a.py");
        image.put_text(NAME, 0x24, 56, 5, &[b'g', b'r', 0xf6, 0xdf, b'e']);
        image.put(TABLE + 8, &BYTES_TYPE.to_ne_bytes());
        image.put(TABLE + 16, &(LINES.len() as u64).to_ne_bytes());
        image.put(TABLE + 32, &LINES);
        image
    }

    pub(crate) fn put(&mut self, address: u64, bytes: &[u8]) {
        let from = (address - BASE) as usize;
        self.0[from..from + bytes.len()].copy_from_slice(bytes);
    }

    /// Makes the function's name another string.
    pub(crate) fn rename(&mut self, state: u32, length: u64, data: &[u8]) {
        self.put_text(NAME, state, 56, length, data);
    }

    fn put_text(&mut self, at: u64, state: u32, data_at: u64, length: u64, data: &[u8]) {
        self.put(at + 8, &TEXT_TYPE.to_ne_bytes());
        self.put(at + 16, &length.to_ne_bytes());
        self.put(at + 32, &state.to_ne_bytes());
        self.put(at + data_at, data);
    }

    /// Says another size of the line table.
    pub(crate) fn resize_table(&mut self, size: u64) {
        self.put(TABLE + 16, &size.to_ne_bytes());
    }
}
