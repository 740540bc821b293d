//! The block of memory that a gilprof probe writes and its readers read.
//!
//! A region has a fixed size and no pointers. It holds, for each thread and
//! each GIL, exact sums and histograms ([`ThreadCell`], [`GilCell`]) and, for
//! each GIL, a [`Ring`] of events. One writer per GIL, who holds that GIL's
//! mutex, books through [`Writer`]. Readers, in this process or in another,
//! follow the events with a [`Cursor`] and take a [`Cut`] of the sums. Threads
//! add to the sums of a [`Label`] what happened in a span ([`Region::add_spans`]).
//!
//! What another process wrote is outside data: it is checked when it is opened
//! ([`Region::open`]) and every index in it is checked where it is used.
//!
//! ```
//! use gilprof_region::{Cut, Region, Sizes, Writer};
//!
//! let region = Region::private(Sizes::default())?;
//! let gil = region.new_gil().expect("a new region has room");
//! let writer = Writer::new(&region, gil).expect("this GIL has a cell");
//! writer.cell().enter();
//! writer.born(1_000);
//! let slot = writer.admit(4242, 1_000).expect("a new region has slots");
//! writer.acquire(slot, 1_500);
//! writer.release(2_500);
//! writer.cell().leave();
//!
//! let cut = Cut::take(&region, &region.clock(), Some(3_000));
//! assert_eq!(cut.threads[0].holding_ns, 1_000);
//! assert_eq!(cut.threads[0].detached_ns, 1_000);
//! # Ok::<(), gilprof_region::Error>(())
//! ```

mod sync;

mod clock;
mod error;
mod header;
mod memory;
mod name;
mod recording;
mod region;

mod cpu;
mod due;
mod gil;
mod hist;
mod ring;
mod slots;
mod stacks;
mod thread;
mod writer;

#[cfg(all(test, loom))]
mod models;

mod bell;
mod watch;

mod order;

mod cut;
mod held;
mod present;
mod reading;

mod label;
mod spans;

pub use clock::Clock;
pub use cut::{Cut, Former, Unread};
pub use error::Error;
pub use gil::GilCell;
pub use header::{CODE_LAYOUT_WORDS, FRAME_LAYOUT_WORDS, GILS, Header, MAX_THREADS, Phase};
pub use held::{Held, Holder};
pub use hist::HistCell;
pub use label::{LABEL_BYTES, Label};
pub use name::{NAME_BYTES, NameCell};
pub use order::{EXPORTS_WORDS, Exports, ORDER_WORDS, Order, OrderCell, Progress};
pub use present::Present;
pub use reading::Reading;
pub use recording::{Recording, StackPlan};
pub use region::{Region, Sizes};
pub use ring::{Cursor, Entry, Next, Ring};
pub use spans::{LABELS, SpanPlace};
pub use stacks::{
    CODES, FRAMES, Moment, NO_CODE, RawFrame, RawStack, StackCursor, StackTable, Weights,
};
pub use thread::{Slot, ThreadCell};
pub use writer::Writer;
