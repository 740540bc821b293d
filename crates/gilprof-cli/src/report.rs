//! `gilprof report`: what a saved profile says.

use std::io::{self, Write};
use std::path::Path;

use crate::args::ReportArgs;
use crate::error::Error;
use crate::file::load;
use crate::format::render;
use crate::terminal::Terminal;

/// Prints the report; gives back the exit status.
///
/// # Errors
/// Where the file holds no profile that can be read, or nothing can be printed.
pub(crate) fn report(args: &ReportArgs) -> Result<i32, Error> {
    let profile = load(&args.file)?;
    let mut stdout = io::stdout();
    let text = render(&profile, args.format, Terminal::of(&stdout))?;
    let printed = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
    match printed {
        // A pager that was closed has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::write(Path::new("the standard output"), error))
        }
        _ => Ok(0),
    }
}
