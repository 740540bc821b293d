//! The lines of text around the charts and tables.

use gilprof::Profile;
use ratatui::style::Style;

use super::look::Look;
use super::state::{Focus, Room, State};
use super::trend::{SPAN_NS, Trend};
use super::view::Scope;
use crate::content::harmless;
use crate::duration::duration;
use crate::number::{count, percent, plural};
use crate::text::width;

/// Between facts on one line.
const GAP: &str = "  ";

/// What must not be overlooked; empty where there is nothing.
pub(crate) fn mark(state: &State) -> &'static str {
    match (state.has_ended(), state.is_paused()) {
        (true, true) => "ENDED, PAUSED",
        (true, false) => "ENDED",
        (false, true) => "PAUSED",
        (false, false) => "",
    }
}

/// What is recorded, the most important first.
pub(crate) fn process(state: &State) -> String {
    let profile = &state.view().of(Scope::Total).profile;
    let members = profile.threads().iter().filter(|thread| !thread.ended);
    [
        format!("pid {}", profile.pid()),
        duration(profile.wall_ns()),
        mode(profile),
        plural(members.count() as u64, "thread", "threads"),
        format!("Python {}", profile.python()),
        harmless(state.command()),
    ]
    .join(GAP)
}

/// How the numbers are got, and what was lost of them or how many there are.
fn mode(profile: &Profile) -> String {
    match profile.samples() {
        None => format!("exact{GAP}{} dropped", count(profile.dropped())),
        Some(samples) => format!("sampled{GAP}{}", plural(samples.count, "look", "looks")),
    }
}

/// How much the GIL is held now, and what the chart beside it is of.
pub(crate) fn held(trend: &Trend) -> [String; 2] {
    const WHOLE: u64 = 1_000_000;
    let held = trend.now().and_then(|level| level.held);
    let held = held.map_or("n/a".into(), |held| {
        percent((held * WHOLE as f64) as u64, WHOLE)
    });
    let minutes = SPAN_NS / 60_000_000_000;
    [format!("GIL held {held:>5}"), format!("last {minutes} min")]
}

/// How many threads wait now, in the mean, and what the full height of the chart is.
pub(crate) fn waiting(trend: &Trend, most: f64) -> [String; 2] {
    let waiting = trend.now().map(|level| level.waiting);
    let waiting = waiting.map_or("n/a".into(), |waiting| format!("{waiting:.2}"));
    [format!("waiting  {waiting:>5}"), format!("0 to {most:.0}")]
}

/// What the table of threads is of.
pub(crate) fn threads(state: &State) -> String {
    format!(
        "Threads by {}{}{}{GAP}█ holding ▒ waiting ░ detached",
        state.order().as_str(),
        time(state),
        filter(state),
    )
}

/// What the table of sites is of.
pub(crate) fn sites(state: &State) -> String {
    format!("Held while others waited{}{}", time(state), filter(state))
}

/// Which of the lines can be seen, where not all can.
pub(crate) fn extent(first: usize, room: Room) -> String {
    let last = (first + room.visible).min(room.lines);
    format!(" {}-{last} of {}", first + 1, room.lines)
}

fn time(state: &State) -> String {
    let wall = duration(state.seen().profile.wall_ns());
    match state.scope() {
        Scope::Window => format!(", last {wall}"),
        Scope::Total => format!(", all {wall}"),
    }
}

fn filter(state: &State) -> String {
    match state.filter() {
        "" => String::new(),
        filter => format!(", with {filter:?}"),
    }
}

/// What is typed, else what there is to say, else keys.
pub(crate) fn footer(state: &State, look: Look, room: usize) -> (String, Style) {
    if state.is_typing() {
        let text = format!("filter: {}_  Enter keeps it, Esc clears it", state.filter());
        return (text, Style::new());
    }
    if let Some(message) = state.message() {
        return (harmless(message), look.mark());
    }
    (keys(state, room), look.dim())
}

/// As many keys as there is room for.
fn keys(state: &State, room: usize) -> String {
    let scope = match state.scope() {
        Scope::Window => "w all",
        Scope::Total => "w window",
    };
    let pause = if state.is_paused() {
        "p go on"
    } else {
        "p pause"
    };
    let other = match state.scrolled() {
        Focus::Sites => "Tab threads",
        Focus::Threads | Focus::Help => "Tab sites",
    };
    let keys = [
        "h help",
        "q quit",
        pause,
        "s sort",
        "/ filter",
        scope,
        "f freeze",
        other,
        "c callers",
    ];
    let mut text = String::new();
    for key in keys {
        let gap = if text.is_empty() { "" } else { GAP };
        if width(&text) + width(gap) + width(key) > room {
            break;
        }
        text.push_str(gap);
        text.push_str(key);
    }
    text
}
