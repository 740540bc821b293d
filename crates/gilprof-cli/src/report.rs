//! `gilprof report`: what a saved profile says.

use std::io;

use crate::args::ReportArgs;
use crate::error::Error;
use crate::file::load;
use crate::format::render;
use crate::print::print;
use crate::terminal::Terminal;

/// Prints the report; gives back the exit status.
///
/// # Errors
/// Where the file holds no profile that can be read, or nothing can be printed.
pub(crate) fn report(args: &ReportArgs) -> Result<i32, Error> {
    let profile = load(&args.file)?;
    print(&render(&profile, args.format, Terminal::of(&io::stdout()))?)
}
