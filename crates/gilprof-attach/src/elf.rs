//! What an ELF module exports, and the slots that calls of imported functions go through:
//! found as the loader finds them, through the dynamic section.
//!
//! All of it is outside data. Addresses are those in the file, without the load bias.

use gilprof_code::Memory;
use object::elf::{self, Dyn64, Rela64, Sym64};
use object::{LittleEndian as LE, U16, U32};

use crate::header::{Header, read, table};

/// Longer chains of a hash table are taken for broken ones.
const MAX_CHAIN: u32 = 1 << 16;

/// The dynamic entries that are of use here (ELF gABI, "Dynamic Section").
mod tag {
    pub(super) const PLTRELSZ: i64 = 2;
    pub(super) const HASH: i64 = 4;
    pub(super) const STRTAB: i64 = 5;
    pub(super) const SYMTAB: i64 = 6;
    pub(super) const RELA: i64 = 7;
    pub(super) const RELASZ: i64 = 8;
    pub(super) const STRSZ: i64 = 10;
    pub(super) const JMPREL: i64 = 23;
    pub(super) const GNU_HASH: i64 = 0x6fff_fef5;
    pub(super) const VERSYM: i64 = 0x6fff_fff0;
}

/// What a module exports under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Where it is.
    pub address: u64,
    /// Bytes; 0 where the module does not say.
    pub size: u64,
    /// What it is.
    pub kind: SymbolKind,
}

/// What a symbol stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// A function that gives back the address of the function (`STT_GNU_IFUNC`): it is not
    /// the one to call.
    Indirect,
    /// Anything else: data, or of no kind that is told.
    Data,
}

/// The tables of a module, read through memory that is addressed as its file is.
#[derive(Debug)]
pub(crate) struct Elf<M> {
    memory: M,
    header: Header,
    dynamic: Vec<Dyn64<LE>>,
    /// What the loader has added to addresses in the dynamic section.
    bias: u64,
}

