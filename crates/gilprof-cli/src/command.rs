//! Reads the command line and has it carried out.

use std::ffi::OsString;
use std::io::Write;

use clap::Parser;

use crate::args::{Args, Command};
use crate::error::{Error, FAILED};
use crate::{attach, merge, ps, report, run, top};

/// The `gilprof` program. `args` begin with the program's own name; what comes
/// back is the exit status. Where the profiled program was killed by a signal,
/// this process ends by the same signal and nothing comes back.
///
/// Signals are heard through handlers: a host with handlers of its own, such
/// as Python's for SIGINT, and with ignored signals, such as Python's SIGPIPE
/// and SIGXFSZ, must put them back to their defaults first, for the profiled
/// program inherits what is ignored.
pub fn main(args: impl IntoIterator<Item = OsString>) -> i32 {
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => return explain(&error),
    };
    let done = match args.command {
        Command::Run(args) => run::run(&args),
        Command::Attach(args) => attach::attach(&args),
        Command::Report(args) => report::report(&args),
        Command::Merge(args) => merge::merge(&args),
        Command::Ps(args) => ps::ps(&args),
        Command::Top(args) => top::top(&args),
    };
    done.unwrap_or_else(|error| fail(&error))
}

/// Prints help, version or what is wrong with the arguments.
fn explain(error: &clap::Error) -> i32 {
    match error.print() {
        Ok(()) => error.exit_code(),
        Err(_nowhere_to_print) => FAILED,
    }
}

fn fail(error: &Error) -> i32 {
    say(&error.to_string());
    error.status()
}

/// One sentence on the standard error.
pub(crate) fn say(sentence: &str) {
    // Without a standard error there is nobody to tell.
    if let Err(_unheard) = writeln!(std::io::stderr(), "gilprof: {sentence}") {}
}
