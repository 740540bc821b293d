//! `co_linetable` of 3.10: `Objects/lnotab_notes.txt`, and `advance` and
//! `_PyCode_CheckLineNumber` (`Objects/codeobject.c`, 3.10).
//!
//! Pairs of an unsigned size in bytes and a signed step in lines: the line
//! after the step is that of these bytes. A step of -128 says that they have
//! none, and is no step.

use super::Run;

const NO_LINE: i8 = -128;

/// What the table says, from the begin of the bytecode on.
pub(super) fn runs(table: &[u8], first_line: u32) -> impl Iterator<Item = Run> {
    let (pairs, _) = table.as_chunks();
    let mut line = i64::from(first_line);
    pairs.iter().map(move |&[bytes, lines]| {
        let step = lines as i8;
        if step != NO_LINE {
            line += i64::from(step);
        }
        Run {
            bytes: Some(bytes.into()),
            line: (step != NO_LINE).then_some(line),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::line_in;

    fn line_at(table: &[u8], first_line: u32, offset: u32) -> Option<i64> {
        line_in(runs(table, first_line), offset)
    }

    #[test]
    fn long_steps_are_several_pairs() {
        // 6 bytes of line 1, 300 of line 7, 12 of line 207.
        let table = [6, 0, 254, 6, 46, 0, 0, 127, 12, 73];
        let rows = [(0, 1), (5, 1), (6, 7), (305, 7), (306, 207), (317, 207)];
        for (offset, line) in rows {
            assert_eq!(line_at(&table, 1, offset), Some(line), "{offset}");
        }
    }

    #[test]
    fn bytes_without_a_line_do_not_change_the_count() {
        let table = [2, 3, 4, 0x80, 2, 1];
        let lines = [0, 2, 4, 6].map(|offset| line_at(&table, 10, offset));
        assert_eq!(lines, [Some(13), None, None, Some(14)]);
    }

    #[test]
    fn behind_the_end_there_is_no_line() {
        assert_eq!(line_at(&[2, 0], 1, 2), None);
        assert_eq!(line_at(&[], 1, 0), None);
    }
}
