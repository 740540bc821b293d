//! The `gilprof` program: runs a Python program and reports who held the GIL
//! while others waited.
//!
//! It is a library so that the Python wheel offers the same program as
//! `python -m gilprof`. Numbers come from [`gilprof`]; here they are only laid
//! out. A command is read by `args`, carried out by `run`, `report`, `merge`,
//! `ps` or `top`; a profile becomes a `content` of sections and tables, and that
//! becomes text or Markdown.
#![forbid(unsafe_code)]

mod args;
mod command;
mod error;

mod attach;
mod child;
mod ending;
mod recorder;
mod run;
mod signals;
mod source;

mod file;
mod format;
mod merge;
mod print;
mod ps;
mod report;
mod terminal;
mod top;

mod content;
mod duration;
mod number;

mod markdown;
mod text;

#[cfg(test)]
mod sample;

pub use command::main;
