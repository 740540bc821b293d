//! What a CPython code object's address means: file, function and lines.
//!
//! A stack is a list of code objects and of places in their bytecode. This
//! crate names them: it reads a code object through a [`Memory`], with no
//! Python API and no GIL, so that the same few lines serve this process and
//! any other. Where things are is told by a [`CodeLayout`], which `gilprof-probe`
//! finds and proves in the interpreter at hand.
//!
//! What is read is outside data: a code object may be freed and its memory
//! used again at any moment. So every size has a limit, every object is known
//! by its type, and what does not fit is [`Unreadable`], with the reason.
//!
//! ```no_run
//! use gilprof_code::{Code, CodeLayout, ProcessMemory};
//! # fn from_elsewhere() -> ([u64; gilprof_code::WORDS], u64) { unimplemented!() }
//!
//! let (words, address) = from_elsewhere();
//! let layout = CodeLayout::from_words(&words)?;
//! let code = Code::read(&ProcessMemory::of(4242), &layout, address)?;
//! println!("{}:{} {}", code.file, code.line_at(42), code.function);
//! # Ok::<(), gilprof_code::Unreadable>(())
//! ```
#![cfg(target_os = "linux")]
#![deny(unsafe_code)]

mod error;
mod layout;

mod maps;
mod memory;
mod nearby;
#[allow(unsafe_code, reason = "a system call reads the memory")]
mod process;

mod bytes;
mod text;

mod search;

mod code;
mod frames;
mod lines;

pub use bytes::{BytesLayout, MAX_TABLE_BYTES};
pub use code::Code;
pub use error::Unreadable;
pub use frames::{FRAME_WORDS, FrameAt, FrameLayout, Instruction};
pub use layout::{CodeLayout, WORDS};
pub use lines::LineTable;
pub use maps::Mapping;
pub use memory::Memory;
pub use process::ProcessMemory;
pub use search::{only, says, says_half, says_word};
pub use text::{MAX_TEXT_CHARS, TextLayout};
