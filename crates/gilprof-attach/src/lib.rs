//! Seeing into a Python that runs already: which processes there are, whether they may
//! be looked at, and recording one from outside.
#![cfg(target_os = "linux")]

mod error;

mod elf;
mod header;
mod image;
mod modules;

mod access;
mod namespace;
mod process;
mod refusal;

mod memory_files;
mod presence;
mod python;
mod target;
mod version;

mod tree;

mod gil_words;
mod inspect;

mod setup;
mod tasks;

#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
mod exact;
#[cfg(not(all(target_arch = "x86_64", target_env = "gnu")))]
#[path = "exact_unsupported.rs"]
mod exact;

pub use elf::{Symbol, SymbolKind};
pub use error::Error;
pub use exact::Attached;
pub use gil_words::{GilNow, GilWords};
pub use inspect::{GilAt, GilSwitch, Interpreter, InterpreterAt, StateAt, ThreadName};
pub use memory_files::memory_files;
pub use modules::{Module, Modules, Slot};
pub use presence::Presence;
pub use process::Process;
pub use python::{Gil, Python};
pub use refusal::{Refusal, SUPPORTED};
pub use setup::Setup;
pub use target::Target;
pub use tasks::tasks;
pub use tree::{Changes, Tree};
pub use version::Version;
