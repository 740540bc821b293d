//! Listens, and serves all clients at once.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use gilprof_metrics::openmetrics;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::engine::engine;
use crate::error::Error;
use crate::session::Session;

use super::client::Client;
use super::endpoint::Endpoint;

/// So many clients there are at a time; the oldest leaves when there is one more.
const CLIENTS: usize = 32;

/// After a client could not be let in, as where this process has no more room for files.
const REST: Duration = Duration::from_millis(100);

/// All that the thread has to do with. It outlives the thread where that ends for a fork.
#[derive(Debug)]
pub(crate) struct Server {
    endpoint: Endpoint,
    clients: Vec<Client>,
    rests_until: Option<Instant>,
    /// While it is open, nobody waits for the GIL with a lock that a profile needs.
    session: Session,
}

impl Server {
    pub(super) fn new(endpoint: Endpoint, session: Session) -> Self {
        Server {
            endpoint,
            clients: Vec::new(),
            rests_until: None,
            session,
        }
    }

    pub(super) fn into_session(self) -> Session {
        self.session
    }

    /// Serves until there is something to read of `wake`.
    pub(super) fn run(mut self, wake: &OwnedFd) -> Self {
        loop {
            let ready = self.wait(wake);
            match ready.as_slice() {
                [false, comes, clients @ ..] => self.turn(*comes, clients),
                _ => return self,
            }
        }
    }

    /// Which of `wake`, the endpoint and the clients have something for us; after a while,
    /// none.
    fn wait(&mut self, wake: &OwnedFd) -> Vec<bool> {
        let now = Instant::now();
        self.rests_until = self.rests_until.filter(|&until| until > now);
        let comes = match self.rests_until {
            Some(_) => PollFlags::empty(),
            None => PollFlags::IN,
        };
        let mut files = vec![
            PollFd::new(wake, PollFlags::IN),
            PollFd::new(&self.endpoint, comes),
        ];
        let clients = self.clients.iter();
        files.extend(clients.map(|one| PollFd::new(one, one.awaited())));
        let until = self.clients.iter().map(Client::until);
        let next = until.chain(self.rests_until).min();
        let timeout = next.map(|next| timespec(next.saturating_duration_since(now)));
        if poll(&mut files, timeout.as_ref()).is_err() {
            // Interrupted, or short of memory: none is ready for sure.
            std::thread::yield_now();
            return vec![false; files.len()];
        }
        let ready = files.iter().map(|file| !file.revents().is_empty());
        ready.collect()
    }

    fn turn(&mut self, comes: bool, clients: &[bool]) {
        let now = Instant::now();
        let mut ready = clients.iter();
        self.clients.retain_mut(|client| match ready.next() {
            Some(true) => client.go_on(metrics) && client.until() > now,
            _ => client.until() > now,
        });
        if comes {
            self.let_in();
        }
    }

    fn let_in(&mut self) {
        match self.endpoint.accept() {
            Ok(socket) => {
                if self.clients.len() == CLIENTS {
                    self.clients.remove(0);
                }
                self.clients.push(Client::new(socket));
            }
            // It has left already.
            Err(error) if is_passing(&error) => (),
            Err(_refused) => self.rests_until = Some(Instant::now() + REST),
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | Interrupted | WouldBlock)
}

/// The text of now. It takes no GIL, and no lock that anybody holds who waits for one.
fn metrics() -> Result<String, Error> {
    let whole = engine().part(0)?;
    Ok(openmetrics(&whole.into_profile()?))
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        // Some seconds.
        tv_sec: duration.as_secs() as i64,
        tv_nsec: duration.subsec_nanos().into(),
    }
}
