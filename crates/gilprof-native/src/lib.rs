//! The native functions of a running process: what a thread executes, and what it is
//! blocked on.
//!
//! Of a thread that is blocked, `/proc` tells the system call, its arguments and where
//! its stack is ([`Call`]). Of one that runs, the kernel takes a sample ([`Shot`]). The
//! stacks are unwound with the modules' own unwind data and named by their symbols
//! ([`Native`]). No thread is stopped and no signal sent; a name is given only to an
//! address that lies within the symbol.
//!
//! ```
//! use gilprof_native::{Call, Native};
//!
//! let pid = std::process::id();
//! // The calling thread is in the call that reads this.
//! let call = Call::of(pid, pid)?.expect("it is in a call");
//! assert_eq!(call.name(), "read");
//! let mut native = Native::new(pid);
//! let stack = native.stack_in_memory(call.registers()).unwrap_or_default();
//! let innermost = stack.first().and_then(|&number| native.frame(number));
//! assert!(innermost.is_some_and(|frame| frame.native));
//! # Ok::<(), std::io::Error>(())
//! ```

mod images;
mod module;
mod name;
mod symbols;

mod registers;

mod native;

mod call;
mod on;
mod shot;

pub use call::{Call, CallFile, Doing};
pub use native::Native;
pub use on::{Thing, on};
pub use registers::Registers;
pub use shot::{Shot, Taken};
