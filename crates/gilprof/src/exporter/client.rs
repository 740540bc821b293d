//! One client, from its question to its leave.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};

use crate::error::Error;

use super::answer::{LONGEST, answer};

/// For so long a client may take to ask, and as long again to read the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// For so long it may take to leave. If we closed before it has, what it sent in vain would
/// have its kernel throw the answer away.
const LEAVE: Duration = Duration::from_secs(1);

/// One client; nothing of it ever blocks.
#[derive(Debug)]
pub(super) struct Client {
    socket: OwnedFd,
    step: Step,
    until: Instant,
}

#[derive(Debug)]
enum Step {
    /// It has sent this so far.
    Asks(Vec<u8>),
    /// This is left of the answer.
    Reads(Vec<u8>),
    /// It has all of it.
    Leaves,
}

impl Client {
    pub(super) fn new(socket: OwnedFd) -> Self {
        Client {
            socket,
            step: Step::Asks(Vec::new()),
            until: Instant::now() + PATIENCE,
        }
    }

    /// What it is waited for.
    pub(super) fn awaited(&self) -> PollFlags {
        match self.step {
            Step::Asks(_) | Step::Leaves => PollFlags::IN,
            Step::Reads(_) => PollFlags::OUT,
        }
    }

    /// Until when it is waited for.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// Goes on by one step; false where there is none any more.
    pub(super) fn go_on(&mut self, metrics: impl FnOnce() -> Result<String, Error>) -> bool {
        let went = match &mut self.step {
            Step::Asks(_) => self.hear(metrics),
            Step::Reads(_) => self.tell(),
            Step::Leaves => self.discard(),
        };
        went.unwrap_or_else(|errno| matches!(errno, Errno::AGAIN | Errno::INTR))
    }

    fn hear(&mut self, metrics: impl FnOnce() -> Result<String, Error>) -> Result<bool, Errno> {
        let Step::Asks(request) = &mut self.step else {
            return Ok(true);
        };
        let mut piece = [0; 2_048];
        let room = piece.len().min(LONGEST - request.len());
        let (_, read) = recv(&self.socket, &mut piece[..room], RecvFlags::empty())?;
        request.extend_from_slice(&piece[..read]);
        if let Some(told) = answer(request, metrics) {
            self.until = Instant::now() + PATIENCE;
            self.step = Step::Reads(told);
            return self.tell();
        }
        Ok(read > 0)
    }

    fn tell(&mut self) -> Result<bool, Errno> {
        let Step::Reads(rest) = &mut self.step else {
            return Ok(true);
        };
        let sent = send(&self.socket, rest, SendFlags::NOSIGNAL)?;
        rest.drain(..sent);
        if rest.is_empty() {
            shutdown(&self.socket, Shutdown::Write)?;
            self.until = Instant::now() + LEAVE;
            self.step = Step::Leaves;
        }
        Ok(true)
    }

    fn discard(&mut self) -> Result<bool, Errno> {
        let (_, read) = recv(&self.socket, &mut [0; 2_048], RecvFlags::empty())?;
        Ok(read > 0)
    }
}

impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
