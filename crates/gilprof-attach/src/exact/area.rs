//! The pages that attaching adds to a process, and what is where in them.
//!
//! | from | what | rights |
//! |---|---|---|
//! | 0 | what tells that these are gilprof's pages, and of which build | read, execute |
//! | 4 KiB | places for errands, used in turn | read, execute |
//! | 12 KiB | the payload's code and constants | read, execute |
//! | … | the payload's variables | read, write |
//! | last page | notes that outlive the one who attached | read, write |
//!
//! They stay when the recording is over, since a thread may still be on its way out of a
//! hook, and the next one to attach uses them again.

use std::mem::offset_of;
use std::thread;
use std::time::{Duration, Instant};

use gilprof_code::{Mapping, Memory};
use gilprof_region::{EXPORTS_WORDS, Exports};

use crate::error::Error;
use crate::exact::cave;
use crate::exact::errand::{Errand, Value};
use crate::exact::payload::{Linked, Payload};
use crate::exact::ptrace;
use crate::exact::remote::Remote;

pub(crate) const PAGE: u64 = 4096;

/// The first words of the area: this, the build, and the bytes of the whole.
const MAGIC: u64 = u64::from_le_bytes(*b"gilprof\x03");
const HEAD_WORDS: usize = 3;

const ERRANDS_AT: u64 = PAGE;
const ERRAND_BYTES: u64 = 1024;
const ERRANDS: u64 = 8;
const IMAGE_AT: u64 = ERRANDS_AT + ERRANDS * ERRAND_BYTES;

/// How long a thread may take for an errand: it has to be given a CPU.
const PATIENCE: Duration = Duration::from_secs(5);
/// How far from other mappings the area is put, so that the kernel, which fills gaps from
/// their ends, does not put anything there meanwhile.
const APART: u64 = 1 << 30;
/// Where it may be put.
const ROOM: std::ops::Range<u64> = 0x1000_0000_0000..0x5000_0000_0000;

/// Notes in the last page, by their number of words from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// How many errands were begun.
    Begun = 0,
    /// Where the region is, and its bytes; 0 where there was none yet.
    Region = 2,
    RegionBytes = 3,
    /// Counts the recordings.
    Generation = 4,
    /// What system calls gave back.
    Results = 8,
    /// The slots: for each, its address, what was in it, what is, and whether its page
    /// is protected; zeros at the end.
    Slots = 32,
    /// A name for a file.
    Name = 128,
    /// The thread that each place for errands was used for last; 0 where none was.
    Owners = 144,
    /// The latest errands that were done, each by its number.
    Done = 160,
}

/// How many of the latest errands have a note that they were done.
const DONE: u64 = 16;

/// How many results there are at most.
pub(crate) const RESULTS: usize = 16;

/// The area, in place.
#[derive(Debug)]
pub(crate) struct Area {
    base: u64,
    bytes: u64,
    exports: [u64; EXPORTS_WORDS],
    /// For how long threads stood still, each time.
    paused: Vec<Duration>,
}

impl Area {
    /// The area of this build that is in the process already.
    ///
    /// # Errors
    /// [`Error::Refused`] where `resolve` does not find what the payload needs.
    pub(crate) fn find(
        remote: &Remote,
        payload: &Payload,
        resolve: impl Fn(&str) -> Result<u64, Error>,
    ) -> Result<Option<Self>, Error> {
        let mappings = Mapping::all(remote.pid()).unwrap_or_default();
        let bytes = size_with(payload);
        let Some(base) = find(remote, &mappings, [MAGIC, payload.build(), bytes]) else {
            return Ok(None);
        };
        let Linked { exports, .. } = payload.link(base + IMAGE_AT, resolve)?;
        let paused = Vec::new();
        Ok(Some(Area {
            base,
            bytes,
            exports,
            paused,
        }))
    }

    /// A new one, in a process that has none.
    ///
    /// # Errors
    /// [`Error::Refused`] where the process may not be traced, has no room or may not have
    /// more code.
    pub(crate) fn make(
        remote: &Remote,
        payload: &Payload,
        resolve: impl Fn(&str) -> Result<u64, Error>,
    ) -> Result<Self, Error> {
        let bytes = size_with(payload);
        let mappings = Mapping::all(remote.pid()).unwrap_or_default();
        let base = room(&mappings, bytes).ok_or_else(|| no_pages(remote.pid()))?;
        let Linked { image, exports } = payload.link(base + IMAGE_AT, resolve)?;
        let paused = vec![map(
            remote,
            base,
            IMAGE_AT + payload.writable_from(),
            bytes,
        )?];
        remote.write(base + IMAGE_AT, &image)?;
        // Last: who sees the head sees the rest.
        let head = [MAGIC, payload.build(), bytes];
        remote.write(base, head.map(u64::to_le_bytes).as_flattened())?;
        Ok(Area {
            base,
            bytes,
            exports,
            paused,
        })
    }

