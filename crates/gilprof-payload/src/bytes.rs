//! Copying and filling bytes, which compilers make calls of. In libc these are chosen when
//! a program is loaded, which does not happen to the payload.

use core::arch::asm;
use core::ffi::{c_int, c_void};

/// Copies `size` bytes that do not overlap.
///
/// # Safety
/// As of C's memcpy.
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut c_void, from: *const c_void, size: usize) -> *mut c_void {
    // SAFETY: the caller's promise; the direction flag is clear (System V ABI, 3.2.1).
    unsafe {
        asm!(
            "rep movsb",
            inout("rdi") to => _, inout("rsi") from => _, inout("rcx") size => _,
            options(nostack, preserves_flags),
        );
    }
    to
}

/// Fills `size` bytes.
///
/// # Safety
/// As of C's memset.
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(place: *mut c_void, byte: c_int, size: usize) -> *mut c_void {
    // SAFETY: as above.
    unsafe {
        asm!(
            "rep stosb",
            inout("rdi") place => _, in("al") byte as u8, inout("rcx") size => _,
            options(nostack, preserves_flags),
        );
    }
    place
}
