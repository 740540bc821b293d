//! The modules of a process: its program and shared libraries, seen from outside.

use std::cell::OnceCell;
use std::io;
use std::ops::Range;

use gilprof_code::{Mapping, Memory};

use crate::elf::{Elf, Symbol};
use crate::image::Image;

/// The modules of a process: its program and the shared libraries that it has loaded, by
/// their addresses.
///
/// Their files are read, as the process sees them; where one was deleted or replaced since
/// it was loaded, or lies in a file system of its own, the process's memory is.
#[derive(Debug)]
pub struct Modules {
    modules: Vec<Module>,
}

impl Modules {
    /// Those of the process; none of a thread of the kernel's and of one that has ended.
    ///
    /// # Errors
    /// What the system says, where there is no such process or it may not be looked at.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self::from_mappings(pid, &Mapping::all(pid)?))
    }

    /// Those of the process that has all of this mapped.
    pub fn from_mappings(pid: u32, mappings: &[Mapping]) -> Self {
        let mut modules: Vec<Module> = Vec::new();
        for mapping in mappings.iter().filter(|mapping| mapping.is_of_file()) {
            match modules.last_mut() {
                Some(module) if mapping.offset != 0 && module.file() == mapping.file => {
                    module.mappings.push(mapping.clone());
                }
                _ if mapping.offset == 0 => modules.push(Module::new(pid, mapping.clone())),
                _ => (),
            }
        }
        modules.retain(Module::has_code);
        Modules { modules }
    }

    /// All, by their addresses.
    pub fn all(&self) -> &[Module] {
        &self.modules
    }

    /// The one around this address.
    pub fn around(&self, address: u64) -> Option<&Module> {
        let mut all = self.modules.iter();
        all.find(|module| module.range().contains(&address))
    }

    /// The first that exports this name, and what it is.
    pub fn exporting(&self, name: &str) -> Option<(&Module, Symbol)> {
        let mut all = self.modules.iter();
        all.find_map(|module| Some((module, module.symbol(name)?)))
    }
}

/// A file of which a process runs code.
#[derive(Debug)]
pub struct Module {
    pid: u32,
    /// At least one: that of the beginning of the file.
    mappings: Vec<Mapping>,
    elf: OnceCell<Option<(Elf<Image>, u64)>>,
}

/// A slot: the place that calls of one imported function go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Where it is in the process.
    pub address: u64,
    /// Whether the process may write there now; else the page was protected when all slots
    /// were filled.
    pub writable: bool,
}

impl Module {
    fn new(pid: u32, first: Mapping) -> Self {
        Module {
            pid,
            mappings: vec![first],
            elf: OnceCell::new(),
        }
    }

    fn has_code(&self) -> bool {
        self.mappings.iter().any(|mapping| mapping.executable)
    }

    fn elf(&self) -> Option<&(Elf<Image>, u64)> {
        let open = || Image::open(self.pid, &self.mappings[0]);
        self.elf.get_or_init(open).as_ref()
    }

    /// Whether it can be read: it is an ELF module of 64 bits, and its file or the memory
    /// of the process is accessible.
    pub fn is_readable(&self) -> bool {
        self.elf().is_some()
    }

    /// The file as the process names it, with ` (deleted)` behind it where it is no more.
    pub fn path(&self) -> &str {
        &self.mappings[0].path
    }

    /// Device, major and minor number, and inode of the file.
    pub fn file(&self) -> (u32, u32, u64) {
        self.mappings[0].file
    }

    /// From its beginning to the end of what is mapped of its file. The zeroed data at its
    /// end is beyond that.
    pub fn range(&self) -> Range<u64> {
        let last = &self.mappings[self.mappings.len() - 1];
        self.mappings[0].range.start..last.range.end
    }

    /// What to add to an address in the file for that in the process: 0 for a program that
    /// is linked to a fixed address. `None` where the module cannot be read.
    pub fn bias(&self) -> Option<u64> {
        self.elf().map(|(_, bias)| *bias)
    }

    /// Whether it is linked dynamically: a program that is wholly static exports nothing
    /// and has no slots. `None` where it cannot be read.
    pub fn is_dynamic(&self) -> Option<bool> {
        self.elf().map(|(elf, _)| elf.is_dynamic())
    }

    /// Where its variables are in the process, with those that are zero at first.
    pub fn writable(&self) -> Vec<Range<u64>> {
        let Some((elf, bias)) = self.elf() else {
            return Vec::new();
        };
        let writable = elf.header().segments().filter(|segment| segment.writable);
        let place = |address: u64| address.wrapping_add(*bias);
        writable
            .map(|segment| {
                place(segment.address)..place(segment.address.wrapping_add(segment.size))
            })
            .collect()
    }

