//! The parts a report is made of.

/// A report.
#[derive(Debug)]
pub(crate) struct Document {
    /// The verdict, in a sentence.
    pub(crate) title: String,
    pub(crate) tone: Tone,
    pub(crate) sections: Vec<Section>,
}

/// How the verdict is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Bad,
    Good,
    Neutral,
}

/// A part of a report: facts, then a table, each where there is one.
#[derive(Debug, Default)]
pub(crate) struct Section {
    /// Empty for what belongs to the title.
    pub(crate) heading: &'static str,
    /// Stands beside the heading.
    pub(crate) aside: String,
    /// What is told of what.
    pub(crate) facts: Vec<(String, String)>,
    pub(crate) table: Option<Table>,
}

/// Rows under columns.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// One line, or two with a line end between.
    pub(crate) heading: &'static str,
    /// Whether it is text, which begins at the left and may be cut; numbers
    /// end at the right and are never cut.
    pub(crate) is_text: bool,
    /// Where there is no room for all, columns are left out, this greatest
    /// first; never those of 0.
    pub(crate) spare: u8,
}

impl Column {
    pub(crate) const fn text(heading: &'static str) -> Self {
        Column {
            heading,
            is_text: true,
            spare: 0,
        }
    }

    pub(crate) const fn number(heading: &'static str, spare: u8) -> Self {
        Column {
            heading,
            is_text: false,
            spare,
        }
    }
}

/// What stands in one row and column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    Text(String),
    Bar(Bar),
    /// A line below the row before it, over all columns: the only cell of its row.
    Line(String),
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Cell::Text(text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Cell::Text(text.into())
    }
}

/// Shares of a time, to be drawn in proportion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bar {
    pub(crate) holding_ns: u64,
    pub(crate) waiting_ns: u64,
    pub(crate) detached_ns: u64,
}

impl Bar {
    /// Characters of a bar.
    pub(crate) const WIDTH: usize = 10;

    /// How many characters each state gets; together the whole width, or none
    /// where there is no time at all.
    pub(crate) fn parts(self) -> [usize; 3] {
        let shares = [self.holding_ns, self.waiting_ns, self.detached_ns].map(u128::from);
        let whole: u128 = shares.iter().sum();
        if whole == 0 {
            return [0; 3];
        }
        // Rounding the borders and not the parts keeps the sum.
        let border = |upto: u128| ((upto * 2 * Self::WIDTH as u128 + whole) / (2 * whole)) as usize;
        let (first, second) = (border(shares[0]), border(shares[0] + shares[1]));
        [first, second - first, Self::WIDTH - second]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(holding_ns: u64, waiting_ns: u64, detached_ns: u64) -> [usize; 3] {
        let bar = Bar {
            holding_ns,
            waiting_ns,
            detached_ns,
        };
        bar.parts()
    }

    #[test]
    fn a_bar_is_full_and_in_proportion() {
        assert_eq!(parts(2, 2, 1), [4, 4, 2]);
        assert_eq!(parts(49, 49, 2), [5, 5, 0]);
        assert_eq!(parts(0, 0, u64::MAX), [0, 0, 10]);
        assert_eq!(parts(u64::MAX, u64::MAX, u64::MAX), [3, 4, 3]);
    }

    #[test]
    fn no_time_has_no_bar() {
        assert_eq!(parts(0, 0, 0), [0, 0, 0]);
    }
}
