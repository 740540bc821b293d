//! Where on the screen what is shown.

use ratatui::layout::Rect;

/// With fewer lines than this, one table is shown and not both.
const BOTH: u16 = 9;
/// Lines over the rows of a table: what it is of, and its columns.
pub(crate) const ABOVE: u16 = 2;

/// Where on the screen what is shown; what has no room has no height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) verdict: Rect,
    pub(crate) process: Rect,
    pub(crate) held: Rect,
    pub(crate) waiting: Rect,
    /// Both tables, or the help.
    pub(crate) tables: Rect,
    pub(crate) footer: Rect,
}

impl Layout {
    pub(crate) fn of(area: Rect) -> Self {
        let height = area.height;
        let verdict = if height < 20 { 1 } else { 2 };
        let lane = match height {
            ..8 => 0,
            8..16 => 1,
            16..40 => 2,
            _ => 4,
        };
        let footer = u16::from(height >= 4);
        let mut top = area.y;
        let bottom = area.y + height - footer.min(height);
        let mut take = |lines: u16| {
            let lines = lines.min(bottom - top);
            let part = Rect::new(area.x, top, area.width, lines);
            top += lines;
            part
        };
        Layout {
            verdict: take(verdict),
            process: take(1),
            held: take(lane),
            waiting: take(lane),
            tables: take(u16::MAX),
            footer: Rect::new(area.x, bottom, area.width, footer),
        }
    }

    /// The table of threads with so many rows above that of sites; `None` where there is
    /// room for one only.
    pub(crate) fn both(&self, threads: usize) -> Option<[Rect; 2]> {
        let all = self.tables;
        if all.height < BOTH {
            return None;
        }
        let rows = u16::try_from(threads.max(1)).unwrap_or(u16::MAX);
        let upper = rows.saturating_add(ABOVE).min(all.height * 5 / 9);
        let lower = all.height - upper;
        Some([
            Rect::new(all.x, all.y, all.width, upper),
            Rect::new(all.x, all.y + upper, all.width, lower),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fill_the_screen_and_do_not_overlap() {
        for height in 0..100 {
            let layout = Layout::of(Rect::new(0, 0, 80, height));
            let parts = [
                layout.verdict,
                layout.process,
                layout.held,
                layout.waiting,
                layout.tables,
                layout.footer,
            ];
            let mut next = 0;
            for part in parts {
                assert_eq!(part.y, next, "at {height}");
                next += part.height;
            }
            assert_eq!(next, height);
        }
    }

    #[test]
    fn few_threads_leave_their_room_to_the_sites() {
        let layout = Layout::of(Rect::new(0, 0, 80, 24));
        assert_eq!(layout.both(2).unwrap().map(|part| part.height), [4, 12]);
        assert_eq!(layout.both(50).unwrap().map(|part| part.height), [8, 8]);
    }

    #[test]
    fn on_a_small_screen_there_is_one_table() {
        assert_eq!(Layout::of(Rect::new(0, 0, 40, 10)).both(2), None);
    }
}
