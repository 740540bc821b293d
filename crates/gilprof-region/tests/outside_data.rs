//! A region that another process wrote is outside data: whatever its bytes
//! are, opening and reading it ends, with an error or with numbers.
#![allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use gilprof_region::{Clock, Cut, Error, Region, Sizes, Writer};
use proptest::prelude::*;

#[path = "support/reader.rs"]
mod reader;
use reader::read_all;

const THREADS: u64 = 4;
const RING: u64 = 1 << 10;

fn sizes() -> Sizes {
    Sizes::new(THREADS, RING).unwrap()
}

/// A region with something in it, as bytes.
fn bytes() -> Vec<u8> {
    let (region, file) = Region::shared(sizes()).unwrap();
    let writer = Writer::new(&region, region.new_gil().unwrap()).unwrap();
    writer.cell().enter();
    writer.born(10);
    for thread in 0..6 {
        let Some(slot) = writer.admit(thread, 20) else {
            continue;
        };
        let now = 100 * u64::from(thread);
        writer.acquire(slot, now + 30);
        writer.release(now + 40);
        region.note_end(slot, now + 50, None);
    }
    writer.cell().leave();
    std::fs::read(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
}

fn open(bytes: &[u8]) -> Result<Region, Error> {
    Region::from_bytes(bytes)
}

#[test]
fn what_was_written_opens_and_reads_back() {
    let region = open(&bytes()).unwrap();
    let cut = Cut::take(&region, &Clock::monotonic(), Some(1_000));
    assert_eq!(cut.gils[0].acquisitions, 6);
    assert_eq!(cut.gils[0].holding_ns, 60);
    assert!(cut.consistent);
}

#[test]
fn a_cut_off_region_is_refused_at_every_length() {
    let bytes = bytes();
    for length in [0, 1, 4095, 4096, bytes.len() / 2, bytes.len() - 1] {
        let error = open(&bytes[..length]).unwrap_err().to_string();
        assert!(error.contains("size"), "{length}: {error}");
    }
}

#[test]
fn a_foreign_file_is_refused_by_its_magic() {
    let error = open(&vec![0x7f; sizes().bytes()]).unwrap_err().to_string();
    assert!(error.contains("magic"), "{error}");
}

#[test]
fn another_version_is_refused_by_its_number() {
    let mut bytes = bytes();
    bytes[8] = 77;
    let error = open(&bytes).unwrap_err().to_string();
    assert_eq!(error, "not a gilprof region: version is 77, expected 7");
}

#[test]
fn a_file_that_others_can_cut_off_is_not_mapped() {
    // SAFETY: the name is a C string; the result is checked.
    let fd = unsafe { libc::memfd_create(c"foreign".as_ptr(), libc::MFD_CLOEXEC) };
    assert!(fd >= 0);
    // SAFETY: the descriptor is new and owned by nobody else.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    assert!(matches!(Region::open(file.as_fd()), Err(Error::NotSealed)));
}

#[test]
fn a_shared_region_opens_in_place() {
    let (region, file) = Region::shared(sizes()).unwrap();
    let other = Region::open(file.as_fd()).unwrap();
    assert!(region.claim_for(42));
    assert_eq!(other.recording().pid, 42);
    assert!(!other.claim_for(43));
    assert_eq!(region.turned_away(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Random bytes in random places after the magic and the sizes.
    #[test]
    fn a_corrupt_region_gives_an_error_or_numbers_but_ends(
        changes in prop::collection::vec((0_usize..1 << 22, any::<u64>()), 1..200),
    ) {
        let mut bytes = bytes();
        for (place, value) in changes {
            // Half of the places are in the header and the first cells.
            let place = if place % 2 == 0 { place % 8_192 } else { place % bytes.len() } & !7;
            if place + 8 <= bytes.len() {
                bytes[place..place + 8].copy_from_slice(&value.to_le_bytes());
            }
        }
        if let Ok(region) = open(&bytes) {
            read_all(&region);
        }
    }

    /// All cells full of random words.
    #[test]
    fn cells_full_of_noise_give_numbers_but_end(seed in any::<u64>()) {
        let mut bytes = bytes();
        let mut word = seed | 1;
        for chunk in bytes[4096..].chunks_exact_mut(8) {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            chunk.copy_from_slice(&(word ^ (word >> 33)).to_le_bytes());
        }
        read_all(&open(&bytes).unwrap());
    }
}
