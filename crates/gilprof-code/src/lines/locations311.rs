//! `co_linetable` from 3.11: `Objects/locations.md` (3.11 to 3.13), and
//! `get_line_delta` and `advance` (`Objects/codeobject.c`, 3.11 to 3.13).
//!
//! Entries of one or more bytes. Only the first byte of an entry has its
//! highest bit set; below are 4 bits of a code, and 3 of the number of code
//! units (of two bytes) less one. Lines are steps from the entry before;
//! columns are passed over.

use super::Run;

/// These units have no location.
const NO_LOCATION: u8 = 15;
/// Lines and columns, each a variable-length number.
const LONG: u8 = 14;
/// A line as a variable-length number, no columns.
const NO_COLUMNS: u8 = 13;
/// The step is the code less this one, to two lines.
const ONE_LINE: u8 = 10;

/// What the table says, from the begin of the bytecode on.
pub(super) fn runs(table: &[u8], first_line: u32) -> impl Iterator<Item = Run> {
    let mut line = i64::from(first_line);
    let mut rest = table;
    std::iter::from_fn(move || {
        let (&first, after) = rest.split_first()?;
        let code = first >> 3 & 15;
        line += line_step(code, after);
        rest = next_entry(after);
        Some(Run {
            bytes: Some(2 * (u64::from(first & 7) + 1)),
            line: (code != NO_LOCATION).then_some(line),
        })
    })
}

fn line_step(code: u8, after: &[u8]) -> i64 {
    match code {
        NO_LOCATION => 0,
        LONG | NO_COLUMNS => signed(after),
        ONE_LINE..NO_COLUMNS => i64::from(code - ONE_LINE),
        _ => 0,
    }
}

/// What follows the bytes that are not the first of an entry.
fn next_entry(after: &[u8]) -> &[u8] {
    let length = after.iter().take_while(|&&byte| byte & 0x80 == 0).count();
    &after[length..]
}

/// A number whose lowest bit is its sign.
fn signed(bytes: &[u8]) -> i64 {
    let value = unsigned(bytes);
    let magnitude = i64::from(value >> 1);
    if value & 1 == 1 {
        -magnitude
    } else {
        magnitude
    }
}

/// Six bits a byte, the lowest first; a further one follows where bit 6 is
/// set. CPython's are of 32 bits: what would go beyond them is not a number
/// that it writes, and is cut off.
fn unsigned(bytes: &[u8]) -> u32 {
    let mut value = 0;
    for (&byte, shift) in bytes.iter().zip((0..32).step_by(6)) {
        value |= u32::from(byte & 0x3f) << shift;
        if byte & 0x40 == 0 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::line_in;

    fn line_at(table: &[u8], first_line: u32, offset: u32) -> Option<i64> {
        line_in(runs(table, first_line), offset)
    }

    fn entry(code: u8, units: u8) -> u8 {
        0x80 | code << 3 | (units - 1)
    }

    #[test]
    fn each_kind_of_entry_steps_as_written() {
        let table = [
            // Short: the same line, columns in two bytes in all.
            &[entry(3, 1), 0x25][..],
            // One line, then two lines on; two columns each.
            &[entry(11, 2), 4, 9],
            &[entry(12, 1), 4, 9],
            // Without columns: ten lines back.
            &[entry(13, 1), 10 << 1 | 1],
            // Nowhere.
            &[entry(15, 8)],
            // Long: 100 lines on, which takes two bytes; end line and columns.
            &[entry(14, 1), (200 & 0x3f) | 0x40, (200 >> 6) as u8, 0, 5, 6],
        ]
        .concat();
        let line = |offset| line_at(&table, 50, offset);
        assert_eq!([0, 2, 4].map(line), [Some(50), Some(51), Some(51)]);
        assert_eq!([6, 8].map(line), [Some(53), Some(43)]);
        assert_eq!([10, 24].map(line), [None, None]);
        assert_eq!([26, 28].map(line), [Some(143), None]);
    }

    #[test]
    fn a_number_has_six_bits_a_byte() {
        assert_eq!(unsigned(&[0x3f]), 63);
        assert_eq!(unsigned(&[0x40, 0x01]), 64);
        assert_eq!(unsigned(&[0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x03]), u32::MAX);
        assert_eq!(unsigned(&[]), 0);
        assert_eq!(signed(&[3]), -1);
        assert_eq!(signed(&[2]), 1);
    }

    #[test]
    fn a_table_that_is_cut_off_ends() {
        assert_eq!(line_at(&[entry(14, 1)], 5, 0), Some(5));
        assert_eq!(line_at(&[entry(14, 1), 0x7f], 5, 100), None);
        assert_eq!(line_at(&[0x00, 0x01], 5, 100), None);
    }
}
