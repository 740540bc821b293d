//! Draws what is shown.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::actions::HELP;
use super::chart::chart;
use super::layout::{ABOVE, Layout};
use super::look::Look;
use super::sites;
use super::state::{Focus, Room, State};
use super::threads::threads;
use super::words;
use crate::content::{Labels, Table, harmless, tone};
use crate::text::{cut_end, hang, table_lines, width, wrap};

/// Columns of what stands beside a chart.
const LABEL: u16 = 15;
/// Columns of the keys in the help.
const KEYS: usize = 13;

/// Draws what is shown; gives back how much of each part can be seen.
pub(crate) fn draw(state: &State, look: Look, area: Rect, buffer: &mut Buffer) -> [Room; 3] {
    let layout = Layout::of(area);
    verdict(state, look, layout.verdict, buffer);
    process(state, look, layout.process, buffer);
    charts(state, look, &layout, buffer);
    let rooms = match state.scrolled() {
        Focus::Help => [
            Room::default(),
            Room::default(),
            help(state, look, layout.tables, buffer),
        ],
        Focus::Threads | Focus::Sites => tables(state, look, &layout, buffer),
    };
    let (text, style) = words::footer(state, look, layout.footer.width.into());
    line(buffer, layout.footer, 0, &text, style);
    look.reduce(buffer);
    rooms
}

/// Writes one line of a part, from its left; what is too long is cut.
fn line(buffer: &mut Buffer, part: Rect, down: u16, text: &str, style: Style) {
    if down < part.height {
        let text = cut_end(text, part.width.into());
        buffer.set_stringn(part.x, part.y + down, text, part.width.into(), style);
    }
}

fn verdict(state: &State, look: Look, part: Rect, buffer: &mut Buffer) {
    let verdict = &state.seen().verdict;
    let lines = wrap(&harmless(&verdict.sentence), part.width.max(1).into());
    let last = usize::from(part.height).saturating_sub(1);
    let (whole, rest) = lines.split_at(last.min(lines.len()));
    let style = look.verdict(tone(verdict));
    for (text, down) in whole.iter().chain([&rest.join(" ")]).zip(0..) {
        line(buffer, part, down, text, style);
    }
}

/// What is recorded, behind what must not be overlooked.
fn process(state: &State, look: Look, part: Rect, buffer: &mut Buffer) {
    let mark = words::mark(state);
    line(buffer, part, 0, mark, look.mark());
    let gap = if mark.is_empty() { 0 } else { 1 };
    let taken = (width(mark) as u16 + gap).min(part.width);
    let rest = Rect::new(part.x + taken, part.y, part.width - taken, part.height);
    line(buffer, rest, 0, &words::process(state), Style::new());
}

/// Two charts, one below the other, of the same time.
fn charts(state: &State, look: Look, layout: &Layout, buffer: &mut Buffer) {
    let trend = state.view().trend();
    let beside = layout.held.width.saturating_sub(LABEL);
    let columns = trend.columns(beside.into());
    let held: Vec<Option<f64>> = columns.iter().map(|level| level.as_ref()?.held).collect();
    let waiting = || columns.iter().map(|level| Some(level.as_ref()?.waiting));
    let most = waiting().flatten().fold(1.0, f64::max).ceil();
    let waiting: Vec<Option<f64>> = waiting().map(|some| Some(some? / most)).collect();
    let charts = [
        (layout.held, words::held(trend), held, look.holding()),
        (
            layout.waiting,
            words::waiting(trend, most),
            waiting,
            look.waiting(),
        ),
    ];
    for (part, label, values, style) in charts {
        let left = Rect {
            width: LABEL.min(part.width),
            ..part
        };
        let right = Rect {
            x: part.x + left.width,
            width: part.width - left.width,
            ..part
        };
        line(buffer, left, 0, &label[0], Style::new());
        line(buffer, left, 1, &label[1], look.dim());
        for (text, down) in chart(&values, part.height.into()).iter().zip(0..) {
            line(buffer, right, down, text, style);
        }
    }
}

