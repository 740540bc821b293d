//! A place for the first errand, in a process that has none of our pages yet.
//!
//! Code is loaded in whole pages: what lies between its end and the end of its last page
//! is mapped, can be executed, and is nobody's.

use gilprof_code::{Mapping, Memory};
use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::pod;

use crate::exact::remote::Remote;

/// The address of `size` unused bytes that can be executed. They are all zero: in others
/// there may have been an errand before, of one who was killed, and a thread that is not
/// home yet.
pub(crate) fn find(remote: &Remote, size: u64) -> Option<u64> {
    let all = Mapping::all(remote.pid()).unwrap_or_default();
    let is_code = |mapping: &&Mapping| mapping.executable && !mapping.writable;
    let code = all.iter().filter(|mapping| mapping.is_of_file());
    let caves = code.filter(is_code).filter_map(|code| {
        let same = |mapping: &&Mapping| mapping.file == code.file && mapping.offset == 0;
        let end = end_of_code(remote, all.iter().find(same)?, code)?;
        let cave = end.next_multiple_of(16);
        (cave + size <= code.range.end).then_some(cave)
    });
    caves.into_iter().find(|&cave| is_zero(remote, cave, size))
}

fn is_zero(remote: &Remote, address: u64, size: u64) -> bool {
    let mut bytes = vec![1; size as usize];
    remote.read(address, &mut bytes) && bytes.iter().all(|&byte| byte == 0)
}

/// Where the code in a mapping ends. `first` is the mapping of the file's beginning.
fn end_of_code(remote: &Remote, first: &Mapping, code: &Mapping) -> Option<u64> {
    let header: FileHeader64<LE> = read(remote, first.range.start)?;
    if header.e_ident.magic != elf::ELFMAG {
        return None;
    }
    let table = first.range.start + header.e_phoff.get(LE);
    let count = u64::from(header.e_phnum.get(LE));
    let size = size_of::<ProgramHeader64<LE>>() as u64;
    let segments = (0..count)
        .filter_map(|index| read::<ProgramHeader64<LE>>(remote, table + index * size))
        .filter(|segment| segment.p_type.get(LE) == elf::PT_LOAD);
    let ends = segments.filter_map(|segment| {
        // The mapping begins at the page in which the segment does.
        let inside = segment.p_offset.get(LE).checked_sub(code.offset)?;
        let end = code.range.start + inside + segment.p_memsz.get(LE);
        let fits = inside < 4096 && end <= code.range.end && code.range.end - end < 4096;
        fits.then_some(end)
    });
    ends.max()
}

fn read<T: pod::Pod>(remote: &Remote, address: u64) -> Option<T> {
    let mut bytes = vec![0; size_of::<T>()];
    let read = remote.read(address, &mut bytes);
    let (value, _) = pod::from_bytes::<T>(&bytes).ok()?;
    read.then_some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_behind_the_code_of_this_process() {
        let remote = Remote::open(std::process::id()).unwrap();
        let cave = find(&remote, 256).unwrap();
        let all = Mapping::all(std::process::id()).unwrap();
        let around = all.iter().find(|mapping| mapping.range.contains(&cave));
        assert!(
            around
                .is_some_and(|mapping| mapping.executable && mapping.range.contains(&(cave + 255)))
        );
        assert_eq!(find(&remote, 5000), None);
    }
}