    /// Fills `into` with what is at this address of the process, where that never changes:
    /// as the file says it, so that no right to the process's memory is needed. False, with
    /// any content, unless all of it is there.
    pub fn constant(&self, address: u64, into: &mut [u8]) -> bool {
        let elf = self.elf();
        elf.is_some_and(|(elf, bias)| elf.memory().read(address.wrapping_sub(*bias), into))
    }

    /// What it exports under this name, with the address in the process; of several
    /// versions the default one.
    pub fn symbol(&self, name: &str) -> Option<Symbol> {
        let (elf, bias) = self.elf()?;
        let symbol = elf.symbol(name)?;
        Some(Symbol {
            address: symbol.address.wrapping_add(*bias),
            ..symbol
        })
    }

    /// The slots for the imported function of this name: none, one or two.
    pub fn slots(&self, name: &str) -> Vec<Slot> {
        let Some((elf, bias)) = self.elf() else {
            return Vec::new();
        };
        let addresses = elf.slots(name).into_iter();
        let slot = |address| Slot {
            address,
            writable: self.is_writable(address),
        };
        addresses
            .map(|address| slot(address.wrapping_add(*bias)))
            .collect()
    }

    fn is_writable(&self, address: u64) -> bool {
        let mut mappings = self.mappings.iter();
        mappings.any(|mapping| mapping.writable && mapping.range.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::elf::SymbolKind;
    use gilprof_code::ProcessMemory;

    fn own() -> Modules {
        Modules::of(std::process::id()).unwrap()
    }

    /// Through the file, and through the memory of the process.
    fn twice(module: &Module) -> [(Elf<Image>, u64); 2] {
        let first = &module.mappings[0];
        let (file, memory) = (
            Image::open_file(module.pid, first),
            Image::open_memory(module.pid, first),
        );
        [file.unwrap(), memory.unwrap()]
    }

    #[test]
    fn a_symbol_is_where_the_loader_found_it() {
        let here = libc::pthread_cond_signal as *const () as usize as u64;
        let modules = own();
        let library = modules.around(here).unwrap();
        let (found, symbol) = modules.exporting("pthread_cond_signal").unwrap();
        assert_eq!(found.path(), library.path());
        assert_eq!((symbol.address, symbol.kind), (here, SymbolKind::Function));
    }

    #[test]
    fn file_and_memory_say_the_same() {
        let modules = own();
        for module in modules.all() {
            let [(file, bias), (memory, same)] = twice(module);
            assert_eq!(bias, same);
            for name in ["pthread_cond_signal", "environ", "memcpy", "getpid", "_end"] {
                assert_eq!(file.symbol(name), memory.symbol(name), "{name}");
                assert_eq!(file.slots(name), memory.slots(name), "{name}");
            }
        }
    }

    #[test]
    fn a_function_that_chooses_another_is_told_from_one() {
        let (_, memcpy) = own()
            .exporting("memcpy")
            .map(|(_, symbol)| ((), symbol))
            .unwrap();
        let expected = match cfg!(all(target_arch = "x86_64", target_env = "gnu")) {
            true => SymbolKind::Indirect,
            false => memcpy.kind,
        };
        assert_eq!(memcpy.kind, expected);
    }

    #[test]
    fn what_nobody_exports_is_not_found() {
        assert!(own().exporting("no_such_function").is_none());
        assert!(
            own()
                .all()
                .iter()
                .all(|module| module.slots("no_such_function").is_empty())
        );
    }

    #[test]
    fn a_slot_holds_the_address_of_its_function() {
        let modules = own();
        let here = a_slot_holds_the_address_of_its_function as fn() as usize as u64;
        let program = modules.around(here).unwrap();
        let slots = program.slots("pthread_create");
        let mut all = slots.iter();
        assert!(!slots.is_empty());
        let function = modules.exporting("pthread_create").unwrap().1.address;
        let holds = |slot: &Slot| ProcessMemory::own().word(slot.address) == Some(function);
        assert!(all.all(holds));
    }

    #[test]
    fn a_constant_reads_the_same_from_the_file() {
        static CONSTANT: [u8; 24] = *b"what never changes, here";
        let here = CONSTANT.as_ptr() as u64;
        let modules = own();
        let program = modules.around(here).unwrap();
        let mut into = [0; 24];
        assert!(program.constant(here, &mut into));
        assert_eq!(into, CONSTANT);
        assert!(!program.constant(1, &mut into));
    }

    #[test]
    fn variables_lie_where_the_process_may_write() {
        static VARIABLE: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(1);
        let here = VARIABLE.as_ptr() as u64;
        let modules = own();
        let all = modules.all().iter().flat_map(Module::writable);
        assert_eq!(all.filter(|range| range.contains(&here)).count(), 1);
    }

    #[test]
    fn of_a_process_that_is_not_there_nothing_is_told() {
        let error = Modules::of(u32::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
