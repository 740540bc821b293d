//! Keys, from the bytes that a terminal sends for them.
//!
//! crossterm's own reader is not used: it waits for the rest of a sequence with the
//! whole program, and once the terminal is gone it reads for ever.

/// A key that was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Letter(char),
    /// A letter with the control key.
    Control(char),
    Enter,
    Tab,
    Backspace,
    Escape,
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
}

const ESCAPE: u8 = 0x1b;
/// The longest sequence that is waited for.
const LONGEST: usize = 16;

/// Bytes that have come and are not a key yet.
#[derive(Debug, Default)]
pub(crate) struct Keys(Vec<u8>);

impl Keys {
    /// The keys that these bytes, with what had come before, stand for. What comes in
    /// one piece and ends in an escape ends in that key.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.0.extend_from_slice(bytes);
        let mut keys = Vec::new();
        while let Some((length, key)) = first(&self.0) {
            self.0.drain(..length);
            keys.extend(key);
        }
        if self.0.len() > LONGEST {
            self.0.clear();
        }
        keys
    }
}

/// How many bytes the first key takes, and the key, if it is a known one; `None` where
/// more bytes are needed.
fn first(bytes: &[u8]) -> Option<(usize, Option<Key>)> {
    match bytes {
        [] => None,
        [ESCAPE] => Some((1, Some(Key::Escape))),
        [ESCAPE, b'[', rest @ ..] => sequence(rest).map(|(length, key)| (2 + length, key)),
        [ESCAPE, b'O', letter, ..] => Some((3, named(&[], *letter))),
        [ESCAPE, b'O'] => None,
        [ESCAPE, ..] => Some((1, Some(Key::Escape))),
        [byte @ 0..=0x1f, ..] => Some((1, control(*byte))),
        [0x7f, ..] => Some((1, Some(Key::Backspace))),
        [byte, ..] => letter(bytes, *byte),
    }
}

/// What follows `ESC [`: parameters and a final byte.
fn sequence(rest: &[u8]) -> Option<(usize, Option<Key>)> {
    let end = rest.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
    Some((end + 1, named(&rest[..end], rest[end])))
}

fn named(parameters: &[u8], last: u8) -> Option<Key> {
    match (parameters, last) {
        (_, b'A') => Some(Key::Up),
        (_, b'B') => Some(Key::Down),
        (_, b'H') | (b"1" | b"7", b'~') => Some(Key::Home),
        (_, b'F') | (b"4" | b"8", b'~') => Some(Key::End),
        (b"5", b'~') => Some(Key::PageUp),
        (b"6", b'~') => Some(Key::PageDown),
        // Enter on the number pad.
        ([], b'M') => Some(Key::Enter),
        _ => None,
    }
}

fn control(byte: u8) -> Option<Key> {
    match byte {
        b'\r' | b'\n' => Some(Key::Enter),
        b'\t' => Some(Key::Tab),
        0x08 => Some(Key::Backspace),
        0x01..=0x1a => Some(Key::Control((byte - 1 + b'a') as char)),
        _ => None,
    }
}

/// A character, of one to four bytes; bytes that are none are passed over.
fn letter(bytes: &[u8], byte: u8) -> Option<(usize, Option<Key>)> {
    let length = match byte {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let character = bytes.get(..length)?;
    match std::str::from_utf8(character)
        .ok()
        .and_then(|text| text.chars().next())
    {
        Some(character) => Some((length, Some(Key::Letter(character)))),
        None => Some((1, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        Keys::default().read(bytes)
    }

    #[test]
    fn keys_are_told_apart() {
        use Key::*;
        assert_eq!(
            keys(b"q\x1b[A\x1bOB\x1b[5~\x1b[6~\r\t\x7f\x03"),
            [
                Letter('q'),
                Up,
                Down,
                PageUp,
                PageDown,
                Enter,
                Tab,
                Backspace,
                Control('c')
            ]
        );
        assert_eq!(keys(b"\x1b[H\x1b[4~\x1bOF"), [Home, End, End]);
        assert_eq!(keys("é線".as_bytes()), [Letter('é'), Letter('線')]);
    }

    #[test]
    fn an_escape_by_itself_is_a_key() {
        assert_eq!(keys(b"\x1b"), [Key::Escape]);
        assert_eq!(keys(b"\x1bq"), [Key::Escape, Key::Letter('q')]);
    }

    #[test]
    fn what_comes_in_pieces_is_put_together() {
        let mut all = Keys::default();
        assert_eq!(all.read(b"\x1b["), []);
        assert_eq!(all.read(b"6"), []);
        assert_eq!(all.read(b"~q"), [Key::PageDown, Key::Letter('q')]);
        assert_eq!(all.read(&"線".as_bytes()[..2]), []);
        assert_eq!(all.read(&"線".as_bytes()[2..]), [Key::Letter('線')]);
    }

    #[test]
    fn unknown_sequences_and_bytes_are_passed_over() {
        assert_eq!(keys(b"\x1b[200~\x1b[24~\xff\x80q"), [Key::Letter('q')]);
        let mut all = Keys::default();
        assert_eq!(all.read(b"\x1b[000000000000000000"), []);
        assert_eq!(all.read(b"q"), [Key::Letter('q')]);
    }
}
