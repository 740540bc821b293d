//! The memory of a running process, this one included.

use crate::memory::Memory;

/// The memory of a running process, this one included.
///
/// It is read by `process_vm_readv`: an address with nothing behind it is an
/// answer, not a fault, and the process is not stopped. Another process can be
/// read by those who may trace it (ptrace(2), "access mode checking").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessMemory {
    pid: libc::pid_t,
}

impl ProcessMemory {
    /// The memory of the process `pid`. Whether it can be read is seen at the
    /// first read.
    pub fn of(pid: u32) -> Self {
        // What is no process id becomes one that no process has.
        ProcessMemory {
            pid: libc::pid_t::try_from(pid).unwrap_or(libc::pid_t::MAX),
        }
    }

    /// The memory of this process; of the child, after a fork only if it is
    /// made there.
    pub fn own() -> Self {
        ProcessMemory::of(std::process::id())
    }

    /// Fills `into` as far as it can be read, and says how far: up to the first
    /// page that cannot. Allocates nothing.
    pub fn read_some(&self, address: u64, into: &mut [u8]) -> usize {
        let Ok(address) = usize::try_from(address) else {
            return 0;
        };
        let local = libc::iovec {
            iov_base: into.as_mut_ptr().cast(),
            iov_len: into.len(),
        };
        let remote = libc::iovec {
            iov_base: std::ptr::without_provenance_mut(address),
            iov_len: into.len(),
        };
        // SAFETY: `local` is all of `into`, which is writable for the time of
        // the call; the kernel checks whether `remote` can be read.
        let read = unsafe { libc::process_vm_readv(self.pid, &local, 1, &remote, 1, 0) };
        usize::try_from(read).unwrap_or(0)
    }
}

impl Memory for ProcessMemory {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        self.read_some(address, into) == into.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_memory_reads_back() {
        let text = *b"what is read is what is there";
        let mut into = [0; 29];
        assert!(ProcessMemory::own().read(text.as_ptr() as u64, &mut into));
        assert_eq!(into, text);
    }

    #[test]
    fn a_partial_read_is_none() {
        // SAFETY: the call has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        // SAFETY: a new mapping, at an address of the kernel's choice.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                2 * page,
                libc::PROT_READ,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        } as usize;
        let second = std::ptr::without_provenance_mut(start + page);
        // SAFETY: the second page of the mapping above, which nobody uses.
        assert_eq!(unsafe { libc::mprotect(second, page, libc::PROT_NONE) }, 0);
        let mut into = [0; 16];
        let memory = ProcessMemory::own();
        assert!(memory.read((start + page - 16) as u64, &mut into));
        assert!(!memory.read((start + page - 8) as u64, &mut into));
    }

    #[test]
    fn no_address_is_a_fault() {
        let mut into = [0; 8];
        for address in [0, 1, 8, 1 << 47, u64::MAX - 7, u64::MAX] {
            assert!(!ProcessMemory::own().read(address, &mut into), "{address}");
        }
    }

    #[test]
    fn a_process_that_is_not_there_reads_nothing() {
        let text = [0_u8; 8];
        let mut into = [0; 8];
        for pid in [u32::MAX, i32::MAX as u32] {
            assert!(!ProcessMemory::of(pid).read(text.as_ptr() as u64, &mut into));
        }
    }
}
