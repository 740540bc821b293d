//! What comes in: keys, and signals.

use std::io::{self, Stdin};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use super::keys::{Key, Keys};
use crate::signals::ignored;

/// Signals that end the program.
const ENDING: [Signal; 4] = [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM];
/// Signals that concern the terminal.
const OTHERS: [Signal; 3] = [Signal::TSTP, Signal::CONT, Signal::WINCH];

/// What has come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Key(Key),
    /// A signal that ends programs.
    End(Signal),
    /// We are to stop for a while.
    Stop,
    /// We go on after a stop: the shell may have changed the terminal.
    Continue,
    /// The window has another size.
    Resize,
    /// The terminal is gone.
    HangUp,
}

/// An ear for keys and signals.
#[derive(Debug)]
pub(crate) struct Input {
    signals: SignalDelivery<UnixStream, SignalOnly>,
    stdin: Stdin,
    keys: Keys,
}

impl Input {
    /// Begins to listen. Signals that end programs and are ignored, as `nohup` has it
    /// for SIGHUP, stay so.
    ///
    /// # Errors
    /// Where the system refuses.
    pub(crate) fn listen() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let ignored = ignored();
        let ending = ENDING.iter().map(|signal| signal.as_raw());
        let ending = ending.filter(|signal| ignored & (1 << (signal - 1)) == 0);
        let all = ending.chain(OTHERS.iter().map(|signal| signal.as_raw()));
        Ok(Input {
            signals: SignalDelivery::with_pipe(read, write, SignalOnly, all)?,
            stdin: io::stdin(),
            keys: Keys::default(),
        })
    }

    /// What has come in, for which it waits, but not longer than `pause`.
    ///
    /// # Errors
    /// Where the system refuses.
    pub(crate) fn hear(&mut self, pause: Duration) -> io::Result<Vec<Heard>> {
        let stdin = self.wait(pause)?;
        let mut heard: Vec<Heard> = self.signals.pending().filter_map(signal).collect();
        if stdin.contains(PollFlags::IN) {
            heard.extend(self.read()?);
        } else if stdin.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL) {
            heard.push(Heard::HangUp);
        }
        Ok(heard)
    }

    /// Whether there is something at the terminal.
    fn wait(&self, pause: Duration) -> io::Result<PollFlags> {
        let mut fds = [
            PollFd::new(&self.stdin, PollFlags::IN),
            PollFd::new(self.signals.get_read(), PollFlags::IN),
        ];
        let timeout = Timespec {
            tv_sec: pause.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: pause.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) => Ok(fds[0].revents()),
            // By a signal, which is in the other one.
            Err(rustix::io::Errno::INTR) => Ok(PollFlags::empty()),
            Err(error) => Err(error.into()),
        }
    }

    fn read(&mut self) -> io::Result<Vec<Heard>> {
        let mut bytes = [0; 1024];
        match rustix::io::read(&self.stdin, &mut bytes) {
            Ok(0) | Err(rustix::io::Errno::IO) => Ok(vec![Heard::HangUp]),
            Ok(length) => Ok(self
                .keys
                .read(&bytes[..length])
                .into_iter()
                .map(Heard::Key)
                .collect()),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

fn signal(number: i32) -> Option<Heard> {
    let signal = Signal::from_named_raw(number)?;
    let heard = match signal {
        Signal::TSTP => Heard::Stop,
        Signal::CONT => Heard::Continue,
        Signal::WINCH => Heard::Resize,
        signal if ENDING.contains(&signal) => Heard::End(signal),
        _ => return None,
    };
    Some(heard)
}
