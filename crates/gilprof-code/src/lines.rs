//! Which line an instruction belongs to: the three formats of CPython's table.

mod lines310;
mod lnotab;
mod locations311;

/// How a code object's line table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum LineTable {
    /// `co_lnotab`, to 3.9.
    Lnotab = 1,
    /// `co_linetable` of 3.10 (PEP 626).
    Lines310 = 2,
    /// `co_linetable` with columns, from 3.11 (PEP 657).
    Locations311 = 3,
}

impl LineTable {
    /// All formats there are.
    pub const ALL: [LineTable; 3] = [
        LineTable::Lnotab,
        LineTable::Lines310,
        LineTable::Locations311,
    ];

    /// The line of the instruction `offset` bytes after the begin of the
    /// bytecode; 0 where the table has none.
    ///
    /// Ends for any table, after at most as many steps as it has bytes.
    pub fn line_at(self, table: &[u8], first_line: u32, offset: u32) -> u32 {
        let line = match self {
            LineTable::Lnotab => line_in(lnotab::runs(table, first_line), offset),
            LineTable::Lines310 => line_in(lines310::runs(table, first_line), offset),
            LineTable::Locations311 => line_in(locations311::runs(table, first_line), offset),
        };
        // A line before the first is no line; CPython says -1 for none.
        line.and_then(|line| u32::try_from(line).ok()).unwrap_or(0)
    }

    /// Of how many bytes of bytecode the table speaks: of all, but for
    /// [`Lnotab`](Self::Lnotab), which says only where its last line begins.
    pub fn covered_bytes(self, table: &[u8]) -> u64 {
        self.runs(table, 0).iter().filter_map(|run| run.bytes).sum()
    }

    /// Every line that the table has, in the order of the bytecode.
    pub fn lines(self, table: &[u8], first_line: u32) -> Vec<u32> {
        let runs = self.runs(table, first_line);
        let lines = runs.iter().filter_map(|run| run.line);
        lines.filter_map(|line| u32::try_from(line).ok()).collect()
    }

    fn runs(self, table: &[u8], first_line: u32) -> Vec<Run> {
        match self {
            LineTable::Lnotab => lnotab::runs(table, first_line).collect(),
            LineTable::Lines310 => lines310::runs(table, first_line).collect(),
            LineTable::Locations311 => locations311::runs(table, first_line).collect(),
        }
    }
}

/// So much bytecode, and its line.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// In bytes; `None` for all that is left.
    bytes: Option<u64>,
    line: Option<i64>,
}

/// The line of the run that has this offset.
fn line_in(mut runs: impl Iterator<Item = Run>, offset: u32) -> Option<i64> {
    let mut end = 0;
    let found = runs.find(|run| match run.bytes {
        Some(bytes) => {
            end += bytes;
            end > offset.into()
        }
        None => true,
    });
    found?.line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_table_of_some_lines(
            table in prop::collection::vec(any::<u8>(), 0..2_000),
            first_line in any::<u32>(),
            offset in any::<u32>(),
        ) {
            for format in LineTable::ALL {
                format.line_at(&table, first_line, offset);
                format.line_at(&table, first_line, offset % 4_096);
            }
        }
    }

    #[test]
    fn sums_that_leave_the_numbers_stay_an_answer() {
        // The largest steps there are, up and down, in each format.
        for byte in [0xff, 0x7f, 0x80, 0xf7, 0xef, 0x00] {
            let table = vec![byte; 1 << 20];
            for format in LineTable::ALL {
                format.line_at(&table, u32::MAX, u32::MAX);
            }
        }
    }
}
