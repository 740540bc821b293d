//! What keys do.

use super::keys::Key;

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Quit,
    Pause,
    Sort,
    Filter,
    /// Esc: away with the help, else with the filter.
    Clear,
    Scope,
    Callers,
    Focus,
    Freeze,
    Help,
    Suspend,
    Redraw,
    Scroll(Step),
}

/// How far to scroll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Line(isize),
    Page(isize),
    Begin,
    End,
}

/// Keys and what they do, for the help.
pub(crate) const HELP: [(&str, &str); 15] = [
    ("q", "quit; the process runs on as before"),
    ("p space", "pause, and go on: recording goes on meanwhile"),
    ("s", "sort threads by wait, hold, caused or name"),
    ("/", "filter threads and sites; Esc clears it"),
    ("w", "the last interval, or all since the start"),
    ("Tab", "scroll threads, or sites"),
    ("↑ ↓ PgUp PgDn", "scroll; Home and End, too"),
    ("c", "callers of sites"),
    ("f", "freeze: save the profile to a file"),
    ("h ?", "this help"),
    ("Ctrl-Z", "suspend gilprof, not the process"),
    ("Ctrl-L", "draw the screen anew"),
    ("wait, hold", "time without and with the GIL that it wanted"),
    ("caused", "what others waited while it held the GIL"),
    (
        "n/a",
        "not known: of looks from outside, counts and single waits",
    ),
];

/// What a key does where no text is typed.
pub(crate) fn action(key: Key) -> Option<Action> {
    let action = match key {
        Key::Letter('q' | 'Q') | Key::Control('c') => Action::Quit,
        Key::Letter('p' | ' ') => Action::Pause,
        Key::Letter('s') => Action::Sort,
        Key::Letter('/') => Action::Filter,
        Key::Letter('w') => Action::Scope,
        Key::Letter('c') => Action::Callers,
        Key::Letter('f') => Action::Freeze,
        Key::Letter('h' | '?') => Action::Help,
        Key::Tab => Action::Focus,
        Key::Escape => Action::Clear,
        Key::Control('z') => Action::Suspend,
        Key::Control('l') => Action::Redraw,
        Key::Up | Key::Letter('k') => Action::Scroll(Step::Line(-1)),
        Key::Down | Key::Letter('j') => Action::Scroll(Step::Line(1)),
        Key::PageUp => Action::Scroll(Step::Page(-1)),
        Key::PageDown => Action::Scroll(Step::Page(1)),
        Key::Home => Action::Scroll(Step::Begin),
        Key::End => Action::Scroll(Step::End),
        Key::Letter(_) | Key::Control(_) | Key::Enter | Key::Backspace => return None,
    };
    Some(action)
}
