//! The module that holds the GIL's code, and its relocation slots.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::Range;

/// The dynamic entries that lead to relocations (ELF gABI, "Dynamic Section").
mod tag {
    pub(super) const PLTRELSZ: i64 = 2;
    pub(super) const STRTAB: i64 = 5;
    pub(super) const SYMTAB: i64 = 6;
    pub(super) const RELA: i64 = 7;
    pub(super) const RELASZ: i64 = 8;
    pub(super) const JMPREL: i64 = 23;
}

#[cfg(target_arch = "x86_64")]
const SLOT_KINDS: [u32; 2] = [6, 7]; // R_X86_64_GLOB_DAT, R_X86_64_JUMP_SLOT
#[cfg(target_arch = "aarch64")]
const SLOT_KINDS: [u32; 2] = [1025, 1026]; // R_AARCH64_GLOB_DAT, _JUMP_SLOT
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const SLOT_KINDS: [u32; 2] = [0, 0];

/// Elf64_Dyn (ELF gABI).
#[repr(C)]
#[derive(Clone, Copy)]
struct Dyn {
    tag: i64,
    value: u64,
}

/// A module that the loader has mapped.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    base: usize,
    dynamic: usize,
    segments: Vec<Range<usize>>,
    path: String,
}

/// A relocation slot: the place that calls of one imported function go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) address: usize,
}

impl Module {
    /// The module with a loaded segment around `address`.
    pub(crate) fn around(address: usize) -> Option<Self> {
        all().into_iter().find(|module| module.contains(address))
    }

    pub(crate) fn contains(&self, address: usize) -> bool {
        self.segments.iter().any(|range| range.contains(&address))
    }

    /// The file, as the loader names it.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// All slots of this module for the function with this name.
    pub(crate) fn slots(&self, name: &CStr) -> Vec<Slot> {
        let dynamic = Dynamic::of(self);
        let (plt, other) = (dynamic.plt(), dynamic.other());
        plt.iter()
            .chain(other)
            .filter(|rela| SLOT_KINDS.contains(&(rela.r_info as u32)))
            .filter(|rela| dynamic.name(rela) == Some(name))
            .map(|rela| Slot {
                address: self.base.wrapping_add(rela.r_offset as usize),
            })
            .collect()
    }
}

/// Every module that is loaded now.
fn all() -> Vec<Module> {
    let mut modules: Vec<Module> = Vec::new();
    // SAFETY: `collect` matches the callback's type and only uses `data`, a
    // vector that outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut modules).cast()) };
    modules
}

unsafe extern "C" fn collect(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut c_void,
) -> c_int {
    // SAFETY: the loader passes a valid record for the length of the call.
    let info = unsafe { &*info };
    // SAFETY: `data` is the vector that `all` passed.
    let modules = unsafe { &mut *data.cast::<Vec<Module>>() };
    // SAFETY: the record says where the program headers are and how many.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let base = info.dlpi_addr as usize;
    let at = |header: &libc::Elf64_Phdr| base.wrapping_add(header.p_vaddr as usize);
    let dynamic = headers
        .iter()
        .find(|header| header.p_type == libc::PT_DYNAMIC);
    modules.push(Module {
        base,
        dynamic: dynamic.map_or(0, at),
        segments: headers
            .iter()
            .filter(|header| header.p_type == libc::PT_LOAD)
            .map(|header| at(header)..at(header) + header.p_memsz as usize)
            .collect(),
        path: module_path(info.dlpi_name),
    });
    0
}

fn module_path(name: *const c_char) -> String {
    if name.is_null() {
        return String::from("the program");
    }
    // SAFETY: the loader's names are C strings that live as long as the module.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    match name.is_empty() {
        true => String::from("the program"),
        false => name.into_owned(),
    }
}

/// The tables that a module's dynamic section leads to; zero where absent.
struct Dynamic<'m> {
    module: &'m Module,
    symbols: usize,
    strings: usize,
    plt: (usize, usize),
    other: (usize, usize),
}

impl<'m> Dynamic<'m> {
    fn of(module: &'m Module) -> Self {
        let value = |tag| entry(module.dynamic, tag).unwrap_or(0) as usize;
        let at = |tag| relocated(module, value(tag));
        Dynamic {
            module,
            symbols: at(tag::SYMTAB),
            strings: at(tag::STRTAB),
            plt: (at(tag::JMPREL), value(tag::PLTRELSZ)),
            other: (at(tag::RELA), value(tag::RELASZ)),
        }
    }

    fn plt(&self) -> &'m [libc::Elf64_Rela] {
        self.table(self.plt)
    }

    fn other(&self) -> &'m [libc::Elf64_Rela] {
        self.table(self.other)
    }

    fn table(&self, (start, bytes): (usize, usize)) -> &'m [libc::Elf64_Rela] {
        let count = bytes / size_of::<libc::Elf64_Rela>();
        let inside = count > 0 && self.module.contains(start);
        if !inside || !self.module.contains(start + bytes - 1) {
            return &[];
        }
        // SAFETY: the dynamic section says that a table of `bytes` bytes
        // starts here; both ends are inside of a loaded segment.
        unsafe { std::slice::from_raw_parts(start as *const libc::Elf64_Rela, count) }
    }

    fn name(&self, rela: &libc::Elf64_Rela) -> Option<&'m CStr> {
        let index = (rela.r_info >> 32) as usize;
        let symbol = self.symbols + index * size_of::<libc::Elf64_Sym>();
        if index == 0 || !self.module.contains(symbol) {
            return None;
        }
        // SAFETY: the relocation names a symbol of this module's own table,
        // and its place is inside of a loaded segment.
        let symbol = unsafe { &*(symbol as *const libc::Elf64_Sym) };
        let name = self.strings + symbol.st_name as usize;
        if !self.module.contains(name) {
            return None;
        }
        // SAFETY: the string table ends in a zero byte (ELF gABI) and the
        // name starts inside of a loaded segment.
        Some(unsafe { CStr::from_ptr(name as *const c_char) })
    }
}

/// The value of the first dynamic entry with this tag.
fn entry(dynamic: usize, wanted: i64) -> Option<u64> {
    if dynamic == 0 {
        return None;
    }
    let mut place = dynamic as *const Dyn;
    loop {
        // SAFETY: the loop is inside of the dynamic section, which ends in an
        // entry with tag zero.
        let Dyn { tag, value } = unsafe { place.read() };
        match tag {
            0 => return None,
            tag if tag == wanted => return Some(value),
            _ => place = place.wrapping_add(1),
        }
    }
}

/// glibc writes addresses into the dynamic section, musl leaves offsets.
fn relocated(module: &Module, value: usize) -> usize {
    match module.contains(value) || value == 0 {
        true => value,
        false => module.base.wrapping_add(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_around_a_function_contains_it() {
        let here = the_module_around_a_function_contains_it as *const () as usize;
        let module = Module::around(here).unwrap();
        assert!(module.contains(here));
        assert!(!module.contains(0));
    }

    #[test]
    fn a_function_that_is_not_imported_has_no_slot() {
        let module = Module::around(symbol_of_libc()).unwrap();
        assert_eq!(module.slots(c"no_such_function"), []);
    }

    fn symbol_of_libc() -> usize {
        libc::getpid as *const () as usize
    }
}
