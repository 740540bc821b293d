//! Where a module of a process is read: its file, or the process's own memory.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};

use gilprof_code::{Mapping, Memory, ProcessMemory};

use crate::elf::Elf;
use crate::header::{Header, Segment};

const PAGE: u64 = 4096;

/// The memory of a module, addressed as its file is.
#[derive(Debug)]
pub(crate) enum Image {
    /// The file that is mapped, and what of it is loaded.
    File(File, Vec<Segment>),
    /// The process's memory, and what is to be added to an address.
    Process(ProcessMemory, u64),
}

impl Image {
    /// The module whose file is mapped from here on, and its load bias; the file itself if
    /// it still is where it was, else the memory of the process.
    pub(crate) fn open(pid: u32, first: &Mapping) -> Option<(Elf<Image>, u64)> {
        Self::open_file(pid, first).or_else(|| Self::open_memory(pid, first))
    }

    pub(crate) fn open_file(pid: u32, first: &Mapping) -> Option<(Elf<Image>, u64)> {
        let file = file(pid, first)?;
        let header = Header::read(&Bytes(&file))?;
        let bias = bias(&header, first)?;
        let image = Image::File(file, header.segments().collect());
        Some((Elf::read(image, header, 0)?, bias))
    }

    pub(crate) fn open_memory(pid: u32, first: &Mapping) -> Option<(Elf<Image>, u64)> {
        let memory = ProcessMemory::of(pid);
        let header = Header::read(&Image::Process(memory, first.range.start))?;
        let bias = bias(&header, first)?;
        Some((Elf::read(Image::Process(memory, bias), header, bias)?, bias))
    }
}

impl Memory for Image {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        match self {
            Image::File(file, segments) => {
                let end = address.checked_add(into.len() as u64);
                let holds =
                    |segment: &&Segment| end.is_some_and(|end| in_file(segment, address..end));
                let Some(segment) = segments.iter().find(holds) else {
                    return false;
                };
                Bytes(file).read(address - segment.address + segment.offset, into)
            }
            Image::Process(memory, bias) => memory.read(address.wrapping_add(*bias), into),
        }
    }
}

fn in_file(segment: &Segment, range: Range<u64>) -> bool {
    let Some(end) = segment.address.checked_add(segment.file_size) else {
        return false;
    };
    segment.address <= range.start && range.end <= end && segment.offset.checked_add(end).is_some()
}

/// A file, addressed by the places in it.
struct Bytes<'f>(&'f File);

impl Memory for Bytes<'_> {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        self.0.read_exact_at(into, address).is_ok()
    }
}

/// The file of a mapping, as the process sees it; `None` where it is gone, was replaced or
/// may not be read.
fn file(pid: u32, mapping: &Mapping) -> Option<File> {
    let path = format!("/proc/{pid}/root{}", mapping.path);
    // What has taken the file's place may be something to wait for.
    let mut options = File::options();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.ok()?;
    let found = file.metadata().ok()?;
    let (major, minor, inode) = mapping.file;
    let is_it = found.ino() == inode && found.dev() == libc::makedev(major, minor);
    is_it.then_some(file)
}

/// What to add to an address in the file for that in memory.
fn bias(header: &Header, first: &Mapping) -> Option<u64> {
    let of_page = |value: u64| value & !(PAGE - 1);
    let mut segments = header.segments();
    let segment = segments.find(|segment| of_page(segment.offset) == first.offset)?;
    Some(first.range.start.wrapping_sub(of_page(segment.address)))
}
