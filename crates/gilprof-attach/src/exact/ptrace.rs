//! Sending one thread of another process on an errand, by ptrace.
//!
//! The thread is stopped, its registers are read, and it is let go again at the beginning
//! of the errand's machine code, which takes it back to where it was. That is all that
//! ptrace is used for. A tracer that dies in between leaves a thread that goes on where
//! it was, or one that is on its errand: the kernel lets go of what it traced.
//!
//! Any moment is right, inside of malloc or of the loader, since an errand calls nothing
//! of the program's. The two exceptions are seen and waited out: a signal that is about
//! to be handled, and a restartable sequence (rseq(2)), which the kernel must see.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use gilprof_code::Memory;
use gilprof_os::hurry;
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, gettid};

use crate::error::Error;
use crate::exact::candidates::{self, Candidate};
use crate::exact::errand::Errand;
use crate::exact::registers::Registers;
use crate::exact::remote::Remote;

/// How long it is tried with all threads of a process.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a single thread may take to stop: it has to be given a CPU first.
const STOPPING: Duration = Duration::from_millis(200);
/// How long is waited between two looks.
const PAUSE: Duration = Duration::from_micros(50);

/// What came of an attempt with one thread.
enum Attempt {
    /// It is on its way; it stood still for so long.
    Sent(Duration),
    /// Not now, for this reason.
    Busy(&'static str),
    /// It has ended.
    Gone,
}

/// Where the machine code of an errand goes, for a thread with this id that stands still at
/// this instruction: memory of the process that can be executed and in which no thread is
/// or has yet to come home to. `None` where there is none for this thread.
pub(crate) trait PlaceFor: Fn(i32, u64) -> Result<Option<u64>, Error> + Sync {}

impl<T: Fn(i32, u64) -> Result<Option<u64>, Error> + Sync> PlaceFor for T {}

/// Sends a thread on an errand. Says for how long the thread stood still.
///
/// # Errors
/// [`Error::Refused`] where the process may not be traced or none of its threads could be
/// stopped; with what they are doing.
pub(crate) fn send(
    remote: &Remote,
    place: impl PlaceFor,
    errand: &Errand,
) -> Result<Duration, Error> {
    let pid = remote.pid();
    let began = Instant::now();
    loop {
        let threads = candidates::of(pid);
        if threads.is_empty() {
            return Err(Error::refused(format!("process {pid} has ended")));
        }
        let mut reason = "none can be stopped";
        for thread in threads.iter().filter(|thread| thread.is_hopeful()) {
            match attempt_alone(remote, thread.tid, &place, errand)? {
                Attempt::Sent(paused) => return Ok(paused),
                Attempt::Busy(why) => reason = why,
                Attempt::Gone => (),
            }
        }
        if began.elapsed() > PATIENCE {
            return Err(nobody(pid, &threads, reason));
        }
        thread::sleep(PAUSE);
    }
}

fn nobody(pid: u32, threads: &[Candidate], reason: &str) -> Error {
    let few = threads.iter().take(4);
    let doing: Vec<_> = few
        .map(|thread| format!("thread {}: {}", thread.tid, thread.doing))
        .collect();
    Error::refused(format!(
        "no thread of process {pid} could be borrowed within {} s ({reason}); {}",
        PATIENCE.as_secs(),
        doing.join("; ")
    ))
}

/// An attempt in a thread of its own: with its end, the kernel lets go of what it traced,
/// even of a thread that has not stopped yet.
fn attempt_alone(
    remote: &Remote,
    tid: i32,
    place: &impl PlaceFor,
    errand: &Errand,
) -> Result<Attempt, Error> {
    thread::scope(|scope| {
        let tracer = scope.spawn(|| {
            let attempted = attempt(remote, Pid::from_raw(tid), place, errand);
            (gettid(), attempted)
        });
        let failed = || Error::refused("the thread that traces has failed".to_owned());
        let (tracer, attempted) = tracer.join().map_err(|_| failed())?;
        if !matches!(attempted, Ok(Attempt::Sent(_))) {
            await_end(tracer);
        }
        attempted
    })
}

/// Waits until the kernel is done with a thread of ours that has been joined: until then
/// it may trace what nobody else may trace.
fn await_end(tracer: Pid) {
    let place = format!("/proc/self/task/{tracer}");
    let began = Instant::now();
    while Path::new(&place).exists() && began.elapsed() < STOPPING {
        thread::sleep(PAUSE);
    }
}

fn attempt(
    remote: &Remote,
    tid: Pid,
    place: &impl PlaceFor,
    errand: &Errand,
) -> Result<Attempt, Error> {
    // While the thread stands still, nobody else should keep us from letting it go.
    hurry();
    match ptrace::seize(tid, ptrace::Options::empty()) {
        Ok(()) => (),
        Err(Errno::ESRCH) => return Ok(Attempt::Gone),
        // A thread that is about to vanish is refused like one that may not be traced.
        Err(Errno::EPERM) if !candidates::lives(remote.pid(), tid.as_raw()) => {
            return Ok(Attempt::Gone);
        }
        Err(error) => return Err(forbidden(remote.pid(), error)),
    }
    let began = Instant::now();
    let sent = match ptrace::interrupt(tid).map_err(|_| Attempt::Gone) {
        Ok(()) => match await_stop(tid) {
            Ok(()) => redirect(remote, tid, place, errand)?,
            Err(attempt) => return Ok(attempt),
        },
        Err(gone) => return Ok(gone),
    };
    let let_go = ptrace::detach(tid, None);
    Ok(match (sent, let_go) {
        (Some(why), _) => Attempt::Busy(why),
        (None, Ok(())) => Attempt::Sent(began.elapsed()),
        (None, Err(_)) => Attempt::Gone,
    })
}

fn forbidden(pid: u32, error: Errno) -> Error {
    Error::refused(format!(
        "process {pid} may not be traced: {error}; it needs the same user and ptrace allowed \
         (kernel.yama.ptrace_scope), or CAP_SYS_PTRACE, and no other tracer"
    ))
}

/// Waits until the thread stands still because we asked for it. Signals that arrive
/// meanwhile go on to the program.
fn await_stop(tid: Pid) -> Result<(), Attempt> {
    let flags = WaitPidFlag::__WALL | WaitPidFlag::WNOHANG;
    let began = Instant::now();
    while began.elapsed() < STOPPING {
        match waitpid(tid, Some(flags)) {
            Ok(WaitStatus::PtraceEvent(_, Signal::SIGTRAP, libc::PTRACE_EVENT_STOP)) => {
                return Ok(());
            }
            Ok(WaitStatus::PtraceEvent(_, _, libc::PTRACE_EVENT_STOP)) => {
                let _ = ptrace::detach(tid, None);
                return Err(Attempt::Busy("the process is stopped (SIGSTOP)"));
            }
            Ok(WaitStatus::Stopped(_, signal)) => {
                let _ = ptrace::cont(tid, signal);
            }
            Ok(WaitStatus::StillAlive) => pause(began),
            Ok(_) | Err(_) => return Err(Attempt::Gone),
        }
    }
    Err(Attempt::Busy("it did not stop in time"))
}

/// A blocked thread stops within microseconds, a running one when it is on a CPU.
fn pause(began: Instant) {
    match began.elapsed() < PAUSE {
        true => thread::yield_now(),
        false => thread::sleep(PAUSE),
    }
}

/// Makes a stopped thread go on at the errand, or says why not.
fn redirect(
    remote: &Remote,
    tid: Pid,
    place: &impl PlaceFor,
    errand: &Errand,
) -> Result<Option<&'static str>, Error> {
    let Ok(registers) = ptrace::getregs(tid).map(Registers) else {
        return Ok(Some("its registers cannot be read"));
    };
    if has_signal(remote.pid(), tid) {
        return Ok(Some("a signal is about to be handled"));
    }
    if is_in_sequence(remote, tid, registers.0.rip) {
        return Ok(Some("it is in a restartable sequence"));
    }
    let Some(place) = place(tid.as_raw(), registers.0.rip)? else {
        return Ok(Some(
            "threads that were borrowed before have not come to run",
        ));
    };
    let code = errand.clone().back_to(&registers.resumed());
    remote.write(place, &code)?;
    if !shows(tid, place, &code) {
        return Ok(Some("it has begun another program"));
    }
    let sent = ptrace::setregs(tid, registers.sent_to(place).0);
    Ok(sent.err().map(|_| "its registers cannot be written"))
}

