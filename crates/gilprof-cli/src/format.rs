//! A profile in the form that was asked for.

use gilprof::Profile;

use crate::args::Format;
use crate::content::document;
use crate::error::Error;
use crate::terminal::Terminal;
use crate::{markdown, text};

/// The report as it goes out, with a line end at its end.
///
/// # Errors
/// [`Error::Profile`] where the profile cannot be written as JSON.
pub(crate) fn render(
    profile: &Profile,
    format: Format,
    terminal: Terminal,
) -> Result<String, Error> {
    Ok(match format {
        Format::Text => text::render(&document(profile), terminal),
        Format::Md => markdown::render(&document(profile)),
        Format::Json => profile.to_report_json()? + "\n",
    })
}
