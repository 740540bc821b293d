//! The pages a region lies in.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;

/// A mapping of whole pages, zeroed when new; unmapped when dropped.
#[derive(Debug)]
pub(crate) struct Memory {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping is plain memory that is not tied to a thread; all access
// to its contents goes through atomics.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

fn map(len: usize, access: i32, flags: i32, fd: i32) -> io::Result<Memory> {
    let start = place(std::ptr::null_mut(), len, access, flags, fd);
    let start = start.ok_or_else(io::Error::last_os_error)?;
    Ok(Memory { start, len })
}

/// Where the kernel has mapped it; `None` where it refuses.
// Must not allocate.
fn place(at: *mut u8, len: usize, access: i32, flags: i32, fd: i32) -> Option<NonNull<u8>> {
    // SAFETY: either `at` is null and the kernel chooses free addresses, or
    // the caller owns the mapping there and replaces it (`replace_private`).
    let start = unsafe { libc::mmap(at.cast(), len, access, flags, fd, 0) };
    NonNull::new(start.cast()).filter(|_| start != libc::MAP_FAILED)
}

const WRITABLE: i32 = libc::PROT_READ | libc::PROT_WRITE;
const PRIVATE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

impl Memory {
    /// Zeroed memory of this process alone.
    pub(crate) fn private(len: usize) -> io::Result<Self> {
        map(len, WRITABLE, PRIVATE, -1)
    }

    /// What is mapped at an address already.
    ///
    /// # Safety
    /// `len` bytes are mapped there and can be written; dropping this unmaps them.
    pub(crate) unsafe fn mapped_at(start: NonNull<u8>, len: usize) -> Self {
        Memory { start, len }
    }

    /// The whole of a shared file.
    pub(crate) fn shared(fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        map(len, WRITABLE, libc::MAP_SHARED, fd.as_raw_fd())
    }

    /// The same, without the right to write to it.
    pub(crate) fn shared_to_look_at(fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        map(len, libc::PROT_READ, libc::MAP_SHARED, fd.as_raw_fd())
    }

    /// Puts fresh private memory in the place of what is mapped here, as the
    /// child of a fork needs it: async-signal-safe.
    // Must not allocate.
    pub(crate) fn replace_private(&self) -> bool {
        let flags = PRIVATE | libc::MAP_FIXED;
        place(self.start.as_ptr(), self.len, WRITABLE, flags, -1).is_some()
    }

    /// Gives the pages back, those of the file where there is one: they read as zero again.
    pub(crate) fn clear(&self) -> io::Result<()> {
        // What the child of a fork has in its place is in no file.
        self.advise(libc::MADV_REMOVE)
            .or_else(|_| self.advise(libc::MADV_DONTNEED))
    }

    fn advise(&self, advice: i32) -> io::Result<()> {
        // SAFETY: the range is exactly this mapping, whose pages are given up.
        match unsafe { libc::madvise(self.start.as_ptr().cast(), self.len, advice) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the range is exactly this mapping, and no reference into it
        // outlives `self`.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// A file in memory that only descriptors lead to: nothing is left behind
/// however its users end. It can never shrink, so a mapping of it never faults.
pub(crate) fn anonymous_file(len: usize) -> io::Result<OwnedFd> {
    // SAFETY: the name is a C string; the call has no other preconditions.
    let fd = unsafe {
        libc::memfd_create(
            c"gilprof".as_ptr(),
            libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING,
        )
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and is owned by nobody else.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    seal(file.as_fd(), len)?;
    Ok(file)
}

/// Another descriptor of the file, with a number that a program which counts on its own
/// numbers, as 0 to 2, does not come by.
pub(crate) fn out_of_the_way(file: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    const FROM: i32 = 100;
    // SAFETY: the descriptor is open; F_DUPFD_CLOEXEC takes an integer.
    let fd = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, FROM) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and is owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives a file in memory its size for good.
pub(crate) fn seal(file: BorrowedFd<'_>, len: usize) -> io::Result<()> {
    set_len(file, len)?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: the descriptor is open; F_ADD_SEALS takes an integer.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set_len(fd: BorrowedFd<'_>, len: usize) -> io::Result<()> {
    let len = libc::off_t::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is open for the length of the borrow.
    match unsafe { libc::ftruncate(fd.as_raw_fd(), len) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Whether the file is sealed against shrinking: only such a file is mapped,
/// since another process could otherwise cut it off under our feet.
pub(crate) fn cannot_shrink(fd: BorrowedFd<'_>) -> bool {
    // SAFETY: the descriptor is open; F_GET_SEALS takes no argument.
    let seals = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GET_SEALS) };
    seals >= 0 && seals & libc::F_SEAL_SHRINK != 0
}
