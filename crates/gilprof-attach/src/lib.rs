//! Seeing into a Python that runs already: which processes there are, whether they may
//! be looked at, and recording one from outside.
#![cfg(target_os = "linux")]

mod error;

mod elf;
mod image;
mod modules;

pub use elf::{Symbol, SymbolKind};
pub use error::Error;
pub use modules::{Module, Modules, Slot};
