//! A hold that others wait for, told while it lasts.

use std::fmt;

use crate::frame::Frame;
use crate::verdict::words::duration;

/// So many frames are written; there may be more.
const WRITTEN: usize = 16;

/// A hold that has lasted for long while others wait, as it is at one moment; and once more
/// when it is over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stall {
    /// Index of the GIL.
    pub gil: u32,
    /// gilprof's number of the thread that holds.
    pub thread: u64,
    /// The operating system's number of it; `None` where it is not known any more.
    pub native_id: Option<u32>,
    /// Its name; empty where it has none.
    pub name: String,
    /// For how long in ns it has held the GIL by now; of a hold that is over, in all.
    pub held_ns: u64,
    /// How many threads wait for it; of a hold that is over, how many did when it was told.
    pub waiters: u64,
    /// Whether the hold is over.
    pub is_over: bool,
    /// The functions of Python in which the thread was seen most during the hold, the
    /// innermost first. Empty where it is not known; so is that of every GIL but the first.
    pub stack: Vec<Frame>,
    /// The native functions that the innermost of them had called, innermost first. Empty
    /// where they are not known or there were none.
    pub native: Vec<Frame>,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.is_empty() {
            true => write!(f, "thread {}", self.thread)?,
            false => write!(f, "thread '{}'", self.name)?,
        }
        let held = duration(self.held_ns);
        if self.is_over {
            return write!(f, " let go of the GIL after {held}");
        }
        match self.waiters {
            1 => write!(f, " has held the GIL for {held}, and 1 thread waits for it")?,
            many => write!(
                f,
                " has held the GIL for {held}, and {many} threads wait for it"
            )?,
        }
        let named = self.native.iter().filter(|frame| frame.is_named());
        for function in named.take(WRITTEN) {
            write!(f, "\n  in {} ({})", function.function, function.file)?;
        }
        for frame in self.stack.iter().take(WRITTEN) {
            write!(f, "\n  at {} in {}", frame.place(), frame.function)?;
        }
        match (self.stack.len(), self.stack.len().saturating_sub(WRITTEN)) {
            (0, _) => write!(f, "\n  where is not known"),
            (_, 0) => Ok(()),
            (_, more) => write!(f, "\n  … {more} more frames"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stall() -> Stall {
        let frame = |function: &str, line| Frame {
            function: function.into(),
            file: "/srv/app.py".into(),
            line,
            native: false,
        };
        Stall {
            thread: 7,
            name: "hog".into(),
            held_ns: 104_000_000,
            waiters: 2,
            stack: vec![frame("dump", 12), frame("main", 90)],
            native: vec![
                Frame::of_native(None, "libc.so.6"),
                Frame::of_native(Some("py_encode_basestring".into()), "_json.so"),
                Frame::of_native(Some("encoder_call".into()), "_json.so"),
            ],
            ..Stall::default()
        }
    }

    #[test]
    fn it_says_who_holds_for_how_long_and_where() {
        assert_eq!(
            stall().to_string(),
            "thread 'hog' has held the GIL for 104 ms, and 2 threads wait for it\n  \
             in py_encode_basestring (_json.so)\n  \
             in encoder_call (_json.so)\n  \
             at /srv/app.py:12 in dump\n  \
             at /srv/app.py:90 in main"
        );
    }

    #[test]
    fn what_is_not_known_is_said() {
        let bare = Stall {
            name: String::new(),
            waiters: 1,
            stack: Vec::new(),
            native: Vec::new(),
            ..stall()
        };
        assert_eq!(
            bare.to_string(),
            "thread 7 has held the GIL for 104 ms, and 1 thread waits for it\n  \
             where is not known"
        );
    }

    #[test]
    fn the_end_is_one_line() {
        let over = Stall {
            held_ns: 10_000_000_000,
            is_over: true,
            ..stall()
        };
        assert_eq!(
            over.to_string(),
            "thread 'hog' let go of the GIL after 10.0 s"
        );
    }

    #[test]
    fn a_deep_stack_is_cut() {
        let mut deep = stall();
        deep.stack = vec![deep.stack[0].clone(); WRITTEN + 3];
        assert!(deep.to_string().ends_with("\n  … 3 more frames"));
    }
}
