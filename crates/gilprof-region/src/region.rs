//! The whole block: how it is divided, made, opened and checked.

use std::io;
use std::mem::{ManuallyDrop, size_of};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use crate::clock::Clock;
use crate::error::Error;
use crate::gil::GilCell;
use crate::header::{GILS, GROUPS, Header, MAGIC, MAX_THREADS, Phase, VERSION};
use crate::memory::{self, Memory};
use crate::ring::{Entry, Ring};
use crate::spans::SpanTable;
use crate::stacks::StackTable;
use crate::sync::Ordering::{Acquire, Relaxed, Release};
use crate::thread::{Slot, ThreadCell};

/// How a region is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    threads: u32,
    ring_main: u32,
    ring_other: u32,
}

impl Default for Sizes {
    /// 256 threads at a time and 262 144 events: below 32 MiB of addresses.
    fn default() -> Self {
        Sizes {
            threads: 256,
            ring_main: 1 << 18,
            ring_other: 1 << 15,
        }
    }
}

impl Sizes {
    /// Room for `threads` threads at a time and for `ring` events.
    ///
    /// # Errors
    /// [`Error::Option`] where a number is outside of its limits.
    pub fn new(threads: u64, ring: u64) -> Result<Self, Error> {
        let refuse = |option, value, allowed| Error::Option {
            option,
            value,
            allowed,
        };
        if !(1..=u64::from(MAX_THREADS)).contains(&threads) {
            return Err(refuse("threads", threads, "1 to 4096"));
        }
        if !ring.is_power_of_two() || !(1 << 10..=1 << 26).contains(&ring) {
            let allowed = "a power of two from 1024 to 67108864";
            return Err(refuse("ring", ring, allowed));
        }
        Ok(Sizes {
            threads: threads as u32,
            ring_main: ring as u32,
            ring_other: (ring as u32 / 8).max(1 << 10),
        })
    }

    /// How many ended threads of a GIL keep rows of their own: an eighth of all.
    pub(crate) fn ended_rows(self) -> u32 {
        self.threads.div_ceil(8)
    }

    /// How many events a reader may let come together without a hurry: half of
    /// the smallest ring.
    pub fn relaxed_batch(self) -> u64 {
        u64::from(self.ring_main.min(self.ring_other)) / 2
    }

    fn cells(self) -> usize {
        self.threads as usize + GROUPS as usize
    }

    fn entries(self) -> usize {
        self.ring_main as usize + (GILS as usize - 1) * self.ring_other as usize
    }

    fn gils_at(self) -> usize {
        size_of::<Header>()
    }

    fn threads_at(self) -> usize {
        self.gils_at() + GILS as usize * size_of::<GilCell>()
    }

    fn rings_at(self) -> usize {
        self.threads_at() + self.cells() * size_of::<ThreadCell>()
    }

    fn stacks_at(self) -> usize {
        (self.rings_at() + self.entries() * size_of::<Entry>()).next_multiple_of(4096)
    }

    fn spans_at(self) -> usize {
        (self.stacks_at() + size_of::<StackTable>()).next_multiple_of(4096)
    }

    /// The whole region's size in bytes.
    pub fn bytes(self) -> usize {
        self.spans_at() + size_of::<SpanTable>()
    }

    /// The first entry and the number of entries of a GIL's ring.
    fn ring_of(self, gil: u32) -> (usize, usize) {
        match gil {
            0 => (0, self.ring_main as usize),
            n => (
                self.ring_main as usize + (n as usize - 1) * self.ring_other as usize,
                self.ring_other as usize,
            ),
        }
    }
}

/// A region in memory, private or shared.
#[derive(Debug)]
pub struct Region {
    memory: Memory,
    sizes: Sizes,
}

impl Region {
    /// A region for this process alone.
    ///
    /// # Errors
    /// [`Error::Os`] where the system has no memory for it.
    pub fn private(sizes: Sizes) -> Result<Self, Error> {
        let memory = Memory::private(sizes.bytes()).map_err(Error::os("map a region"))?;
        let region = Region { memory, sizes };
        region.format();
        Ok(region)
    }

