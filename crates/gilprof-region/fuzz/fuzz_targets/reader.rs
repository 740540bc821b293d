//! Whatever the bytes of a region are, reading it ends, with an error or with
//! numbers. Run: `cargo fuzz run --sanitizer none reader`, in crates/gilprof-region.
#![no_main]

use gilprof_region::{Region, Sizes};
use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/reader.rs"]
mod reader;

/// A small empty region whose bytes the input replaces here and there.
fn template() -> Vec<u8> {
    use std::os::fd::AsRawFd;
    let sizes = Sizes::new(2, 1 << 10).expect("small sizes are allowed");
    let (_region, file) = Region::shared(sizes).expect("a region can be made");
    std::fs::read(format!("/proc/self/fd/{}", file.as_raw_fd())).expect("it can be read")
}

thread_local! {
    static TEMPLATE: Vec<u8> = template();
}

fuzz_target!(|input: &[u8]| {
    // The input itself, as a file that claims to be a region.
    if let Ok(region) = Region::from_bytes(input) {
        reader::read_all(&region);
    }
    // Twelve bytes each: where, and what.
    let mut bytes = TEMPLATE.with(Clone::clone);
    for patch in input.chunks_exact(12) {
        let place = u32::from_le_bytes([patch[0], patch[1], patch[2], patch[3]]) as usize;
        let place = place % (bytes.len() - 8) & !7;
        bytes[place..place + 8].copy_from_slice(&patch[4..]);
    }
    if let Ok(region) = Region::from_bytes(&bytes) {
        reader::read_all(&region);
    }
});
