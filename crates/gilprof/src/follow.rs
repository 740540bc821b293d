//! Recordings of many processes that one other process reads: each Python asks for a region
//! of its own when it starts, and when it was forked.
//!
//! They ask through a socket whose name no file has, so nothing is left behind by whoever
//! is killed. The answer is the region's file.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gilprof_core::{Ended, Profile};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use rustix::time::clock_gettime;

use crate::ended::EndedProfiles;
use crate::engine::lock;
use crate::error::Error;
use crate::options::Options;
use crate::own_thread::OwnThread;
use crate::shared::{Listener, NOTHING_YET};

/// What the value of [`crate::VARIABLE`] begins with, before the socket's name.
pub(crate) const PREFIX: &str = "follow=";

/// A Python that asks waits no longer for its answer, and runs without being recorded.
const PATIENCE: Duration = Duration::from_secs(1);

/// The reading end of the recordings of a program and of all Pythons that it starts, by
/// fork or as programs of their own.
#[derive(Debug)]
pub struct Follower {
    name: String,
    options: Options,
    guests: Arc<Mutex<Vec<Guest>>>,
    ended: EndedProfiles,
    refused: Vec<Error>,
    is_over: Arc<AtomicBool>,
    host: Option<OwnThread<()>>,
}

/// A process that has asked for a region.
#[derive(Debug)]
struct Guest {
    pid: u32,
    /// Tells when the process has ended.
    process: Option<OwnedFd>,
    listener: Listener,
}

impl Follower {
    /// Makes ready for a program that is about to start.
    ///
    /// # Errors
    /// [`Error::is_option`] where an option is not allowed, [`Error::Os`] where there can be
    /// no socket.
    pub fn new(options: Options) -> Result<Self, Error> {
        options.sizes()?;
        let cannot = |source| Error::Os {
            what: "make a socket for the program to ask".into(),
            source,
        };
        let name = name();
        let address = SocketAddr::from_abstract_name(&name).map_err(cannot)?;
        let socket = UnixListener::bind_addr(&address).map_err(cannot)?;
        let guests: Arc<Mutex<Vec<Guest>>> = Arc::default();
        let is_over = Arc::new(AtomicBool::new(false));
        let host = {
            let (guests, is_over) = (Arc::clone(&guests), Arc::clone(&is_over));
            OwnThread::spawn("gilprof-host", move || {
                receive(&socket, options, &guests, &is_over);
            })
        };
        Ok(Follower {
            name,
            options,
            guests,
            ended: EndedProfiles::default(),
            refused: Vec::new(),
            is_over,
            host: Some(host.map_err(cannot)?),
        })
    }

