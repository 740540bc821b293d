//! Colours, where they are wanted.

/// Whether there are colours.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    pub(crate) const BOLD: &'static str = "1";
    pub(crate) const DIM: &'static str = "2";
    pub(crate) const RED: &'static str = "1;31";
    pub(crate) const GREEN: &'static str = "1;32";
    pub(crate) const YELLOW: &'static str = "1;33";
    pub(crate) const HOLDING: &'static str = "32";
    pub(crate) const WAITING: &'static str = "31";

    /// The text, in that style where there are colours.
    pub(crate) fn with(self, style: &str, text: &str) -> String {
        match self.0 && !text.is_empty() {
            true => format!("\x1b[{style}m{text}\x1b[0m"),
            false => text.into(),
        }
    }
}
