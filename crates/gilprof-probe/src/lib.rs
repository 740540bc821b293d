//! The hooks by which gilprof sees CPython's GIL.
//!
//! CPython's GIL is a mutex, two condition variables and an int. Taking and
//! dropping it calls `pthread_cond_signal`, `_timedwait` and `_wait` through
//! the relocation slots of the module that holds the interpreter. [`start`]
//! puts this crate's functions there, in that one module; they book what they
//! see in a [`gilprof_region::Region`] and pass every call on. [`stop`] puts
//! back what was there.
//!
//! The order in which an event goes through the modules: `hooks` sees a call,
//! `gils` knows whose it is, `active` keeps hooks and [`stop`] apart, `current`
//! knows the thread, and the region books it.
#![cfg(target_os = "linux")]

mod error;
mod object;
mod python;

mod active;
mod cpu;
mod current;
mod discover;
mod errno;
mod frames;
mod gils;
mod holder;
mod hooks;
mod ordered;

mod code_layout;
mod frame_layout;
mod interpreter;
mod process;

mod calibrate;
mod cost;
mod fork;
mod module;
mod patch;
mod probe;
mod spans;

pub use code_layout::code_layout;
pub use cost::costs_ps;
pub use error::Error;
pub use ordered::EXPORTS;
pub use probe::{
    KnownThread, Readings, Setup, is_running, let_go, name_this_thread, readings, region, start,
    stop, verify,
};
pub use python::{Attached, Python};
pub use spans::{SpanStart, begin_span, end_span, is_recording};
