//! The payload: the hooks as one piece of memory, as this crate carries it with it.

use object::read::elf::{ElfFile64, ProgramHeader};
use object::{LittleEndian as LE, Object, ObjectSymbol, ObjectSymbolTable, RelocationTarget};
use object::{RelocationFlags, elf};

use gilprof_region::EXPORTS_WORDS;

use crate::error::Error;

/// An ELF module that needs no other; empty where this crate cannot attach.
static FILE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/payload.so"));

const PAGE: u64 = 4096;
/// The name of the table that says where its parts are.
const EXPORTS: &str = "GILPROF_PAYLOAD";

/// The payload, not yet at any address.
#[derive(Debug)]
pub(crate) struct Payload {
    file: ElfFile64<'static, LE>,
}

/// The payload for one address in one process.
#[derive(Debug)]
pub(crate) struct Linked {
    /// All of it, from its beginning on.
    pub(crate) image: Vec<u8>,
    /// Where its parts are in that process.
    pub(crate) exports: [u64; EXPORTS_WORDS],
}

impl Payload {
    /// The one that this crate was built with.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is none for this system.
    pub(crate) fn embedded() -> Result<Self, Error> {
        if FILE.is_empty() {
            return Err(Error::refused(
                "attaching is supported from programs built for x86-64 Linux with glibc only; \
                 start the program with `gilprof run` instead",
            ));
        }
        let file = ElfFile64::parse(FILE).map_err(broken)?;
        Ok(Payload { file })
    }

    /// A number that tells builds apart (FNV-1a of the file).
    pub(crate) fn build(&self) -> u64 {
        FILE.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
        })
    }
}

fn broken(error: object::Error) -> Error {
    Error::refused(format!("the payload of this build is broken: {error}"))
}

impl Payload {
    fn segments(&self) -> impl Iterator<Item = &elf::ProgramHeader64<LE>> {
        let all = self.file.elf_program_headers().iter();
        all.filter(|header| header.p_type(LE) == elf::PT_LOAD)
    }

    /// How many bytes it takes in memory: whole pages.
    pub(crate) fn size(&self) -> u64 {
        let end = |header: &elf::ProgramHeader64<LE>| header.p_vaddr(LE) + header.p_memsz(LE);
        let end = self.segments().map(end).max().unwrap_or(0);
        end.next_multiple_of(PAGE)
    }

    /// From which byte on it is written to: the beginning of a page. All before is code
    /// and constants.
    pub(crate) fn writable_from(&self) -> u64 {
        let writable = self
            .segments()
            .filter(|header| header.p_flags(LE).contains(elf::PF_W));
        let first = writable.map(|header| header.p_vaddr(LE)).min();
        first.map_or(self.size(), |first| first / PAGE * PAGE)
    }

    /// The functions that it needs of the process.
    #[cfg(test)]
    fn imports(&self) -> Vec<&str> {
        let symbols = self.file.dynamic_symbols();
        symbols
            .filter(|symbol| symbol.is_undefined())
            .filter_map(|symbol| symbol.name().ok())
            .filter(|name| !name.is_empty())
            .collect()
    }

    /// Makes it ready for an address. `resolve` finds the functions it needs.
    ///
    /// # Errors
    /// [`Error::Refused`] where one is not found, or the build is broken.
    pub(crate) fn link(
        &self,
        base: u64,
        resolve: impl Fn(&str) -> Result<u64, Error>,
    ) -> Result<Linked, Error> {
        let mut image = self.laid_out()?;
        for (place, relocation) in self.file.dynamic_relocations().into_iter().flatten() {
            let RelocationFlags::Elf { r_type } = relocation.flags() else {
                return Err(Error::refused("the payload of this build is no ELF module"));
            };
            let addend = relocation.addend() as u64;
            let value = match r_type {
                elf::R_X86_64_RELATIVE => base.wrapping_add(addend),
                elf::R_X86_64_64 | elf::R_X86_64_GLOB_DAT | elf::R_X86_64_JUMP_SLOT => {
                    let symbol = self.target(relocation.target(), base, &resolve)?;
                    symbol.wrapping_add(addend)
                }
                other => {
                    let why =
                        format!("the payload of this build has a relocation of type {other:?}");
                    return Err(Error::refused(why));
                }
            };
            let bytes = image
                .get_mut(place as usize..)
                .and_then(<[u8]>::first_chunk_mut);
            *bytes.ok_or_else(outside)? = value.to_le_bytes();
        }
        let exports = self.exports(&image)?;
        Ok(Linked { image, exports })
    }

