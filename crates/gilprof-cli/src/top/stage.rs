//! The terminal while it is a full screen, and back.

use std::io::{self, Stdout};
use std::panic;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::look::Look;
use super::screen::draw;
use super::state::State;

type Screen = Terminal<CrosstermBackend<Stdout>>;

/// A terminal that is a full screen; when this is dropped it is as it was before.
#[derive(Debug)]
pub(crate) struct Stage {
    screen: Option<Screen>,
    look: Look,
}

impl Stage {
    /// Makes the terminal a full screen. From now on a panic of any thread puts it back
    /// before it says what was wrong.
    ///
    /// # Errors
    /// Where the terminal refuses.
    pub(crate) fn open(look: Look) -> io::Result<Self> {
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            leave();
            former(panic);
        }));
        let screen = Some(new()?);
        let mut stage = Stage { screen, look };
        stage.enter()?;
        Ok(stage)
    }

    /// Makes the terminal a full screen again, whatever became of it meanwhile.
    ///
    /// # Errors
    /// Where the terminal refuses.
    pub(crate) fn enter(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Clear(ClearType::All))?;
        // A new one draws everything. Its `clear` would ask the terminal where the cursor
        // is, and read keys to find the answer.
        retire(self.screen.replace(new()?));
        Ok(())
    }

    /// Puts the terminal back.
    pub(crate) fn leave(&self) {
        leave();
    }

    /// Draws what has changed.
    ///
    /// # Errors
    /// Where the terminal refuses, as when it is gone.
    pub(crate) fn show(&mut self, state: &mut State) -> io::Result<()> {
        let Some(screen) = &mut self.screen else {
            return Ok(());
        };
        let mut rooms = None;
        screen.draw(|frame| {
            let area = frame.area();
            rooms = Some(draw(state, self.look, area, frame.buffer_mut()));
        })?;
        if let Some(rooms) = rooms {
            state.drawn(rooms);
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        retire(self.screen.take());
        leave();
    }
}

fn new() -> io::Result<Screen> {
    Terminal::new(CrosstermBackend::new(io::stdout()))
}

/// Ends the use of a screen. Where it cannot show the cursor, as when the terminal is
/// gone, it would print so when it is dropped, and a print that fails is a panic.
fn retire(screen: Option<Screen>) {
    let Some(mut screen) = screen else { return };
    if let Err(_gone) = screen.show_cursor() {
        std::mem::forget(screen);
    }
}

/// Puts the terminal back, as far as it lets us.
fn leave() {
    if let Err(_gone) = execute!(io::stdout(), Show, LeaveAlternateScreen) {}
    if let Err(_gone) = disable_raw_mode() {}
}
