//! `gilprof top`: a live screen of a process that runs already.
//!
//! A [`source`](Source) is looked at now and then; what was seen ([`view`](View)) and
//! what keys asked for make up the [`state`](State), which `screen` draws without
//! knowing of a terminal. `live` is the loop around them.

mod source;
mod trend;
mod view;

mod actions;
mod keys;
mod state;

mod chart;
mod layout;
mod look;
mod screen;
mod sites;
mod threads;
mod words;

mod input;
mod live;
mod stage;

use std::io;

use crate::command::say;
use crate::error::{Error, FAILED};
use crate::terminal::Terminal;

use input::Input;
use live::{Left, Live};
use look::Look;
use source::Source;
use stage::Stage;
use state::State;

/// Shows a source that is begun once signals are heard. Whatever happens, the terminal is
/// put back and the recording ended.
fn show<S: Source>(
    begin: impl FnOnce() -> Result<S, Error>,
    command: String,
    live: &Live,
) -> Result<i32, Error> {
    let failed = |what| move |source| Error::Os { what, source };
    let look = Look::of(Terminal::of(&io::stdout()));
    let mut input = Input::listen().map_err(failed("listen for signals"))?;
    let mut source = begin()?;
    let mut state = State::new(command, source.snapshot());
    let shown = Stage::open(look)
        .and_then(|mut stage| live.run(&mut source, &mut state, &mut stage, &mut input));
    let stopped = source.stop();
    match shown.map_err(failed("show a screen"))? {
        Left::Quit => {
            say(&stopped?.verdict().sentence);
            Ok(0)
        }
        Left::HungUp => Ok(FAILED),
        Left::By(signal) => {
            signal_hook::low_level::emulate_default_handler(signal.as_raw())
                .map_err(failed("end by a signal"))?;
            Ok(FAILED)
        }
    }
}

#[cfg(test)]
mod tests;