    /// A region in a file in memory, for another process to open.
    ///
    /// # Errors
    /// [`Error::Os`] where the system refuses.
    pub fn shared(sizes: Sizes) -> Result<(Self, OwnedFd), Error> {
        let file =
            memory::anonymous_file(sizes.bytes()).map_err(Error::os("make a memory file"))?;
        let memory = Memory::shared(file.as_fd(), sizes.bytes());
        let memory = memory.map_err(Error::os("map a memory file"))?;
        let region = Region { memory, sizes };
        region.format();
        Ok((region, file))
    }

    /// A region for recordings of this process, which others may look at: in a file in
    /// memory, which stays open for as long as the process lives, or in memory of its own
    /// where the system refuses that.
    ///
    /// # Errors
    /// [`Error::Os`] where the system has no memory for it.
    pub fn own(sizes: Sizes) -> Result<Self, Error> {
        let visible = Region::shared(sizes).and_then(|(region, file)| {
            let kept = memory::out_of_the_way(file.as_fd());
            Ok((region, kept.map_err(Error::os("keep a memory file open"))?))
        });
        match visible {
            Ok((region, file)) => {
                // The program may close all descriptors that it finds, and then use this
                // number: so nobody here closes it.
                std::mem::forget(file);
                Ok(region)
            }
            Err(_refused) => Region::private(sizes),
        }
    }

    /// Opens what another process has made, and checks it.
    ///
    /// # Errors
    /// [`Error::NotSealed`], [`Error::Foreign`] or [`Error::Corrupt`] where it
    /// is not a region of this version, [`Error::Os`] where it cannot be mapped.
    pub fn open(file: BorrowedFd<'_>) -> Result<Self, Error> {
        Self::map(file, Memory::shared)
    }

    /// The same for one who only reads, and has the file open for that: nothing of it may
    /// be called that writes, which would end this process.
    ///
    /// # Errors
    /// As [`Region::open`].
    pub fn look_at(file: BorrowedFd<'_>) -> Result<Self, Error> {
        Self::map(file, Memory::shared_to_look_at)
    }

    fn map(
        file: BorrowedFd<'_>,
        mapped: impl Fn(BorrowedFd<'_>, usize) -> io::Result<Memory>,
    ) -> Result<Self, Error> {
        if !memory::cannot_shrink(file) {
            return Err(Error::NotSealed);
        }
        let len = file_len(file)?;
        need("size", len as u64, size_of::<Header>() as u64)?;
        let memory = mapped(file, len).map_err(Error::os("map a region"))?;
        Self::check(memory)
    }

    /// A region from its bytes, as a file on disk has them.
    ///
    /// # Errors
    /// [`Error::Foreign`] or [`Error::Corrupt`] where the bytes are not a
    /// region of this version, [`Error::Os`] where there is no memory.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        need("size", bytes.len() as u64, size_of::<Header>() as u64)?;
        let memory = Memory::private(bytes.len()).map_err(Error::os("map a region"))?;
        // SAFETY: the mapping is new, so it does not overlap `bytes`, and it
        // is just as long.
        unsafe {
            core::ptr::copy_nonoverlapping(bytes.as_ptr(), memory.start().as_ptr(), bytes.len());
        }
        Self::check(memory)
    }

    /// Makes a region of a file in memory, whose size becomes that of the region for
    /// good: for another process, which has mapped it already.
    ///
    /// # Errors
    /// [`Error::Os`] where the system refuses.
    pub fn in_file(file: BorrowedFd<'_>, sizes: Sizes) -> Result<Self, Error> {
        memory::seal(file, sizes.bytes()).map_err(Error::os("make a memory file"))?;
        let memory = Memory::shared(file, sizes.bytes());
        let memory = memory.map_err(Error::os("map a memory file"))?;
        let region = Region { memory, sizes };
        region.format();
        Ok(region)
    }

