//! Colours and characters that the terminal can show.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use crate::content::Tone;
use crate::terminal::Terminal;
use crate::text::{ascii, width};

/// What the terminal can show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    colour: bool,
    unicode: bool,
}

impl Look {
    pub(crate) fn of(terminal: Terminal) -> Self {
        Look {
            colour: terminal.colour,
            unicode: terminal.unicode,
        }
    }

    fn in_colour(self, colour: Color) -> Style {
        match self.colour {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }

    pub(crate) fn verdict(self, tone: Tone) -> Style {
        let colour = match tone {
            Tone::Bad => Color::Red,
            Tone::Good => Color::Green,
            Tone::Neutral => Color::Yellow,
        };
        self.in_colour(colour).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn holding(self) -> Style {
        self.in_colour(Color::Green)
    }

    pub(crate) fn waiting(self) -> Style {
        self.in_colour(Color::Red)
    }

    pub(crate) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Of a heading; of the part that is scrolled now, more of it.
    pub(crate) fn title(self, is_scrolled: bool) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD);
        match is_scrolled {
            true => style.add_modifier(Modifier::REVERSED),
            false => style,
        }
    }

    /// Of what must not be overlooked.
    pub(crate) fn mark(self) -> Style {
        self.in_colour(Color::Yellow)
            .add_modifier(Modifier::REVERSED)
    }

    /// Of a character in a table: those of bars are coloured as in reports.
    pub(crate) fn of_character(self, character: char) -> Style {
        match character {
            '█' => self.holding(),
            '▒' => self.waiting(),
            '░' => self.dim(),
            _ => Style::new(),
        }
    }

    /// Leaves only characters that the terminal can show.
    pub(crate) fn reduce(self, buffer: &mut Buffer) {
        if self.unicode {
            return;
        }
        let mut at = 0;
        while at < buffer.content.len() {
            let symbol = buffer.content[at].symbol().to_owned();
            let wide = width(&symbol).max(1);
            if !symbol.is_ascii() {
                let like = ascii(&symbol).chars().next().unwrap_or('?');
                // What is behind a wide character is as wide.
                let end = (at + wide).min(buffer.content.len());
                for cell in &mut buffer.content[at..end] {
                    cell.set_char(like);
                }
            }
            at += wide;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look {
        colour: false,
        unicode: false,
    };

    #[test]
    fn without_unicode_each_character_takes_as_much_room_as_before() {
        let mut buffer = Buffer::with_lines(["█▒ µ線é|"]);
        PLAIN.reduce(&mut buffer);
        assert_eq!(buffer, Buffer::with_lines(["#= u???|"]));
    }

    #[test]
    fn without_colours_nothing_has_one() {
        let styles = [
            PLAIN.verdict(Tone::Bad),
            PLAIN.holding(),
            PLAIN.waiting(),
            PLAIN.dim(),
            PLAIN.title(true),
            PLAIN.mark(),
            PLAIN.of_character('█'),
        ];
        assert!(
            styles
                .iter()
                .all(|style| style.fg.is_none() && style.bg.is_none())
        );
    }
}
