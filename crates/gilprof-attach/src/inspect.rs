//! What an interpreter's memory looks like, found from outside while it runs.
//!
//! Nothing is executed in the process and nothing is written to it: its memory is read
//! with `process_vm_readv`. No table of versions says where things are. What is searched
//! for is known by what it is: an object by its type, whose address is exported; a thread
//! state by the list it is in; a line table by the bytecode it speaks of. What is
//! found at one place only, and is the same however often it is looked at, is it;
//! everything else is an error with the reason.

mod anchors;
mod dict;
mod pages;

mod gil;
mod states;

mod imported;
mod sample;

mod code_layout;
mod frame;
mod frame_layout;
mod text_layout;

mod names;
mod switch;
mod threads;

mod interpreter;

pub use gil::GilAt;
pub use interpreter::Interpreter;
pub use names::ThreadName;
pub use states::{InterpreterAt, StateAt};
pub use switch::GilSwitch;