impl<M: Memory> Elf<M> {
    /// The module with this header. `bias` is what the loader may have added to what
    /// `memory` shows: 0 for a file.
    pub(crate) fn read(memory: M, header: Header, bias: u64) -> Option<Self> {
        let dynamic = match header.dynamic() {
            Some((address, size)) => table(&memory, address, size / size_of::<Dyn64<LE>>() as u64)?,
            None => Vec::new(),
        };
        Some(Elf {
            memory,
            header,
            dynamic,
            bias,
        })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The memory it is read through.
    pub(crate) fn memory(&self) -> &M {
        &self.memory
    }

    /// Whether it is linked dynamically: else it has neither symbols nor slots.
    pub(crate) fn is_dynamic(&self) -> bool {
        !self.dynamic.is_empty()
    }

    fn value(&self, wanted: i64) -> Option<u64> {
        let mut entries = self
            .dynamic
            .iter()
            .take_while(|entry| entry.d_tag.get(LE).0 != 0);
        let entry = entries.find(|entry| entry.d_tag.get(LE).0 == wanted)?;
        Some(entry.d_val.get(LE))
    }

    /// glibc writes addresses into the dynamic section, musl leaves offsets.
    fn place(&self, tag: i64) -> Option<u64> {
        let value = self.value(tag)?;
        let mut segments = self.header.segments();
        match segments.any(|segment| segment.contains(value)) {
            true => Some(value),
            false => Some(value.wrapping_sub(self.bias)),
        }
    }

    /// What is exported under this name; of several versions the default one.
    pub(crate) fn symbol(&self, name: &str) -> Option<Symbol> {
        let found = match self.place(tag::GNU_HASH) {
            Some(hash) => self.by_gnu_hash(hash, name),
            None => self.by_hash(self.place(tag::HASH)?, name),
        };
        let symbol = found?;
        let kind = match symbol.st_type() {
            elf::STT_FUNC => SymbolKind::Function,
            elf::STT_GNU_IFUNC => SymbolKind::Indirect,
            // Its value is no address.
            elf::STT_TLS => return None,
            _ => SymbolKind::Data,
        };
        Some(Symbol {
            address: symbol.st_value.get(LE),
            size: symbol.st_size.get(LE),
            kind,
        })
    }

    /// The table of `DT_GNU_HASH`: a header, a filter, the buckets, and of each symbol its
    /// hash, of which the lowest bit ends a chain.
    fn by_gnu_hash(&self, at: u64, name: &str) -> Option<Sym64<LE>> {
        let header: elf::GnuHashHeader<LE> = read(&self.memory, at)?;
        let hash = elf::gnu_hash(name.as_bytes());
        let (base, count) = (header.symbol_base.get(LE), header.bucket_count.get(LE));
        let filter = u64::from(header.bloom_count.get(LE)) * 8;
        let buckets = at.wrapping_add(16).wrapping_add(filter);
        let hashes = buckets.wrapping_add(u64::from(count) * 4);
        let first = self.half(buckets, hash.checked_rem(count)?)?;
        for index in first..first.saturating_add(MAX_CHAIN) {
            let of_symbol = self.half(hashes, index.checked_sub(base)?)?;
            if (of_symbol | 1) == (hash | 1)
                && let Some(symbol) = self.exported(index, name)
            {
                return Some(symbol);
            }
            if of_symbol & 1 != 0 {
                break;
            }
        }
        None
    }

    /// The table of `DT_HASH`: two counts, the buckets, and of each symbol the next one.
    fn by_hash(&self, at: u64, name: &str) -> Option<Sym64<LE>> {
        let buckets = at.wrapping_add(8);
        let count = self.half(at, 0)?;
        let chains = buckets.wrapping_add(u64::from(count) * 4);
        let first = elf::hash(name.as_bytes()).checked_rem(count)?;
        let mut index = self.half(buckets, first)?;
        for _ in 0..MAX_CHAIN {
            if index == 0 {
                break;
            }
            if let Some(symbol) = self.exported(index, name) {
                return Some(symbol);
            }
            index = self.half(chains, index)?;
        }
        None
    }

    fn half(&self, table: u64, index: u32) -> Option<u32> {
        let at = table.wrapping_add(u64::from(index) * 4);
        read(&self.memory, at).map(|half: U32<LE>| half.get(LE))
    }

    /// The symbol of this number, if it is defined here under this name, in its default
    /// version.
    fn exported(&self, index: u32, name: &str) -> Option<Sym64<LE>> {
        let at = self.place(tag::SYMTAB)?.wrapping_add(u64::from(index) * 24);
        let symbol: Sym64<LE> = read(&self.memory, at)?;
        let is_defined = symbol.st_shndx.get(LE) != elf::SHN_UNDEF;
        let is_it = is_defined && self.is_default(index) && self.has_name(&symbol, name);
        is_it.then_some(symbol)
    }

    fn has_name(&self, symbol: &Sym64<LE>, name: &str) -> bool {
        let strings = self.place(tag::STRTAB);
        let at = strings.map(|at| at.wrapping_add(symbol.st_name.get(LE).into()));
        let mut there = vec![0xff; name.len() + 1];
        let read = at.is_some_and(|at| self.memory.read(at, &mut there));
        read && there.strip_suffix(&[0]) == Some(name.as_bytes())
    }

    /// Not hidden behind another version of the same name (`.gnu.version`, bit 15).
    fn is_default(&self, index: u32) -> bool {
        let Some(versions) = self.place(tag::VERSYM) else {
            return true;
        };
        let at = versions.wrapping_add(u64::from(index) * 2);
        read(&self.memory, at).is_some_and(|version: U16<LE>| version.get(LE) & 0x8000 == 0)
    }

    /// The addresses of all slots for the imported function of this name.
    pub(crate) fn slots(&self, name: &str) -> Vec<u64> {
        self.find_slots(name).unwrap_or_default()
    }

    fn find_slots(&self, name: &str) -> Option<Vec<u64>> {
        let plt = self.relocations(tag::JMPREL, tag::PLTRELSZ);
        let other = self.relocations(tag::RELA, tag::RELASZ);
        let kinds = self.header.slot_kinds();
        let is_slot = |rela: &&Rela64<LE>| kinds.contains(&rela.r_type(LE, false));
        let slots: Vec<&Rela64<LE>> = plt.iter().chain(&other).filter(is_slot).collect();
        // All symbols and all names at once: one at a time takes a system call each.
        let last = slots.iter().map(|rela| rela.r_sym(LE, false)).max()?;
        let symbols = self.place(tag::SYMTAB)?;
        let symbols: Vec<Sym64<LE>> = table(&self.memory, symbols, u64::from(last) + 1)?;
        let strings = self.place(tag::STRTAB)?;
        let strings: Vec<u8> = table(&self.memory, strings, self.value(tag::STRSZ)?)?;
        let is_it = |rela: &&&Rela64<LE>| {
            let symbol = symbols.get(rela.r_sym(LE, false) as usize);
            let rest = symbol.and_then(|symbol| strings.get(symbol.st_name.get(LE) as usize..));
            let rest = rest.and_then(|rest| rest.strip_prefix(name.as_bytes()));
            rest.is_some_and(|rest| rest.first() == Some(&0))
        };
        let of_name = slots.iter().filter(is_it);
        Some(of_name.map(|rela| rela.r_offset.get(LE)).collect())
    }

    fn relocations(&self, at: i64, bytes: i64) -> Vec<Rela64<LE>> {
        let size = size_of::<Rela64<LE>>() as u64;
        let place = self.place(at).zip(self.value(bytes));
        let read = place.and_then(|(at, bytes)| table(&self.memory, at, bytes / size));
        read.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::tests::{Copy, this_program};

    #[test]
    fn broken_tables_are_an_answer() {
        let program = this_program();
        let header = Header::read(&Copy(program.clone())).unwrap();
        let (dynamic, _) = header.dynamic().unwrap();
        let data = header.segments().find(|segment| segment.contains(dynamic));
        let data = data.unwrap();
        let place = (dynamic - data.address + data.offset) as usize;
        for byte in (0..512).step_by(8) {
            for value in [0, 0xff] {
                let mut broken = program.clone();
                broken[place + byte] = value;
                // Of this program, places in the file and addresses are nearly the same.
                if let Some(elf) = Elf::read(Copy(broken), header.clone(), 0) {
                    let _ = (elf.symbol("main"), elf.slots("getpid"));
                }
            }
        }
    }
}