    /// Its segments at their places.
    fn laid_out(&self) -> Result<Vec<u8>, Error> {
        let mut image = vec![0; self.size() as usize];
        for header in self.segments() {
            let data = header.data(LE, self.file.data()).map_err(|()| outside())?;
            let start = header.p_vaddr(LE) as usize;
            let place = image.get_mut(start..start + data.len());
            place.ok_or_else(outside)?.copy_from_slice(data);
        }
        Ok(image)
    }

    fn target(
        &self,
        target: RelocationTarget,
        base: u64,
        resolve: &impl Fn(&str) -> Result<u64, Error>,
    ) -> Result<u64, Error> {
        let RelocationTarget::Symbol(index) = target else {
            return Ok(0);
        };
        let symbols = self.file.dynamic_symbol_table().ok_or_else(outside)?;
        let symbol = symbols.symbol_by_index(index).map_err(broken)?;
        match symbol.is_undefined() {
            true => resolve(symbol.name().map_err(broken)?),
            false => Ok(base.wrapping_add(symbol.address())),
        }
    }

    fn exports(&self, image: &[u8]) -> Result<[u64; EXPORTS_WORDS], Error> {
        let mut symbols = self.file.dynamic_symbols();
        let table = symbols.find(|symbol| symbol.name() == Ok(EXPORTS));
        let start = table.ok_or_else(outside)?.address() as usize;
        let words = image.get(start..).ok_or_else(outside)?.as_chunks::<8>().0;
        let words = words.first_chunk::<EXPORTS_WORDS>().ok_or_else(outside)?;
        Ok(words.map(u64::from_le_bytes))
    }
}

fn outside() -> Error {
    Error::refused("the payload of this build is broken: something lies outside of it")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the hooks may call: all of it safe in a hook, and there in glibc and musl.
    const ALLOWED: [&str; 16] = [
        "__errno_location",
        "clock_gettime",
        "getpid",
        "getrusage",
        "mmap",
        "process_vm_readv",
        "pthread_cond_init",
        "pthread_cond_signal",
        "pthread_cond_timedwait",
        "pthread_cond_wait",
        "pthread_getspecific",
        "pthread_key_create",
        "pthread_key_delete",
        "pthread_self",
        "pthread_setspecific",
        "syscall",
    ];

    #[test]
    fn the_hooks_reach_no_other_function_of_the_process() {
        let payload = Payload::embedded().unwrap();
        let mut others = payload.imports();
        others.retain(|name| !ALLOWED.contains(name));
        assert_eq!(others, [""; 0], "a hook may not allocate, unwind or panic");
    }

    #[test]
    fn it_has_no_thread_local_storage_and_is_linked_for_any_address() {
        let payload = Payload::embedded().unwrap();
        let headers = payload.file.elf_program_headers();
        assert!(
            headers
                .iter()
                .all(|header| header.p_type(LE) != elf::PT_TLS)
        );
        let linked = payload.link(0x7000_0000_0000, |_| Ok(0x1234)).unwrap();
        let inside = 0x7000_0000_0000..0x7000_0000_0000 + payload.size();
        assert!(linked.exports.iter().all(|word| inside.contains(word)));
        let (hooks, data) = linked.exports.split_at(4);
        let writable = 0x7000_0000_0000 + payload.writable_from();
        assert!(hooks.iter().all(|&hook| hook < writable));
        assert!(data.iter().all(|&data| data >= writable));
    }
}
