//! What gilprof's numbers mean: events become states, states become sums, sums become
//! a profile that can be queried and that tells whether the GIL is the problem.
//!
//! Everything here is pure: nothing reads a clock, asks the operating system or needs
//! `unsafe`. Time is an argument.
//!
//! Modules follow the data: an [`Event`] says what happened to a thread, a
//! [`Distribution`] counts durations, rows ([`Thread`], [`Gil`], [`Blame`], [`Hold`],
//! [`History`], [`Site`], [`Blocked`], [`SpanRow`]) hold sums, a [`Ledger`] folds events into rows, and a
//! [`Profile`] holds the rows. Where a process is only looked at, a [`Survey`] folds what was
//! seen, each time a [`Sight`], into the same rows.
#![forbid(unsafe_code)]

mod event;

mod bucket;
mod distribution;

mod blame;
mod blocked;
mod demand;
mod frame;
mod gil;
mod history;
mod hold;
mod on_cpu;
mod overrun;
mod sampled;
mod samples;
mod site;
mod span;
mod stall;
mod state;
mod thread;
mod wait;

mod ledger;
mod survey;
mod timeline;

mod process;
mod profile;

mod balance;
mod difference;
mod format;
mod merge;
mod pattern;

mod native;
mod query;
mod verdict;
mod what_if;
mod window;

mod error;

pub use event::{Event, EventKind, FLAG_REQUESTED};

pub use bucket::{BUCKETS, SUB_BITS, bucket_bounds, bucket_of};
pub use distribution::Distribution;

pub use blame::Blame;
pub use blocked::{Blocked, BlockedOn};
pub use demand::Demand;
pub use frame::Frame;
pub use gil::Gil;
pub use history::{FIRST_SLICE_NS, History, SLICES_MAX, Slice, SliceBlame, SliceThread};
pub use hold::Hold;
pub use on_cpu::{CpuReading, CpuSource, OnCpu, Stretch};
pub use overrun::Overrun;
pub use samples::Samples;
pub use site::{Site, SiteKind};
pub use span::SpanRow;
pub use stall::Stall;
pub use state::State;
pub use thread::Thread;
pub use wait::Wait;

pub use timeline::{Moment, Timeline};

pub use ledger::{Account, Charges, Ledger};
pub use survey::{GilSight, Sight, Survey, ThreadSight};

pub use balance::Imbalance;
pub use pattern::pattern;
pub use process::Process;
pub use profile::{Clock, Ended, Mode, Profile, ProfileParts};

pub use query::{By, Query, Row, Rows};
pub use verdict::{Confidence, Evidence, Finding, FindingId};
pub use what_if::{Supposed, WhatIf};
pub use window::Window;

pub use error::Error;
