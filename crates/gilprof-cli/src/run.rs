//! `gilprof run`: a program runs as it would by itself, and is reported on.

use std::io::Write;

use gilprof::Profile;

use crate::args::{Format, RunArgs};
use crate::child::Child;
use crate::command::say;
use crate::ending::Ending;
use crate::error::{Error, FAILED};
use crate::file::Target;
use crate::format::render;
use crate::recorder::{Outcome, Recorder};
use crate::signals::Signals;
use crate::terminal::Terminal;

const NO_PYTHON: &str = "no Python with gilprof in it has started. Install it where the program's \
    Python is: python -m pip install gilprof";

/// Runs the program; gives back its exit status.
///
/// # Errors
/// Where an option is wrong or the program cannot be started.
pub(crate) fn run(args: &RunArgs) -> Result<i32, Error> {
    let options = args.recording.options()?;
    let target = args.output.as_deref().map(Target::prepare).transpose()?;
    let mut recorder = Recorder::new(options, args.require, args.follow)?;
    let mut signals = Signals::listen()?;
    let mut child = Child::spawn(&args.command, &recorder.environment(args.require))?;
    let ending = follow(&mut child, &mut signals, &mut recorder)?;
    signals.give_up();
    match recorder.finish(child.pid().unsigned_abs(), ending) {
        Outcome::Profiled(profile) => tell(&profile, args.format, target.as_ref()),
        Outcome::NoPython => return Ok(unprofiled(NO_PYTHON, args.require, ending)),
        Outcome::Refused(error) => {
            return Ok(unprofiled(&error.to_string(), args.require, ending));
        }
    }
    Ok(ending.repeat())
}

/// Reads events and passes signals on until the program has ended.
fn follow(
    child: &mut Child,
    signals: &mut Signals,
    recorder: &mut Recorder,
) -> Result<Ending, Error> {
    loop {
        let pause = recorder.turn();
        if let Some(ending) = child.ended()? {
            return Ok(ending);
        }
        if child.was_suspended() {
            suspend();
        }
        signals.wait(pause);
        for signal in signals.for_program(child.pid()) {
            child.send(signal);
        }
    }
}

/// Stops, as the program has, so that the shell takes its terminal back.
fn suspend() {
    let stop = rustix::process::Signal::STOP.as_raw();
    // Not stopping leaves the shell waiting for the program, which is no worse.
    if let Err(_running_on) = signal_hook::low_level::raise(stop) {}
}

/// Says why there is no profile; gives back the exit status.
fn unprofiled(reason: &str, require: bool, ending: Ending) -> i32 {
    if require {
        say(&format!(
            "the program was not profiled, which --require asks for: {reason}"
        ));
        return FAILED;
    }
    say(&format!("the program ran unprofiled: {reason}"));
    ending.repeat()
}

fn tell(profile: &Profile, format: Option<Format>, target: Option<&Target>) {
    let saved = target.map(|target| target.save(profile));
    match saved {
        Some(Ok(path)) => {
            let sentence = profile.verdict().sentence;
            say(&format!(
                "{sentence} Saved: gilprof report {}",
                path.display()
            ));
            if let Some(format) = format {
                report(profile, format);
            }
        }
        // Better on the screen than lost.
        Some(Err(error)) => {
            say(&error.to_string());
            report(profile, format.unwrap_or(Format::Text));
        }
        None => report(profile, format.unwrap_or(Format::Text)),
    }
}

fn report(profile: &Profile, format: Format) {
    let mut stderr = std::io::stderr();
    match render(profile, format, Terminal::of(&stderr)) {
        // Without a standard error there is nobody to tell.
        Ok(text) => if let Err(_unheard) = stderr.write_all(text.as_bytes()) {},
        Err(error) => say(&error.to_string()),
    }
}
