//! What the file of a module says of its code.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use framehop::ExplicitModuleSectionInfo;
use gilprof_code::{Memory, ProcessMemory};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSegment, ReadCache, ReadRef};

use crate::images::Image;
use crate::symbols::Symbols;

/// Unwind data larger than this is left out: it would have to be kept in memory.
const UNWIND_DATA: u64 = 32 << 20;
/// How much of a file must be what the process has in memory: its headers.
const HEADERS: usize = 1024;
const PAGE: u64 = 4096;

/// The file of a module.
pub(crate) type Elf<'d, R> = ElfFile64<'d, Endianness, R>;

/// Unwind data, as the unwinder takes it.
pub(crate) type Bytes = Arc<[u8]>;

/// What is known of a module.
#[derive(Debug)]
pub(crate) struct Module {
    /// The file's name, without folders.
    pub(crate) name: String,
    /// What to add to an address in the file for that in memory.
    pub(crate) bias: u64,
    pub(crate) symbols: Symbols,
    /// Whether it has unwind data.
    pub(crate) unwinds: bool,
}

/// Where the unwind data of a module is, and the data itself.
pub(crate) type Unwind = ExplicitModuleSectionInfo<Bytes>;

impl Module {
    /// Reads the file of an image of the process; `None` where it cannot be read or is
    /// not what was mapped: it was replaced since.
    pub(crate) fn read(pid: u32, image: &Image) -> Option<(Self, Option<Unwind>)> {
        // The process may have another root.
        let file = File::open(format!("/proc/{pid}/root{}", image.path)).ok()?;
        let file = ReadCache::new(file);
        let mut mapped = [0; HEADERS];
        let whole = ProcessMemory::of(pid).read(image.range.start, &mut mapped);
        if !whole || (&file).read_bytes_at(0, HEADERS as u64).ok()? != mapped {
            return None;
        }
        let name = image.path.rsplit('/').next().unwrap_or_default();
        Self::of(&Elf::parse(&file).ok()?, name, image.range.start)
    }

    fn of<'d, R: ReadRef<'d>>(
        file: &Elf<'d, R>,
        name: &str,
        start: u64,
    ) -> Option<(Self, Option<Unwind>)> {
        let mut segments = file.segments();
        let first = segments.find(|segment| segment.file_range().0 < PAGE)?;
        let unwind = unwind(file);
        let module = Module {
            name: name.into(),
            bias: start.wrapping_sub(first.address() & !(PAGE - 1)),
            symbols: Symbols::of(file),
            unwinds: unwind.is_some(),
        };
        Some((module, unwind))
    }
}

fn unwind<'d, R: ReadRef<'d>>(file: &Elf<'d, R>) -> Option<Unwind> {
    let range = |name| -> Option<Range<u64>> {
        let section = file.section_by_name(name)?;
        Some(section.address()..section.address().checked_add(section.size())?)
    };
    let data = |name| -> Option<Bytes> {
        let section = file.section_by_name(name)?;
        let small = section.size() > 0 && section.size() < UNWIND_DATA;
        small.then(|| section.data().ok().map(Bytes::from))?
    };
    Some(Unwind {
        text_svma: range(".text"),
        got_svma: range(".got"),
        eh_frame_svma: range(".eh_frame"),
        eh_frame: Some(data(".eh_frame")?),
        eh_frame_hdr_svma: range(".eh_frame_hdr"),
        eh_frame_hdr: data(".eh_frame_hdr"),
        ..Unwind::default()
    })
}