    /// The region that lies at `start` in this process. It must never be dropped.
    ///
    /// # Safety
    /// `len` bytes are mapped there, shared or private, can be written, and stay for as
    /// long as the region is used.
    ///
    /// # Errors
    /// [`Error::Foreign`] or [`Error::Corrupt`] where it is not a region of this version.
    // Must not allocate.
    pub unsafe fn mapped_at(start: NonNull<u8>, len: usize) -> Result<ManuallyDrop<Self>, Error> {
        need("size", len as u64, size_of::<Header>() as u64)?;
        // SAFETY: the caller's promise.
        let memory = unsafe { Memory::mapped_at(start, len) };
        let sizes = Sizes::default();
        let region = ManuallyDrop::new(Region { memory, sizes });
        let sizes = region.checked_sizes()?;
        let Region { memory, .. } = ManuallyDrop::into_inner(region);
        Ok(ManuallyDrop::new(Region { memory, sizes }))
    }

    fn check(memory: Memory) -> Result<Self, Error> {
        let sizes = Sizes::default();
        let region = Region { memory, sizes };
        let sizes = region.checked_sizes()?;
        Ok(Region { sizes, ..region })
    }

    fn checked_sizes(&self) -> Result<Sizes, Error> {
        let found = self.memory.len();
        let header = self.header();
        same("magic", header.magic.load(Acquire), MAGIC)?;
        same(
            "version",
            header.version.load(Relaxed).into(),
            VERSION.into(),
        )?;
        let sizes = Sizes::new(
            header.threads.load(Relaxed).into(),
            header.ring_main.load(Relaxed).into(),
        )?;
        let ring_other = header.ring_other.load(Relaxed);
        same("ring_other", ring_other.into(), sizes.ring_other.into())?;
        same("size", found as u64, sizes.bytes() as u64)?;
        same("recorded size", header.size.load(Relaxed), found as u64)?;
        Ok(sizes)
    }

    /// Writes what makes these zeroed pages a region.
    fn format(&self) {
        let header = self.header();
        header.version.store(VERSION, Relaxed);
        header.threads.store(self.sizes.threads, Relaxed);
        header.ring_main.store(self.sizes.ring_main, Relaxed);
        header.ring_other.store(self.sizes.ring_other, Relaxed);
        header.size.store(self.sizes.bytes() as u64, Relaxed);
        for slot in 0..self.sizes.threads {
            if let Some(word) = header.free_slots.get(slot as usize / 64) {
                word.fetch_or(1 << (slot % 64), Relaxed);
            }
        }
        // Last: who sees the magic sees the rest.
        header.magic.store(MAGIC, Release);
    }

    /// Makes the region empty again for a new recording of this process. No
    /// writer may be at work. The epoch goes on counting.
    ///
    /// # Errors
    /// [`Error::Os`] where the pages cannot be given back.
    pub fn clear(&self) -> Result<(), Error> {
        let epoch = self.header().epoch.load(Relaxed);
        self.memory.clear().map_err(Error::os("clear a region"))?;
        self.format();
        self.header().epoch.store(epoch, Relaxed);
        Ok(())
    }

    /// Replaces the region by an empty one that is this process's own: for
    /// the child of a fork. False where no memory can be mapped. Async-signal-safe.
    // Must not allocate.
    pub fn replace_in_child(&self) -> bool {
        let epoch = self.header().epoch.load(Relaxed);
        let replaced = self.memory.replace_private();
        if replaced {
            self.format();
            self.header().epoch.store(epoch, Relaxed);
        }
        replaced
    }

    fn at<T>(&self, offset: usize) -> *const T {
        debug_assert!(offset + size_of::<T>() <= self.memory.len());
        self.memory.start().as_ptr().wrapping_add(offset).cast()
    }

    /// The header.
    #[inline]
    pub fn header(&self) -> &Header {
        // SAFETY: the mapping is page-aligned and holds a header (checked when
        // the region was made); a header is atomics only, valid for any bytes.
        unsafe { &*self.at::<Header>(0) }
    }