    /// The hooks, in the order that [`Exports`] has.
    pub(crate) fn hooks(&self) -> &[u64] {
        &self.exports[..word_of(offset_of!(Exports, order))]
    }

    /// Where the order is.
    pub(crate) fn order(&self) -> u64 {
        self.exports[word_of(offset_of!(Exports, order))]
    }

    /// Where the pointer is that is null while nothing is recorded.
    pub(crate) fn current(&self) -> u64 {
        self.exports[word_of(offset_of!(Exports, current))]
    }

    /// Where the number of hooks is that are at work, but not under a GIL's mutex.
    pub(crate) fn outside(&self) -> u64 {
        self.exports[word_of(offset_of!(Exports, outside))]
    }

    /// The longest time that a thread stood still for this.
    pub(crate) fn longest_pause(&self) -> Duration {
        self.paused.iter().copied().max().unwrap_or_default()
    }

    /// The address of a note.
    pub(crate) fn place(&self, note: Note, index: usize) -> u64 {
        self.base + self.bytes - PAGE + (note as u64 + index as u64) * 8
    }

    /// A note.
    ///
    /// # Errors
    /// [`Error::Refused`] where the process has ended.
    pub(crate) fn note(&self, remote: &Remote, note: Note, index: usize) -> Result<u64, Error> {
        let mut bytes = [0; 8];
        remote.fill(self.place(note, index), &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    /// Leaves a note.
    ///
    /// # Errors
    /// As [`Area::note`].
    pub(crate) fn leave(
        &self,
        remote: &Remote,
        note: Note,
        index: usize,
        value: u64,
    ) -> Result<(), Error> {
        remote.write(self.place(note, index), &value.to_le_bytes())
    }

    /// The result of a system call that an errand has noted.
    ///
    /// # Errors
    /// [`Error::Refused`] where the call has failed.
    pub(crate) fn result(&self, remote: &Remote, index: usize, what: &str) -> Result<u64, Error> {
        let result = self.note(remote, Note::Results, index)? as i64;
        if !(-4095..0).contains(&result) {
            return Ok(result as u64);
        }
        let error = std::io::Error::from_raw_os_error(-result as i32);
        let pid = remote.pid();
        Err(Error::refused(format!(
            "process {pid} cannot {what}: {error}"
        )))
    }

    /// Has a thread do an errand, and waits until it is done.
    ///
    /// # Errors
    /// [`Error::Refused`] where no thread could be borrowed, or none came to run.
    pub(crate) fn run(&mut self, remote: &Remote, errand: Errand) -> Result<(), Error> {
        let number = self.note(remote, Note::Begun, 0)? + 1;
        self.leave(remote, Note::Begun, 0, number)?;
        let done = self.place(Note::Done, (number % DONE) as usize);
        let errand = errand.store(done, number);
        debug_assert!(errand.size() as u64 <= ERRAND_BYTES);
        let place = |tid, rip| self.place_for(remote, tid, rip);
        let paused = ptrace::send(remote, place, &errand)?;
        self.paused.push(paused);
        await_that(remote.pid(), || {
            remote.word(done).is_none_or(|done| done == number)
        })
    }

    /// A place for an errand of a thread that stands still at `rip`, which is noted to be
    /// its own; `None` where it is not home from an errand yet, or where all places are
    /// those of other threads, which may be on their errands still, however long ago they
    /// were sent.
    fn place_for(&self, remote: &Remote, tid: i32, rip: u64) -> Result<Option<u64>, Error> {
        let first = self.base + ERRANDS_AT;
        if (first..first + ERRANDS * ERRAND_BYTES).contains(&rip) {
            return Ok(None);
        }
        for index in 0..ERRANDS {
            let owner = self.note(remote, Note::Owners, index as usize)?;
            if owner == 0 || owner == tid as u64 || !lives(remote.pid(), owner) {
                self.leave(remote, Note::Owners, index as usize, tid as u64)?;
                return Ok(Some(first + index * ERRAND_BYTES));
            }
        }
        Ok(None)
    }
}

fn lives(pid: u32, tid: u64) -> bool {
    std::path::Path::new(&format!("/proc/{pid}/task/{tid}")).exists()
}

/// The place of a part among the words of [`Exports`].
const fn word_of(offset: usize) -> usize {
    offset / size_of::<u64>()
}

fn size_with(payload: &Payload) -> u64 {
    IMAGE_AT + payload.size() + PAGE
}

/// Waits for what a thread on an errand does.
fn await_that(pid: u32, done: impl Fn() -> bool) -> Result<(), Error> {
    let began = Instant::now();
    while !done() {
        if began.elapsed() > PATIENCE {
            return Err(Error::refused(format!(
                "a thread of process {pid} that was borrowed did not come to run within {} s; \
                 is the process frozen, or its CPU quota used up?",
                PATIENCE.as_secs()
            )));
        }
        thread::sleep(Duration::from_micros(20));
    }
    Ok(())
}

/// An area with this head that is there already.
fn find(remote: &Remote, mappings: &[Mapping], head: [u64; HEAD_WORDS]) -> Option<u64> {
    let ours = mappings
        .iter()
        .filter(|mapping| mapping.executable && !mapping.writable && mapping.path.is_empty());
    let mut starts = ours.map(|mapping| mapping.range.start);
    starts.find(|&start| {
        (start..)
            .step_by(8)
            .zip(head)
            .all(|(at, word)| remote.word(at) == Some(word))
    })
}

/// A free place, somewhere in the middle of a gap.
fn room(mappings: &[Mapping], bytes: u64) -> Option<u64> {
    let ends = mappings.iter().map(|mapping| mapping.range.end);
    let starts = mappings.iter().map(|mapping| mapping.range.start);
    let gaps = [0].into_iter().chain(ends).zip(starts.chain([ROOM.end]));
    let inside = gaps.map(|(low, high)| (low.max(ROOM.start) + APART, high.min(ROOM.end)));
    let mut fits = inside.filter(|&(low, high)| low + bytes + APART < high);
    let (low, high) = fits.next()?;
    Some((low + (high - low) / 2) / PAGE * PAGE)
}

/// Has a thread map the area, in two parts. Nothing is replaced: where something is there
/// by now, this fails.
fn map(remote: &Remote, base: u64, code: u64, bytes: u64) -> Result<Duration, Error> {
    let pid = remote.pid();
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let part = |start: u64, bytes: u64, rights: i32| {
        [start, bytes, rights as u64, flags as u64, u64::MAX, 0].map(Value::Is)
    };
    let errand = Errand::new()
        .call(
            libc::SYS_mmap,
            &part(base, code, libc::PROT_READ | libc::PROT_EXEC),
        )
        .call(
            libc::SYS_mmap,
            &part(
                base + code,
                bytes - code,
                libc::PROT_READ | libc::PROT_WRITE,
            ),
        );
    let size = errand.size() as u64;
    let cave = cave::find(remote, size).ok_or_else(|| {
        Error::refused(format!(
            "process {pid} has no {size} free bytes left behind its code"
        ))
    })?;
    let paused = ptrace::send(remote, |_, _| Ok(Some(cave)), &errand)?;
    let there = |address| remote.word(address).is_some();
    let mapped = await_that(pid, || there(base) && there(base + code));
    mapped.map_err(|_| no_pages(pid))?;
    Ok(paused)
}

fn no_pages(pid: u32) -> Error {
    Error::refused(format!(
        "process {pid} could not be given pages of code: it may forbid that (seccomp, SELinux's \
         execmem) or have no room (RLIMIT_AS); start it with `gilprof run` instead"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_far_from_everything_else() {
        let maps = "200000000000-200000001000 rw-p 00000000 00:00 0 \n\
            300000000000-300000001000 rw-p 00000000 00:00 0 \n";
        let mappings = Mapping::read_all(maps);
        let place = room(&mappings, 1 << 20).unwrap();
        for mapping in &mappings {
            assert!(place.abs_diff(mapping.range.start) > APART);
        }
        assert!(ROOM.contains(&place) && place.is_multiple_of(PAGE));
    }

    #[test]
    fn a_full_address_space_has_no_room() {
        let full = Mapping::read_all("1000-7ffffffff000 rw-p 00000000 00:00 0 \n");
        assert_eq!(room(&full, 1 << 20), None);
    }
}