/// Whether the thread has this code in its memory: not if it has executed another
/// program since that memory was opened.
fn shows(tid: Pid, place: u64, code: &[u8]) -> bool {
    let words = (place..).step_by(8).zip(code.as_chunks::<8>().0);
    words.into_iter().all(|(address, word)| {
        let address = std::ptr::without_provenance_mut(address as usize);
        ptrace::read(tid, address).is_ok_and(|found| found.to_ne_bytes() == *word)
    })
}

/// Whether the kernel is to deliver a signal: it decides then by the interrupted system
/// call whether that fails, and must see the thread in it.
fn has_signal(pid: u32, tid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/task/{tid}/status"));
    status.map_or(true, |status| {
        let set = |name| signals(&status, name).unwrap_or(0);
        (set("SigPnd:") | set("ShdPnd:")) & !set("SigBlk:") != 0
    })
}

fn signals(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// What PTRACE_GET_RSEQ_CONFIGURATION tells (linux/ptrace.h, 5.13).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RseqConfiguration {
    address: u64,
    size: u32,
    signature: u32,
    flags: u32,
    padding: u32,
}

const PTRACE_GET_RSEQ_CONFIGURATION: libc::c_uint = 0x420f;

/// Whether the thread is in a restartable sequence: the kernel restarts it after a stop,
/// but not a thread that it finds elsewhere.
fn is_in_sequence(remote: &Remote, tid: Pid, rip: u64) -> bool {
    let mut found = RseqConfiguration::default();
    // SAFETY: the kernel writes up to so many bytes into `found`, whose size it is.
    let size = unsafe {
        libc::ptrace(
            PTRACE_GET_RSEQ_CONFIGURATION,
            tid.as_raw(),
            size_of::<RseqConfiguration>(),
            &raw mut found,
        )
    };
    if size <= 0 || found.address == 0 {
        return false;
    }
    // struct rseq: two 32-bit numbers, then the address of the sequence it is in; struct
    // rseq_cs: two 32-bit numbers, then where it starts and how long it is.
    let Some(sequence @ 1..) = remote.word(found.address + 8) else {
        return false;
    };
    let start = remote.word(sequence.wrapping_add(8)).unwrap_or(0);
    let length = remote.word(sequence.wrapping_add(16)).unwrap_or(0);
    rip.wrapping_sub(start) < length
}

#[cfg(test)]
mod tests;
