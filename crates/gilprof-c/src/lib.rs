//! gilprof for programs in C and C++ that embed Python: `include/gilprof.h`.
//!
//! Each function may be called by any thread, with or without the GIL. None lets a panic
//! out. What goes wrong is told by a [`gilprof_status`] and, in words, by
//! [`gilprof_last_error`]. Another function goes into the file of its noun, and its name into
//! the list of `pub use` below; tests/header.rs says what to do about the header.
#![allow(non_camel_case_types, reason = "the names are those of the header")]

mod error;
mod recording;
mod span;
mod text;
mod thread;

pub use error::{gilprof_last_error, gilprof_status};
pub use recording::{
    gilprof_is_running, gilprof_openmetrics, gilprof_snapshot_json, gilprof_start, gilprof_stop,
};
pub use span::{gilprof_span, gilprof_span_begin, gilprof_span_end};
pub use text::gilprof_free;
pub use thread::gilprof_name_thread;
