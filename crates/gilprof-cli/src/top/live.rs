//! Looks at a process now and then, shows it, and does what keys and signals ask for.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gilprof::Source;
use rustix::process::Signal;

use super::input::{Heard, Input};
use super::stage::Stage;
use super::state::{State, Wish};
use super::view::Scope;
use crate::error::Error;
use crate::file::Target;

/// Why the screen was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// By a key.
    Quit,
    /// By a signal that ends programs.
    By(Signal),
    /// The terminal is gone.
    HungUp,
}

/// How to look, and where to save.
#[derive(Debug)]
pub(crate) struct Live {
    /// How long from one look to the next.
    pub(crate) refresh: Duration,
    /// Where a profile is saved; else in a new file in the current folder.
    pub(crate) target: Option<Target>,
}

impl Live {
    /// Shows the process until that is ended by a key or a signal.
    ///
    /// # Errors
    /// Where the terminal refuses.
    pub(crate) fn run(
        &self,
        source: &dyn Source,
        state: &mut State,
        stage: &mut Stage,
        input: &mut Input,
    ) -> io::Result<Left> {
        let mut due = Instant::now() + self.refresh;
        loop {
            stage.show(state)?;
            let pause = match state.has_ended() {
                true => self.refresh.max(Duration::from_secs(3600)),
                false => due.saturating_duration_since(Instant::now()),
            };
            for heard in input.hear(pause)? {
                if let Some(left) = self.answer(heard, state, stage)? {
                    return Ok(left);
                }
            }
            if Instant::now() >= due && !state.has_ended() {
                look(source, state);
                due = Instant::now() + self.refresh;
            }
        }
    }

    fn answer(
        &self,
        heard: Heard,
        state: &mut State,
        stage: &mut Stage,
    ) -> io::Result<Option<Left>> {
        let wish = match heard {
            Heard::Key(key) => state.press(key),
            Heard::Stop => Some(Wish::Suspend),
            Heard::Continue => {
                stage.leave();
                stage.enter()?;
                None
            }
            Heard::Resize => None,
            Heard::End(signal) => return Ok(Some(Left::By(signal))),
            Heard::HangUp => return Ok(Some(Left::HungUp)),
        };
        match wish {
            Some(Wish::Quit) => return Ok(Some(Left::Quit)),
            Some(Wish::Freeze) => self.freeze(state),
            Some(Wish::Suspend) => suspend(stage)?,
            Some(Wish::Redraw) => stage.enter()?,
            None => {}
        }
        Ok(None)
    }

    /// Saves the profile that is shown, from the start of the recording.
    fn freeze(&self, state: &mut State) {
        let profile = &state.view().of(Scope::Total).profile;
        let saved = match &self.target {
            Some(target) => target.save(profile).map(Path::to_path_buf),
            None => save_anew(profile),
        };
        state.say(match saved {
            Ok(path) => format!("saved: gilprof report {}", path.display()),
            Err(error) => error.to_string(),
        });
    }
}

fn save_anew(profile: &gilprof::Profile) -> Result<PathBuf, Error> {
    let path = unused(profile.pid());
    Target::prepare(&path)?.save(profile)?;
    Ok(path)
}

/// A file of the current folder that is not there yet.
fn unused(pid: u32) -> PathBuf {
    let first = PathBuf::from(format!("gilprof-{pid}.json"));
    let others = (2..).map(|number| PathBuf::from(format!("gilprof-{pid}-{number}.json")));
    let mut all = std::iter::once(first).chain(others);
    all.find(|path| !path.exists()).unwrap_or_default()
}

fn look(source: &dyn Source, state: &mut State) {
    // Asked first: what was recorded up to the end is then in the last look.
    let has_ended = source.has_ended();
    state.look(source.snapshot());
    if has_ended {
        state.end();
    }
}

/// Stops us, with the terminal as it was, until we are told to go on.
fn suspend(stage: &mut Stage) -> io::Result<()> {
    stage.leave();
    signal_hook::low_level::emulate_default_handler(Signal::TSTP.as_raw())?;
    stage.enter()
}
