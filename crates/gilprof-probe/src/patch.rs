//! Putting an address into a relocation slot, and taking it out again.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use crate::error::Error;
use crate::module::{Module, Slot};

/// A slot that was patched: what was in it, and what is in it now.
#[derive(Debug)]
struct Record {
    slot: AtomicUsize,
    original: AtomicUsize,
    hook: AtomicUsize,
}

/// Every slot that this process has patched. Static, so that the child of a
/// fork at any moment still knows them. A slot of zero is a free record.
static RECORDS: [Record; 16] = [const {
    Record {
        slot: AtomicUsize::new(0),
        original: AtomicUsize::new(0),
        hook: AtomicUsize::new(0),
    }
}; 16];

fn cell(slot: usize) -> &'static AtomicUsize {
    // SAFETY: slots come from a loaded module's own relocation table, which
    // the loader itself writes through; they are aligned words, and modules
    // that hold an interpreter are never unloaded.
    unsafe { &*(slot as *const AtomicUsize) }
}

impl Record {
    /// Writes `value` into the slot, lifting the protection of its page for
    /// as long as that takes.
    fn write(&self, value: usize) -> Result<(), Error> {
        let slot = self.slot.load(SeqCst);
        let page = Page::around(slot).map_err(Error::os("read the protection of a slot"))?;
        page.writable(|| cell(slot).store(value, SeqCst))
            .map_err(Error::os("change the protection of a slot"))
    }
}

/// Puts `hook` into `slot`. `real` is the function that calls through the slot
/// reach now, directly or through the module's own resolver.
pub(crate) fn install(module: &Module, slot: Slot, real: usize, hook: usize) -> Result<(), Error> {
    let address = slot.address;
    if !address.is_multiple_of(align_of::<usize>()) || !module.contains(address) {
        let why = format!("a relocation slot of {} lies outside of it", module.path());
        return Err(Error::unsupported(why));
    }
    let found = cell(address).load(SeqCst);
    if found == hook {
        return Ok(());
    }
    if found != real && !module.contains(found) {
        return Err(Error::unsupported(format!(
            "{} has redirected the condition variables of {} already; two profilers of \
             this kind cannot share a process: stop the other one first",
            owner(found),
            module.path()
        )));
    }
    let Some(record) = RECORDS.iter().find(|record| record.slot.load(SeqCst) == 0) else {
        return Err(Error::unsupported("too many relocation slots"));
    };
    record.original.store(found, SeqCst);
    record.hook.store(hook, SeqCst);
    record.slot.store(address, SeqCst);
    record.write(hook)
}

fn owner(address: usize) -> String {
    Module::around(address).map_or_else(|| String::from("unknown code"), |m| m.path().to_owned())
}

/// Puts hooks back that the dynamic linker has overwritten: a call that was
/// being resolved at the moment of patching ends with the real address.
pub(crate) fn verify() -> Result<(), Error> {
    for record in active() {
        let slot = record.slot.load(SeqCst);
        let found = cell(slot).load(SeqCst);
        if found == record.hook.load(SeqCst) {
            continue;
        }
        if Module::around(slot).is_some_and(|module| !module.contains(found)) {
            // Now resolved: that is what belongs there after the recording.
            record.original.store(found, SeqCst);
        }
        record.write(record.hook.load(SeqCst))?;
    }
    Ok(())
}

/// Puts back what was in each slot. A slot that somebody else has patched
/// since is left alone: our hook stays behind theirs and passes calls on.
pub(crate) fn restore() -> Result<(), Error> {
    for record in active() {
        if cell(record.slot.load(SeqCst)).load(SeqCst) == record.hook.load(SeqCst) {
            record.write(record.original.load(SeqCst))?;
        }
        record.slot.store(0, SeqCst);
    }
    Ok(())
}

fn active() -> impl Iterator<Item = &'static Record> {
    RECORDS
        .iter()
        .filter(|record| record.slot.load(SeqCst) != 0)
}

/// The page of a slot, and what may be done with it.
struct Page {
    start: usize,
    protection: i32,
}

impl Page {
    fn around(address: usize) -> io::Result<Self> {
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        let protection = maps
            .lines()
            .find_map(|line| protection_at(line, address))
            .ok_or(io::ErrorKind::NotFound)?;
        // SAFETY: asks for a constant of the system.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        Ok(Page {
            start: address & !(size - 1),
            protection,
        })
    }

    fn writable(&self, work: impl FnOnce()) -> io::Result<()> {
        if self.protection & libc::PROT_WRITE != 0 {
            work();
            return Ok(());
        }
        self.protect(self.protection | libc::PROT_WRITE)?;
        work();
        self.protect(self.protection)
    }

    fn protect(&self, protection: i32) -> io::Result<()> {
        // SAFETY: the page is mapped and keeps at least the rights it had.
        let result = unsafe { libc::mprotect(self.start as *mut _, 1, protection) };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// The protection in a line of /proc/self/maps, if it is about `address`.
fn protection_at(line: &str, address: usize) -> Option<i32> {
    let (range, rest) = line.split_once(' ')?;
    let (low, high) = range.split_once('-')?;
    let low = usize::from_str_radix(low, 16).ok()?;
    let high = usize::from_str_radix(high, 16).ok()?;
    if !(low..high).contains(&address) {
        return None;
    }
    let rights = [
        ('r', libc::PROT_READ),
        ('w', libc::PROT_WRITE),
        ('x', libc::PROT_EXEC),
    ];
    let flags = rest.chars().take(3);
    Some(
        flags
            .filter_map(|flag| rights.iter().find(|(name, _)| *name == flag))
            .fold(0, |all, (_, bit)| all | bit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_gives_the_rights_of_its_addresses_only() {
        let line = "7f00-8000 r-xp 00000000 08:01 42 /usr/lib/libc.so.6";
        let expected = Some(libc::PROT_READ | libc::PROT_EXEC);
        assert_eq!(protection_at(line, 0x7f80), expected);
        assert_eq!(protection_at(line, 0x8000), None);
        assert_eq!(protection_at("junk", 0x7f80), None);
    }

    #[test]
    fn a_read_only_page_is_as_it_was_after_a_write() {
        static WORD: AtomicUsize = AtomicUsize::new(0);
        let page = Page::around(&raw const WORD as usize).unwrap();
        page.writable(|| WORD.store(7, SeqCst)).unwrap();
        let after = Page::around(&raw const WORD as usize).unwrap();
        assert_eq!((page.protection, WORD.load(SeqCst)), (after.protection, 7));
    }
}