    /// The value of [`crate::VARIABLE`] for the program.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{},{}", self.name, self.options)
    }

    /// Reads what is new; says how long the caller may wait before the next time without a
    /// loss of events.
    pub fn poll(&mut self) -> Duration {
        let mut guests = lock(&self.guests);
        let pauses = guests.iter_mut().map(|guest| guest.listener.poll());
        let pause = pauses.min().unwrap_or(NOTHING_YET);
        let gone: Vec<(Guest, Ended)> = take_ended(&mut guests);
        drop(guests);
        for (guest, ended) in gone {
            self.settle(guest, Some(ended));
        }
        pause
    }

    /// Asks the kernel what no hook sees, as [`Listener::look_at_threads`] does.
    pub fn look_at_threads(&mut self) {
        let mut guests = lock(&self.guests);
        guests
            .iter_mut()
            .for_each(|guest| guest.listener.look_at_threads());
    }

    /// What was recorded, with a row for each process, or `None` if no Python came. `ended`
    /// says how the process of that id ended, if one is known to have. Nobody else is taken
    /// in after that.
    ///
    /// # Errors
    /// The reason where no interpreter that came can be profiled.
    pub fn finish(mut self, ended: Option<(u32, Ended)>) -> Result<Option<Profile>, Error> {
        self.end_host();
        let guests = std::mem::take(&mut *lock(&self.guests));
        for guest in guests {
            let known = ended.filter(|&(pid, _)| pid == guest.pid);
            let how = known.map(|(_, how)| how).or_else(|| guest.ended());
            self.settle(guest, how);
        }
        let Some(profile) = self.ended.merged_with([]) else {
            let refused = std::mem::take(&mut self.refused).into_iter().next();
            return refused.map_or(Ok(None), Err);
        };
        let mut parts = profile.into_parts();
        let refused = self.refused.iter();
        parts
            .notes
            .extend(refused.map(|error| format!("a process was not recorded: {error}")));
        parts.notes.dedup();
        Ok(Some(Profile::assemble(parts)))
    }

    fn settle(&mut self, mut guest: Guest, ended: Option<Ended>) {
        match guest.listener.profile(ended) {
            Ok(Some(profile)) => self.ended.add(profile),
            Ok(None) => (),
            Err(error) => self.refused.push(error),
        }
    }

    fn end_host(&mut self) {
        self.is_over.store(true, SeqCst);
        if let Some(host) = self.host.take() {
            // One more that asks: it looks up then.
            if connect(&self.name).is_ok() {
                host.join();
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.end_host();
    }
}

impl Guest {
    fn of(peer: &UnixStream, options: Options) -> Result<Self, Error> {
        let credentials = socket_peercred(peer).map_err(|error| refused(error.into()))?;
        let own = rustix::process::geteuid();
        if credentials.uid != own && !own.is_root() && !credentials.uid.is_root() {
            return Err(refused(io::ErrorKind::PermissionDenied.into()));
        }
        let pid = credentials.pid;
        let mut listener = Listener::new(options)?;
        let process = pidfd_open(pid, PidfdFlags::empty()).ok();
        let pid = Pid::as_raw(Some(pid)).unsigned_abs();
        listener.expect(pid);
        Ok(Guest {
            pid,
            process,
            listener,
        })
    }

    /// How its process ended, if it has. Of one that is not a child of ours nobody tells
    /// whether it was killed.
    fn ended(&self) -> Option<Ended> {
        let process = self.process.as_ref()?;
        let mut wanted = [PollFd::new(process, PollFlags::IN)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let ready = poll(&mut wanted, Some(&at_once)).is_ok_and(|count| count > 0);
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        ready.then(|| match waitid(WaitId::PidFd(process.as_fd()), look) {
            Ok(Some(status)) if status.killed() || status.dumped() => Ended::Killed,
            _ => Ended::Exited,
        })
    }
}

/// Those whose processes have ended, or are another program by now, which has asked too.
fn take_ended(guests: &mut Vec<Guest>) -> Vec<(Guest, Ended)> {
    let pids: Vec<u32> = guests.iter().map(|guest| guest.pid).collect();
    let mut gone = Vec::new();
    let all = std::mem::take(guests).into_iter().enumerate();
    for (at, guest) in all {
        let again = pids.iter().skip(at + 1).any(|&pid| pid == guest.pid);
        match guest.ended().or(again.then_some(Ended::Exited)) {
            Some(ended) => gone.push((guest, ended)),
            None => guests.push(guest),
        }
    }
    gone
}

/// A name that no other socket has.
fn name() -> String {
    let now = clock_gettime(rustix::time::ClockId::Monotonic);
    format!("gilprof-{}-{}", std::process::id(), now.tv_nsec)
}

/// Gives each process that asks a region, until it is over.
fn receive(
    socket: &UnixListener,
    options: Options,
    guests: &Mutex<Vec<Guest>>,
    is_over: &AtomicBool,
) {
    for peer in socket.incoming() {
        if is_over.load(SeqCst) {
            return;
        }
        // Whom nothing can be given to runs without being recorded.
        if let Ok(peer) = peer
            && let Ok(guest) = Guest::of(&peer, options)
            && send(&peer, guest.listener.file()).is_ok()
        {
            lock(guests).push(guest);
        }
    }
}

fn send(peer: &UnixStream, file: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file];
    if !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::ErrorKind::OutOfMemory.into());
    }
    sendmsg(
        peer,
        &[IoSlice::new(b"r")],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    Ok(())
}

fn connect(name: &str) -> io::Result<UnixStream> {
    UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)
}

/// The file of a region for this process, from whoever follows it.
///
/// # Errors
/// [`Error::Os`] where nobody answers.
pub(crate) fn ask(name: &str) -> Result<OwnedFd, Error> {
    let answer = || -> io::Result<OwnedFd> {
        let socket = connect(name)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut into = [IoSliceMut::new(&mut byte)];
        recvmsg(&socket, &mut into, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let mut files = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        });
        let file = files.next().and_then(|mut files| files.next());
        file.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    };
    answer().map_err(refused)
}

fn refused(source: io::Error) -> Error {
    Error::Os {
        what: "get a region from the gilprof that follows this program".into(),
        source,
    }
}
