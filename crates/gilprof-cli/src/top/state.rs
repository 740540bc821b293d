//! What is shown: what was seen, and what was asked for by keys.

use super::actions::{Action, Step, action};
use super::keys::Key;
use super::threads::Order;
use super::view::{Scope, Seen, View};
use gilprof::Profile;

/// What a key asks of the program around the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Quit,
    /// To save what is shown.
    Freeze,
    /// To stop until the shell goes on with us.
    Suspend,
    /// To draw all of the screen anew.
    Redraw,
}

/// The part of the screen that is scrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Focus {
    Threads,
    Sites,
    Help,
}

/// How many lines a part of the screen has, and how many of them can be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) lines: usize,
    pub(crate) visible: usize,
}

impl Room {
    /// The first visible line that is furthest down.
    pub(crate) fn last(self) -> usize {
        self.lines.saturating_sub(self.visible)
    }
}

/// What is shown.
#[derive(Debug)]
pub(crate) struct State {
    command: String,
    live: View,
    paused: Option<View>,
    scope: Scope,
    order: Order,
    filter: String,
    is_typing: bool,
    shows_help: bool,
    shows_callers: bool,
    focus: Focus,
    /// The first visible line of each part.
    first: [usize; 3],
    rooms: [Room; 3],
    message: Option<String>,
}

impl State {
    /// Of a process with this command line, at the first look.
    pub(crate) fn new(command: String, profile: Profile) -> Self {
        State {
            command,
            live: View::first(profile),
            paused: None,
            scope: Scope::Window,
            order: Order::Wait,
            filter: String::new(),
            is_typing: false,
            shows_help: false,
            shows_callers: false,
            focus: Focus::Threads,
            first: [0; 3],
            rooms: [Room::default(); 3],
            message: None,
        }
    }

    /// Another look at the process.
    pub(crate) fn look(&mut self, profile: Profile) {
        if let Err(error) = self.live.look(profile) {
            self.say(error.to_string());
        }
    }

    /// The process has ended: there will be no other look.
    pub(crate) fn end(&mut self) {
        self.live.end();
    }

    /// Something to tell at the bottom of the screen, until the next key.
    pub(crate) fn say(&mut self, message: String) {
        self.message = Some(message);
    }

    /// How much of each part could be seen when it was last drawn.
    pub(crate) fn drawn(&mut self, rooms: [Room; 3]) {
        self.rooms = rooms;
        for (first, room) in self.first.iter_mut().zip(rooms) {
            *first = (*first).min(room.last());
        }
    }

    /// Does what a key is for; gives back what is left to do.
    pub(crate) fn press(&mut self, key: Key) -> Option<Wish> {
        self.message = None;
        match self.is_typing && self.type_key(key) {
            true => None,
            false => self.act(action(key)?),
        }
    }

    /// Whether the key belonged to the filter.
    fn type_key(&mut self, key: Key) -> bool {
        match key {
            Key::Letter(letter) => self.filter.push(letter),
            Key::Backspace => {
                self.filter.pop();
            }
            Key::Enter => self.is_typing = false,
            Key::Escape => self.clear(),
            _ => return false,
        }
        self.first = [0; 3];
        true
    }

    fn act(&mut self, action: Action) -> Option<Wish> {
        match action {
            Action::Quit => return Some(Wish::Quit),
            Action::Freeze => return Some(Wish::Freeze),
            Action::Suspend => return Some(Wish::Suspend),
            Action::Redraw => return Some(Wish::Redraw),
            Action::Pause => self.pause(),
            Action::Sort => self.order = self.order.next(),
            Action::Filter => self.is_typing = true,
            Action::Clear if self.shows_help => self.shows_help = false,
            Action::Clear => self.clear(),
            Action::Scope => {
                self.scope = match self.scope {
                    Scope::Window => Scope::Total,
                    Scope::Total => Scope::Window,
                }
            }
            Action::Callers => self.shows_callers = !self.shows_callers,
            Action::Focus => {
                self.focus = match self.focus {
                    Focus::Threads => Focus::Sites,
                    Focus::Sites | Focus::Help => Focus::Threads,
                }
            }
            Action::Help => self.shows_help = !self.shows_help,
            Action::Scroll(step) => self.scroll(step),
        }
        None
    }

    fn pause(&mut self) {
        self.paused = match self.paused {
            Some(_) => None,
            None => Some(self.live.clone()),
        };
    }

    fn clear(&mut self) {
        self.filter.clear();
        self.is_typing = false;
    }

