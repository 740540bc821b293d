//! What the place a report goes to can show.

use std::env;
use std::io::IsTerminal;
use std::os::fd::AsFd;

/// Assumed where there is no terminal, and the least a terminal is taken for.
const WIDTH: usize = 80;
const LEAST_WIDTH: usize = 40;

/// What the place a report goes to can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    /// Columns of a line.
    pub(crate) width: usize,
    /// Whether colours may be used.
    pub(crate) colour: bool,
    /// Whether it shows more than ASCII.
    pub(crate) unicode: bool,
}

impl Terminal {
    /// Asks the stream and the environment.
    pub(crate) fn of(stream: &(impl AsFd + IsTerminal)) -> Self {
        let is_terminal = stream.is_terminal();
        let columns = env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok());
        let window = || Some(rustix::termios::tcgetwinsize(stream).ok()?.ws_col.into());
        let width: Option<usize> = columns.or_else(window).filter(|&width| width > 0);
        Terminal {
            width: width.unwrap_or(WIDTH).max(LEAST_WIDTH),
            colour: is_terminal && !is_set("NO_COLOR") && env::var("TERM") != Ok("dumb".into()),
            unicode: locale_is_utf8(),
        }
    }
}

fn is_set(variable: &str) -> bool {
    env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// The first of these variables that is set decides, as in POSIX.
fn locale_is_utf8() -> bool {
    let variables = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = variables.into_iter().find(|variable| is_set(variable));
    let locale = locale.and_then(|variable| env::var(variable).ok());
    let locale = locale.unwrap_or_default().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}
