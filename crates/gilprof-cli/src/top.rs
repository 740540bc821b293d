//! `gilprof top`: a live screen of a process that runs already.
//!
//! A [source](Source) is asked now and then; what was seen ([`view`](View)) and
//! what keys asked for make up the [`state`](State), which `screen` draws without
//! knowing of a terminal. `live` is the loop around them.

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

use std::io::{self, IsTerminal};

use gilprof::Source;
use gilprof_attach::Process;

use crate::args::TopArgs;
use crate::command::say;
use crate::error::{Error, FAILED};
use crate::file::Target;
use crate::source::begin;
use crate::terminal::Terminal;

use input::Input;
use live::{Left, Live};
use look::Look;
use stage::Stage;
use state::State;

/// Shows the process until the user has seen enough; gives back the exit status.
///
/// # Errors
/// Where there is no terminal, an option is wrong, the process cannot be attached to, or
/// the terminal refuses.
pub(crate) fn top(args: &TopArgs) -> Result<i32, Error> {
    if !can_show() {
        return Err(Error::NoTerminal);
    }
    let live = Live {
        refresh: args.refresh,
        target: args.output.as_deref().map(Target::prepare).transpose()?,
    };
    // Where it has ended, attaching says so.
    let command = Process::of(args.pid).map(|process| process.command().join(" "));
    let begin = || begin(args.pid, false, &args.sampling, &args.recording);
    show(begin, command.unwrap_or_default(), &live)
}

/// Whether there is a terminal that can be moved about on.
fn can_show() -> bool {
    let term = std::env::var("TERM").unwrap_or_default();
    io::stdin().is_terminal() && io::stdout().is_terminal() && !["", "dumb"].contains(&&*term)
}

/// Shows a source that is begun once signals are heard. Whatever happens, the terminal is
/// put back and the recording ended.
fn show(
    begin: impl FnOnce() -> Result<Box<dyn Source>, Error>,
    command: String,
    live: &Live,
) -> Result<i32, Error> {
    let failed = |what| move |source| Error::Os { what, source };
    let look = Look::of(Terminal::of(&io::stdout()));
    let mut input = Input::listen().map_err(failed("listen for signals"))?;
    let source = begin()?;
    let mut state = State::new(command, source.snapshot());
    let shown = Stage::open(look)
        .and_then(|mut stage| live.run(&*source, &mut state, &mut stage, &mut input));
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