fn tables(state: &State, look: Look, layout: &Layout, buffer: &mut Buffer) -> [Room; 3] {
    let profile = &state.seen().profile;
    let labels = Labels::of(profile);
    let threads = threads(profile, &labels, state.order(), state.filter());
    let (upper, lower) = match (layout.both(threads.rows.len()), state.scrolled()) {
        (Some([upper, lower]), _) => (Some(upper), Some(lower)),
        (None, Focus::Sites) => (None, Some(layout.tables)),
        (None, _) => (Some(layout.tables), None),
    };
    let upper = upper.map(|part| {
        let nobody = format!("no thread has {:?} in its name", state.filter());
        let nobody = if profile.threads().is_empty() {
            "no thread yet"
        } else {
            &nobody
        };
        let draw = Part {
            state,
            look,
            focus: Focus::Threads,
            part,
        };
        draw.table(&words::threads(state), &threads, nobody, buffer)
    });
    let lower = lower.map(|part| {
        let sites = sites::sites(profile, &labels, state.filter(), state.shows_callers());
        let missing = sites::missing(profile, state.filter());
        let draw = Part {
            state,
            look,
            focus: Focus::Sites,
            part,
        };
        draw.table(&words::sites(state), &sites, &missing, buffer)
    });
    [
        upper.unwrap_or_default(),
        lower.unwrap_or_default(),
        Room::default(),
    ]
}

fn help(state: &State, look: Look, part: Rect, buffer: &mut Buffer) -> Room {
    let lines = HELP
        .iter()
        .flat_map(|(keys, what)| hang(keys, KEYS, what, part.width.into()))
        .collect();
    let draw = Part {
        state,
        look,
        focus: Focus::Help,
        part,
    };
    draw.lines("Keys, and words", Vec::new(), lines, buffer)
}

/// A part of the screen that can be scrolled.
struct Part<'s> {
    state: &'s State,
    look: Look,
    focus: Focus,
    part: Rect,
}

impl Part<'_> {
    fn table(&self, title: &str, table: &Table, missing: &str, buffer: &mut Buffer) -> Room {
        if table.rows.is_empty() {
            return self.lines(title, Vec::new(), vec![missing.into()], buffer);
        }
        let mut lines = table_lines(table, self.part.width.into());
        let rows = lines.split_off(1);
        self.lines(title, lines, rows, buffer)
    }

    /// The title, what stands still below it, and what is scrolled.
    fn lines(
        &self,
        title: &str,
        fixed: Vec<String>,
        lines: Vec<String>,
        buffer: &mut Buffer,
    ) -> Room {
        let (part, look) = (self.part, self.look);
        let is_scrolled = self.state.scrolled() == self.focus;
        line(buffer, part, 0, title, look.title(is_scrolled));
        for (text, down) in fixed.iter().zip(1..) {
            line(buffer, part, down, text, look.dim());
        }
        let above = 1 + fixed.len() as u16;
        debug_assert!(above <= ABOVE);
        let visible = usize::from(part.height.saturating_sub(above));
        let room = Room {
            lines: lines.len(),
            visible,
        };
        let first = self.state.first(self.focus).min(room.last());
        if room.last() > 0 && visible > 0 {
            self.right(&words::extent(first, room), look.dim(), buffer);
        }
        for (text, down) in lines[first..].iter().take(visible).zip(above..) {
            line(buffer, part, down, text, Style::new());
            self.colour_bars(part.y + down, buffer);
        }
        room
    }

    /// Writes at the right end of the title.
    fn right(&self, text: &str, style: Style, buffer: &mut Buffer) {
        let part = self.part;
        let wide = (width(text) as u16).min(part.width);
        let end = Rect::new(part.right() - wide, part.y, wide, part.height);
        line(buffer, end, 0, text, style);
    }

    fn colour_bars(&self, y: u16, buffer: &mut Buffer) {
        for x in self.part.x..self.part.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                let character = cell.symbol().chars().next().unwrap_or(' ');
                cell.set_style(self.look.of_character(character));
            }
        }
    }
}

#[cfg(test)]
mod tests;
