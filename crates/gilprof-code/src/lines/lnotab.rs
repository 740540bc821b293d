//! `co_lnotab`, to 3.9: `Objects/lnotab_notes.txt` and `PyCode_Addr2Line`
//! (`Objects/codeobject.c`, 3.9).
//!
//! Pairs of an unsigned step in bytes and a signed step in lines. An
//! instruction belongs to the last line whose steps do not lead beyond it.

use super::Run;

/// What the table says, from the begin of the bytecode on; the last line goes on to
/// the end.
pub(super) fn runs(table: &[u8], first_line: u32) -> impl Iterator<Item = Run> {
    let (pairs, _) = table.as_chunks();
    let mut line = i64::from(first_line);
    let mut pairs = pairs.iter();
    let mut is_over = false;
    std::iter::from_fn(move || {
        let here = Some(line);
        let bytes = match pairs.next() {
            Some(&[bytes, lines]) => {
                line += i64::from(lines as i8);
                Some(bytes.into())
            }
            None if is_over => return None,
            None => {
                is_over = true;
                None
            }
        };
        Some(Run { bytes, line: here })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lines::line_in;

    fn line_at(table: &[u8], first_line: u32, offset: u32) -> Option<i64> {
        line_in(runs(table, first_line), offset)
    }

    /// The example of `Objects/lnotab_notes.txt`.
    const NOTES: [u8; 14] = [0, 1, 6, 1, 44, 5, 255, 0, 45, 127, 0, 73, 11, 1];

    #[test]
    fn the_example_of_the_notes_reads_as_the_notes_say() {
        let rows = [(0, 1), (6, 2), (50, 7), (350, 207), (361, 208)];
        for (index, (offset, line)) in rows.into_iter().enumerate() {
            assert_eq!(line_at(&NOTES, 0, offset), Some(line), "{offset}");
            let last = rows.get(index + 1).map_or(10_000, |next| next.0 - 1);
            assert_eq!(line_at(&NOTES, 0, last), Some(line), "{last}");
        }
    }

    #[test]
    fn lines_go_backwards_too() {
        let table = [2, 10, 2, (-9_i8) as u8];
        let lines = [0, 2, 4].map(|offset| line_at(&table, 5, offset));
        assert_eq!(lines, [Some(5), Some(15), Some(6)]);
    }

    #[test]
    fn without_a_table_all_is_the_first_line() {
        assert_eq!(line_at(&[], 7, 100), Some(7));
        assert_eq!(line_at(&[9], 7, 100), Some(7));
    }
}
