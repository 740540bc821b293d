//! What gilprof reads of code objects, for `check.py`, which compares it with
//! what the interpreter says. Loaded with `ctypes.PyDLL`, which calls it with
//! the GIL held.

use std::slice;

use gilprof_code::{Code, CodeLayout, ProcessMemory, Unreadable, WORDS};
use gilprof_probe::{Error, Python, code_layout};

/// Puts as much of a text as fits into `into`, and a zero behind it.
fn put(text: &str, into: &mut [u8]) {
    let size = text.len().min(into.len().saturating_sub(1));
    into[..size].copy_from_slice(&text.as_bytes()[..size]);
    if let Some(end) = into.get_mut(size) {
        *end = 0;
    }
}

fn find() -> Result<CodeLayout, Error> {
    Python::find()?.attached(code_layout)
}

/// Finds the layout of this interpreter's code objects; false, with the
/// reason in `text`, where there is none.
///
/// # Safety
/// `words` has room for as many as a layout has, `text` for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn layout(words: *mut u64, text: *mut u8, size: usize) -> bool {
    // SAFETY: the caller promises so much room.
    let words = unsafe { slice::from_raw_parts_mut(words, WORDS) };
    // SAFETY: the caller promises so much room.
    let text = unsafe { slice::from_raw_parts_mut(text, size) };
    match find() {
        Ok(layout) => {
            words.copy_from_slice(&layout.to_words());
            put(&format!("{layout:?}"), text);
            true
        }
        Err(why) => {
            put(&why.to_string(), text);
            false
        }
    }
}

/// Reads the code object at `address` in the process `pid`: its first line,
/// the lines of `count` instructions of two bytes each, and its file and
/// function with a line feed between; -1, with the reason in `text`, where it
/// cannot be read.
///
/// # Safety
/// `words` is a layout, `lines` has room for `count`, `text` for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(
    pid: u32,
    words: *const u64,
    address: u64,
    lines: *mut u32,
    count: usize,
    text: *mut u8,
    size: usize,
) -> i64 {
    // SAFETY: the caller promises a layout.
    let words = unsafe { slice::from_raw_parts(words, WORDS) };
    // SAFETY: the caller promises so much room.
    let lines = unsafe { slice::from_raw_parts_mut(lines, count) };
    // SAFETY: the caller promises so much room.
    let text = unsafe { slice::from_raw_parts_mut(text, size) };
    match code(pid, words, address) {
        Ok(code) => {
            for (line, offset) in lines.iter_mut().zip((0..).step_by(2)) {
                *line = code.line_at(offset);
            }
            put(&format!("{}\n{}", code.file, code.function), text);
            code.first_line.into()
        }
        Err(why) => {
            put(&why.to_string(), text);
            -1
        }
    }
}

fn code(pid: u32, words: &[u64], address: u64) -> Result<Code, Unreadable> {
    let mut layout = [0; WORDS];
    layout.copy_from_slice(words);
    let layout = CodeLayout::from_words(&layout)?;
    Code::read(&ProcessMemory::of(pid), &layout, address)
}