    /// The cell of a GIL, or `None` past the last.
    #[inline]
    pub fn gil(&self, gil: u32) -> Option<&GilCell> {
        if gil >= GILS {
            return None;
        }
        let offset = self.sizes.gils_at() + gil as usize * size_of::<GilCell>();
        // SAFETY: within the mapping, whose length was checked against
        // `sizes`; aligned, since all parts are multiples of their alignment;
        // atomics only, valid for any bytes.
        Some(unsafe { &*self.at::<GilCell>(offset) })
    }

    /// The cell of a thread or of a group of ended threads.
    #[inline]
    pub fn thread(&self, slot: Slot) -> Option<&ThreadCell> {
        if slot.0 as usize >= self.sizes.cells() {
            return None;
        }
        let offset = self.sizes.threads_at() + slot.0 as usize * size_of::<ThreadCell>();
        // SAFETY: as in `gil`.
        Some(unsafe { &*self.at::<ThreadCell>(offset) })
    }

    /// The events of a GIL.
    pub fn ring(&self, gil: u32) -> Option<Ring<'_>> {
        let cell = self.gil(gil)?;
        let (first, len) = self.sizes.ring_of(gil);
        let offset = self.sizes.rings_at() + first * size_of::<Entry>();
        // SAFETY: as in `gil`; `Sizes::entries` counts all rings.
        let entries = unsafe { core::slice::from_raw_parts(self.at::<Entry>(offset), len) };
        Some(Ring::new(&cell.head, entries))
    }

    /// The sampled stacks and the code objects in them.
    #[inline]
    pub fn stacks(&self) -> &StackTable {
        // SAFETY: as in `gil`; `Sizes::spans_at` counts the table.
        unsafe { &*self.at::<StackTable>(self.sizes.stacks_at()) }
    }

    pub(crate) fn span_table(&self) -> &SpanTable {
        // SAFETY: as in `gil`; `Sizes::bytes` ends with the table.
        unsafe { &*self.at::<SpanTable>(self.sizes.spans_at()) }
    }

    /// All thread slots, without the groups.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.sizes.threads).map(Slot)
    }

    /// The slots that stand for groups of ended threads.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Slot> + use<> {
        (self.sizes.threads..self.sizes.threads + GROUPS).map(Slot)
    }

    /// How the region is divided.
    pub fn sizes(&self) -> Sizes {
        self.sizes
    }

    /// How many GILs were ever entered.
    pub fn gils(&self) -> u32 {
        self.header().gils_used.load(Acquire).min(GILS)
    }

    /// Where the recording stands.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the region says something impossible.
    pub fn phase(&self) -> Result<Phase, Error> {
        let phase = self.header().phase.load(Acquire);
        Phase::from_u32(phase).ok_or(Error::Corrupt {
            what: "phase",
            found: phase.into(),
            limit: Phase::Refused as u64,
        })
    }

    /// The clock of the recording.
    pub fn clock(&self) -> Clock {
        let header = self.header();
        Clock {
            kind: match header.clock_is_tsc.load(Relaxed) {
                0 => gilprof_core::Clock::Monotonic,
                _ => gilprof_core::Clock::Tsc,
            },
            mult: header.clock_mult.load(Relaxed),
            offset: header.clock_offset.load(Relaxed),
        }
    }
}

fn file_len(file: BorrowedFd<'_>) -> Result<usize, Error> {
    let file = file
        .try_clone_to_owned()
        .map_err(Error::os("open a region"))?;
    let len = std::fs::File::from(file).metadata();
    Ok(len.map_err(Error::os("read a region's size"))?.len() as usize)
}

fn need(what: &'static str, found: u64, least: u64) -> Result<(), Error> {
    match found >= least {
        true => Ok(()),
        false => same(what, found, least),
    }
}

fn same(what: &'static str, found: u64, expected: u64) -> Result<(), Error> {
    match found == expected {
        true => Ok(()),
        false => Err(Error::Foreign {
            what,
            found,
            expected,
        }),
    }
}
