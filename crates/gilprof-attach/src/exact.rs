//! Recording a process that runs already, by hooks that are put into it.

mod candidates;
mod errand;
mod ptrace;
mod registers;
mod remote;

mod area;
mod cave;
mod functions;
mod payload;
mod slots;

mod books;
mod memory_file;
mod withdrawal;

mod attached;

pub use attached::Attached;
