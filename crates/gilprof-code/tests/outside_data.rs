//! What is in another's memory is outside data: whatever it is, reading a code
//! object ends, with what is there or with the reason why not.
#![allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]

use gilprof_code::{Code, Memory, Unreadable};
use proptest::prelude::*;

#[path = "support/image.rs"]
mod image;
use image::{BASE, CODE, Image, layout};

fn read(image: &Image) -> Result<Code, Unreadable> {
    Code::read(image, &layout(), CODE)
}

#[test]
fn a_code_object_is_read_with_its_names_and_lines() {
    let code = read(&Image::new()).unwrap();
    assert_eq!((&*code.file, &*code.function), ("a.py", "größe"));
    assert_eq!(code.first_line, 40);
    let lines = [0, 2, 198, 200].map(|offset| code.line_at(offset));
    assert_eq!(lines, [41, 42, 140, 0]);
}

#[test]
fn wide_characters_are_read_and_what_is_none_is_replaced() {
    let mut image = Image::new();
    let units = [0x6570_u16, 0xdc80, 0x3048].map(u16::to_ne_bytes).concat();
    image.rename(0x28, 3, &units);
    assert_eq!(read(&image).unwrap().function, "数\u{fffd}え");
    let units = [0x20bb7_u32, 0x11_0000].map(u32::to_ne_bytes).concat();
    image.rename(0x30, 2, &units);
    assert_eq!(read(&image).unwrap().function, "𠮷\u{fffd}");
}

#[test]
fn a_string_that_is_not_compact_or_of_no_kind_is_foreign() {
    for state in [0x04, 0x20, 0x2c, 0x3c] {
        let mut image = Image::new();
        image.rename(state, 5, b"seven");
        let error = read(&image).unwrap_err();
        assert!(matches!(error, Unreadable::Foreign { .. }), "{error}");
    }
}

#[test]
fn sizes_beyond_the_limits_are_refused_and_not_read() {
    let mut image = Image::new();
    image.resize_table(u64::MAX);
    let error = read(&image).unwrap_err().to_string();
    let expected =
        "line table at 0x100400 has a size of 18446744073709551615, the limit is 1048576";
    assert_eq!(error, expected);
    let mut image = Image::new();
    image.rename(0x24, 4097, b"long");
    let error = read(&image).unwrap_err();
    assert!(matches!(error, Unreadable::TooLong { .. }), "{error}");
}

#[test]
fn what_is_not_a_code_object_is_foreign() {
    let error = Code::read(&Image::new(), &layout(), CODE + 8).unwrap_err();
    assert_eq!(error.to_string(), "no code object at 0x100008");
}

#[test]
fn an_address_with_nothing_behind_it_is_refused_by_name() {
    for address in [0, 8, BASE - 1, u64::MAX - 8, u64::MAX] {
        let error = Code::read(&Image::new(), &layout(), address).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot read code object at {address:#x}")
        );
    }
}

/// Memory that is everywhere, and says anything but the types.
struct Noise {
    seed: u64,
    image: Image,
}

impl Memory for Noise {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        if self.image.read(address, into) {
            return true;
        }
        for (index, byte) in into.iter_mut().enumerate() {
            let place = address.wrapping_add(index as u64) ^ self.seed;
            *byte = (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8;
        }
        true
    }
}

proptest! {
    #[test]
    fn changed_memory_is_read_or_refused(
        changes in prop::collection::vec((0_usize..0x500 / 8, any::<u64>(), 0_u8..64), 0..12),
        offset in any::<u32>(),
        seed in any::<u64>(),
    ) {
        let mut image = Image::new();
        for (place, value, shift) in changes {
            let bytes = (value >> shift).to_ne_bytes();
            image.0[place * 8..place * 8 + 8].copy_from_slice(&bytes);
        }
        let noise = Noise { seed, image };
        if let Ok(code) = Code::read(&noise, &layout(), CODE) {
            code.line_at(offset);
            code.line_at(offset % 1_000);
            prop_assert!(code.file.chars().count() <= 4_096);
        }
    }
}