    fn scroll(&mut self, step: Step) {
        let part = self.scrolled() as usize;
        let room = self.rooms[part];
        let first = &mut self.first[part];
        let page = room.visible.max(1) as isize;
        *first = match step {
            Step::Line(lines) => first.saturating_add_signed(lines),
            Step::Page(pages) => first.saturating_add_signed(pages * page),
            Step::Begin => 0,
            Step::End => usize::MAX,
        };
        *first = (*first).min(room.last());
    }

    /// The part that is scrolled now.
    pub(crate) fn scrolled(&self) -> Focus {
        match self.shows_help {
            true => Focus::Help,
            false => self.focus,
        }
    }

    /// What is shown of the process: the latest, or that at which it was paused.
    pub(crate) fn view(&self) -> &View {
        self.paused.as_ref().unwrap_or(&self.live)
    }

    /// The profile that is shown.
    pub(crate) fn seen(&self) -> &Seen {
        self.view().of(self.scope)
    }

    pub(crate) fn command(&self) -> &str {
        &self.command
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.live.has_ended()
    }

    pub(crate) fn scope(&self) -> Scope {
        self.scope
    }

    pub(crate) fn order(&self) -> Order {
        self.order
    }

    pub(crate) fn filter(&self) -> &str {
        &self.filter
    }

    pub(crate) fn is_typing(&self) -> bool {
        self.is_typing
    }

    pub(crate) fn shows_callers(&self) -> bool {
        self.shows_callers
    }

    pub(crate) fn first(&self, part: Focus) -> usize {
        self.first[part as usize]
    }

    pub(crate) fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::contended;

    fn state() -> State {
        State::new("python app.py".into(), contended())
    }

    fn type_text(state: &mut State, text: &str) {
        for letter in text.chars() {
            assert_eq!(state.press(Key::Letter(letter)), None);
        }
    }

    fn later() -> Profile {
        let mut parts = contended().into_parts();
        parts.wall_ns *= 2;
        Profile::assemble(parts)
    }

    #[test]
    fn while_paused_the_same_is_shown_and_afterwards_the_latest() {
        let mut state = state();
        state.press(Key::Letter('p'));
        state.press(Key::Letter('w'));
        state.look(later());
        assert_eq!(state.seen().profile.wall_ns(), contended().wall_ns());
        state.press(Key::Letter(' '));
        assert_eq!(state.seen().profile.wall_ns(), later().wall_ns());
    }

    #[test]
    fn while_a_filter_is_typed_letters_are_no_commands() {
        let mut state = state();
        type_text(&mut state, "/quick");
        state.press(Key::Backspace);
        assert_eq!(state.filter(), "quic");
        state.press(Key::Enter);
        assert_eq!(state.press(Key::Letter('q')), Some(Wish::Quit));
        assert_eq!(state.filter(), "quic");
        state.press(Key::Escape);
        assert_eq!(state.filter(), "");
    }

    #[test]
    fn an_interrupt_quits_also_while_a_filter_is_typed() {
        let mut state = state();
        type_text(&mut state, "/a");
        assert_eq!(state.press(Key::Control('c')), Some(Wish::Quit));
    }

    #[test]
    fn escape_closes_the_help_before_it_clears_the_filter() {
        let mut state = state();
        type_text(&mut state, "/a");
        state.press(Key::Enter);
        state.press(Key::Letter('h'));
        assert_eq!(state.scrolled(), Focus::Help);
        state.press(Key::Escape);
        assert_eq!((state.scrolled(), state.filter()), (Focus::Threads, "a"));
    }

    #[test]
    fn scrolling_ends_where_the_last_line_can_be_seen() {
        let mut state = state();
        let room = Room {
            lines: 10,
            visible: 4,
        };
        state.drawn([room; 3]);
        state.press(Key::PageDown);
        assert_eq!(state.first(Focus::Threads), 4);
        state.press(Key::PageDown);
        assert_eq!(state.first(Focus::Threads), 6);
        state.press(Key::Up);
        assert_eq!(state.first(Focus::Threads), 5);
        state.press(Key::Tab);
        state.press(Key::End);
        assert_eq!(state.first(Focus::Sites), 6);
        state.press(Key::Home);
        assert_eq!(state.first(Focus::Sites), 0);
    }

    #[test]
    fn a_part_that_became_shorter_is_not_scrolled_beyond_its_end() {
        let mut state = state();
        let room = |lines| Room { lines, visible: 4 };
        state.drawn([room(100); 3]);
        state.press(Key::End);
        state.drawn([room(6); 3]);
        assert_eq!(state.first(Focus::Threads), 2);
    }

    #[test]
    fn a_message_is_there_until_the_next_key() {
        let mut state = state();
        state.say("saved".into());
        assert_eq!(state.message(), Some("saved"));
        state.press(Key::Up);
        assert_eq!(state.message(), None);
    }
}
