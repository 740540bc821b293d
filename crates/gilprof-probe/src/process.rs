//! This process's own memory, read in a way that cannot fault.

/// Up to `count` words from an address on: as many as can be read.
pub(crate) fn words(address: usize, count: usize) -> Vec<usize> {
    if address == 0 || !address.is_multiple_of(align_of::<usize>()) {
        return Vec::new();
    }
    let mut words = vec![0_usize; count];
    let local = libc::iovec {
        iov_base: words.as_mut_ptr().cast(),
        iov_len: size_of_val(words.as_slice()),
    };
    let remote = libc::iovec {
        iov_base: address as *mut _,
        iov_len: size_of_val(words.as_slice()),
    };
    // SAFETY: the local part is `words`; the kernel checks the other one.
    let read =
        unsafe { libc::process_vm_readv(std::process::id() as i32, &local, 1, &remote, 1, 0) };
    words.truncate(usize::try_from(read).unwrap_or(0) / size_of::<usize>());
    words
}
