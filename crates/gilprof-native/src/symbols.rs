//! The functions of a module, by their addresses.

use object::Endianness;
use object::ReadRef;
use object::elf::{SHN_UNDEF, STT_FUNC, STT_GNU_IFUNC};
use object::read::elf::{SectionHeader, Sym, SymbolTable};

use crate::module::Elf;

type Table<'d, R> = SymbolTable<'d, object::elf::FileHeader64<Endianness>, R>;

/// The functions of a module.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    /// By address.
    functions: Vec<Function>,
    /// All names, one after another.
    names: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Function {
    address: u64,
    size: u64,
    name: (u32, u32),
}

impl Symbols {
    /// Those of the full symbol table; where that was stripped off, of the dynamic one, which
    /// has a part of them.
    pub(crate) fn of<'d, R: ReadRef<'d>>(file: &Elf<'d, R>) -> Self {
        let full = Self::of_table(file, file.elf_symbol_table());
        let found = full.filter(|found| !found.functions.is_empty());
        found
            .or_else(|| Self::of_table(file, file.elf_dynamic_symbol_table()))
            .unwrap_or_default()
    }

    fn of_table<'d, R: ReadRef<'d>>(file: &Elf<'d, R>, table: &Table<'d, R>) -> Option<Self> {
        let mut found = Symbols::default();
        let endian = file.endian();
        // All names at once: one at a time takes ten times as long.
        let names = file.elf_section_table().section(table.string_section());
        let names = names.ok()?.data(endian, file.data()).ok()?;
        for symbol in table.symbols() {
            let is_function = matches!(symbol.st_type(), STT_FUNC | STT_GNU_IFUNC);
            let is_defined = symbol.st_size(endian) > 0 && symbol.st_shndx(endian) != SHN_UNDEF;
            let name = names.get(symbol.st_name(endian) as usize..);
            let name = name.and_then(|rest| rest.split(|&byte| byte == 0).next());
            if let Some(name) = name.filter(|_| is_function && is_defined) {
                found.push(symbol.st_value(endian), symbol.st_size(endian), name);
            }
        }
        found.settle();
        Some(found)
    }

    fn push(&mut self, address: u64, size: u64, name: &[u8]) {
        let (Ok(start), Ok(length)) = (self.names.len().try_into(), name.len().try_into()) else {
            return;
        };
        self.names.extend_from_slice(name);
        self.functions.push(Function {
            address,
            size,
            name: (start, length),
        });
    }

    /// Leaves one name at each address: the plainest, as `nanosleep` among
    /// `__nanosleep`.
    fn settle(&mut self) {
        let mut functions = std::mem::take(&mut self.functions);
        // In place: this memory is the program's.
        functions.sort_unstable_by(|one, other| {
            let by_name = || plainness(self.name(*one)).cmp(&plainness(self.name(*other)));
            one.address.cmp(&other.address).then_with(by_name)
        });
        functions.dedup_by_key(|function| function.address);
        functions.shrink_to_fit();
        self.functions = functions;
        self.names.shrink_to_fit();
    }

    fn name(&self, function: Function) -> &[u8] {
        let (start, length) = function.name;
        let name = self.names.get(start as usize..);
        name.and_then(|name| name.get(..length as usize))
            .unwrap_or_default()
    }

    /// The name of the function that this address lies in.
    pub(crate) fn find(&self, address: u64) -> Option<&[u8]> {
        let after = self
            .functions
            .partition_point(|function| function.address <= address);
        let function = *self.functions.get(after.checked_sub(1)?)?;
        let within = address - function.address < function.size;
        within.then(|| self.name(function))
    }
}

/// Sorts a function's plainest name first.
fn plainness(name: &[u8]) -> (usize, usize, &[u8]) {
    let underscores = name.iter().take_while(|&&byte| byte == b'_').count();
    (underscores, name.len(), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(all: &[(u64, u64, &str)]) -> Symbols {
        let mut symbols = Symbols::default();
        for (address, size, name) in all {
            symbols.push(*address, *size, name.as_bytes());
        }
        symbols.settle();
        symbols
    }

    #[test]
    fn a_name_counts_only_within_its_size() {
        let symbols = symbols(&[(0x20, 0x10, "b"), (0x10, 0x8, "a")]);
        let found = [0xf, 0x10, 0x17, 0x18, 0x20, 0x2f, 0x30].map(|at| symbols.find(at));
        let (a, b) = (Some(b"a".as_slice()), Some(b"b".as_slice()));
        assert_eq!(found, [None, a, a, None, b, b, None]);
    }

    #[test]
    fn of_several_names_the_plainest_is_given() {
        let names = ["__nanosleep", "nanosleep", "nanosleep_alias", "_nanosleep"];
        let all = names.map(|name| (0x10, 4, name));
        assert_eq!(symbols(&all).find(0x11), Some(b"nanosleep".as_slice()));
    }
}
