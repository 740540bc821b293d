//! What a command has to say, on the standard output.

use std::io::{self, Write};
use std::path::Path;

use crate::error::Error;

/// Prints the text; gives back the exit status.
///
/// # Errors
/// [`Error::Write`] where nothing can be printed.
pub(crate) fn print(text: &str) -> Result<i32, Error> {
    let mut stdout = io::stdout();
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
