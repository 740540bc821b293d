//! The beginning of an ELF module: for which processor it is, and what of it is loaded.

use gilprof_code::Memory;
use object::LittleEndian as LE;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::pod::{self, Pod};

/// Larger tables are taken for broken ones.
const MAX_TABLE_BYTES: u64 = 64 << 20;

/// What stands at the beginning of a module.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    machine: elf::Machine,
    program: Vec<ProgramHeader64<LE>>,
}

impl Header {
    /// Reads it through the bytes of the file; `None` where that is no 64-bit little-endian
    /// ELF module.
    pub(crate) fn read(bytes: &impl Memory) -> Option<Self> {
        let header: FileHeader64<LE> = read(bytes, 0)?;
        let ident = header.e_ident;
        let fits = ident.magic == elf::ELFMAG
            && ident.class == elf::ELFCLASS64
            && ident.data == elf::ELFDATA2LSB
            && usize::from(header.e_phentsize.get(LE)) == size_of::<ProgramHeader64<LE>>();
        fits.then_some(())?;
        let count = header.e_phnum.get(LE).into();
        Some(Header {
            machine: header.e_machine.get(LE),
            program: table(bytes, header.e_phoff.get(LE), count)?,
        })
    }

    /// What is loaded into memory.
    pub(crate) fn segments(&self) -> impl Iterator<Item = Segment> {
        let loaded = |header: &&ProgramHeader64<LE>| header.p_type.get(LE) == elf::PT_LOAD;
        self.program.iter().filter(loaded).map(Segment::of)
    }

    /// Where the dynamic section is; a program that is wholly static has none.
    pub(crate) fn dynamic(&self) -> Option<(u64, u64)> {
        let dynamic = |header: &&ProgramHeader64<LE>| header.p_type.get(LE) == elf::PT_DYNAMIC;
        let header = self.program.iter().find(dynamic)?;
        Some((header.p_vaddr.get(LE), header.p_filesz.get(LE)))
    }

    /// The relocations that make a slot.
    pub(crate) fn slot_kinds(&self) -> &'static [elf::RelocationType] {
        match self.machine {
            elf::EM_X86_64 => &[elf::R_X86_64_GLOB_DAT, elf::R_X86_64_JUMP_SLOT],
            elf::EM_AARCH64 => &[elf::R_AARCH64_GLOB_DAT, elf::R_AARCH64_JUMP_SLOT],
            _ => &[],
        }
    }
}

/// A part of a module that is loaded as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) address: u64,
    /// Bytes in memory, of which those beyond the file's are zero at first.
    pub(crate) size: u64,
    pub(crate) offset: u64,
    pub(crate) file_size: u64,
    pub(crate) writable: bool,
}

impl Segment {
    fn of(header: &ProgramHeader64<LE>) -> Self {
        Segment {
            address: header.p_vaddr.get(LE),
            size: header.p_memsz.get(LE),
            offset: header.p_offset.get(LE),
            file_size: header.p_filesz.get(LE),
            writable: header.p_flags.get(LE).contains(elf::PF_W),
        }
    }

    pub(crate) fn contains(&self, address: u64) -> bool {
        address.wrapping_sub(self.address) < self.size
    }
}

/// A value of this form.
pub(crate) fn read<T: Pod>(memory: &impl Memory, address: u64) -> Option<T> {
    table(memory, address, 1)?.first().copied()
}

/// So many values of this form, if all are there.
pub(crate) fn table<T: Pod>(memory: &impl Memory, address: u64, count: u64) -> Option<Vec<T>> {
    let size = count.checked_mul(size_of::<T>() as u64)?;
    let within = size <= MAX_TABLE_BYTES && address.checked_add(size).is_some();
    let mut bytes = vec![0; usize::try_from(size).ok().filter(|_| within)?];
    if size > 0 && !memory.read(address, &mut bytes) {
        return None;
    }
    Some(pod::slice_from_all_bytes(&bytes).ok()?.to_vec())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A file in memory, addressed by the places in it.
    pub(crate) struct Copy(pub(crate) Vec<u8>);

    impl Memory for Copy {
        fn read(&self, address: u64, into: &mut [u8]) -> bool {
            let start = usize::try_from(address).unwrap_or(usize::MAX);
            let there = self.0.get(start..).and_then(|rest| rest.get(..into.len()));
            there.map(|there| into.copy_from_slice(there)).is_some()
        }
    }

    pub(crate) fn this_program() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn what_is_no_elf_module_of_64_bits_is_none() {
        let program = this_program();
        assert!(Header::read(&Copy(program.clone())).is_some());
        assert!(Header::read(&Copy(program[..40].to_vec())).is_none());
        for (place, value) in [(0, 0), (4, 1), (5, 2), (54, 32)] {
            let mut broken = program.clone();
            broken[place] = value;
            assert!(Header::read(&Copy(broken)).is_none(), "{place}");
        }
    }
}
