//! Stalls, written down by the reader's thread: nobody has to have the GIL for that.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::SystemTime;

use gilprof_core::Stall;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// A pipe takes so much at once or nothing.
const LONGEST: usize = 4_096;

/// Writes each stall to a file, a pipe or a terminal: when, which process, and what
/// [`Stall`] says. What a full pipe does not take is left out and counted.
///
/// ```no_run
/// # use std::{os::fd::AsFd, time::Duration};
/// # let session = gilprof::Profiler::builder().start()?;
/// let errors = std::io::stderr().as_fd().try_clone_to_owned().expect("a free descriptor");
/// let mut log = gilprof::StallLog::new(errors);
/// let watch = session.watch(Duration::from_millis(100), move |stall| log.write(stall))?;
/// # Ok::<(), gilprof::Error>(())
/// ```
#[derive(Debug)]
pub struct StallLog {
    file: File,
    lost: u64,
}

impl StallLog {
    /// A log in this file.
    pub fn new(file: OwnedFd) -> Self {
        StallLog {
            file: File::from(file),
            lost: 0,
        }
    }

    /// Writes one stall. Never waits.
    pub fn write(&mut self, stall: &Stall) {
        let text = self.entry(stall, SystemTime::now());
        match self.takes_now() && self.file.write_all(&text).is_ok() {
            true => self.lost = 0,
            false => self.lost += 1,
        }
    }

    fn entry(&self, stall: &Stall, now: SystemTime) -> Vec<u8> {
        let time = humantime::format_rfc3339_millis(now);
        let pid = std::process::id();
        let lost = match self.lost {
            0 => String::new(),
            lost => format!("{lost} entries before this one found no room\n"),
        };
        let text = format!("{lost}{time} gilprof[{pid}]: {stall}");
        let mut end = text.len().min(LONGEST - 1);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = text.into_bytes();
        bytes.truncate(end);
        bytes.push(b'\n');
        bytes
    }

    fn takes_now(&self) -> bool {
        let mut polled = [PollFd::from_borrowed_fd(self.file.as_fd(), PollFlags::OUT)];
        let ready = poll(&mut polled, Some(&Timespec::default()));
        ready.is_ok() && polled[0].revents().contains(PollFlags::OUT)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read, pipe};

    use super::*;

    fn stall() -> Stall {
        Stall {
            name: "hog".into(),
            held_ns: 104_000_000,
            waiters: 1,
            ..Stall::default()
        }
    }

    fn log() -> (StallLog, PipeReader) {
        let (reader, writer) = pipe().unwrap();
        (StallLog::new(writer.into()), reader)
    }

    #[test]
    fn an_entry_says_when_and_which_process() {
        let (log, _reader) = log();
        let entry = log.entry(&stall(), SystemTime::UNIX_EPOCH);
        let expected = format!(
            "1970-01-01T00:00:00.000Z gilprof[{}]: {}\n",
            std::process::id(),
            stall()
        );
        assert_eq!(String::from_utf8(entry).unwrap(), expected);
    }

    #[test]
    fn a_pipe_that_is_full_is_not_waited_for_and_what_it_missed_is_counted() {
        let (mut log, mut reader) = log();
        let mut written = 0;
        while log.lost < 3 {
            log.write(&stall());
            written += 1;
        }
        assert!(written > 3);
        let entry = log.entry(&stall(), SystemTime::UNIX_EPOCH).len();
        let mut room = vec![0; LONGEST.max(entry) * 2];
        reader.read_exact(&mut room).unwrap();
        log.write(&stall());
        assert_eq!(log.lost, 0);
        drop(log);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        let told = rest.lines().filter(|line| line.contains("found no room"));
        assert_eq!(
            told.collect::<Vec<_>>(),
            ["3 entries before this one found no room"]
        );
    }

    #[test]
    fn an_entry_fits_into_a_pipe_at_once() {
        let (log, _reader) = log();
        let long = Stall {
            name: "ä".repeat(LONGEST),
            ..stall()
        };
        let entry = log.entry(&long, SystemTime::UNIX_EPOCH);
        assert!(entry.len() <= LONGEST && entry.ends_with(b"\n"));
        assert!(String::from_utf8(entry).is_ok());
    }

    #[test]
    fn who_reads_no_more_is_written_to_no_more() {
        let (mut log, reader) = log();
        drop(reader);
        log.write(&stall());
        assert_eq!(log.lost, 1);
    }
}
