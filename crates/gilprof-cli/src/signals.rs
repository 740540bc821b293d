//! Signals that were sent to us, and which of them are meant for the program.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::iterator::exfiltrator::origin::Origin;
use signal_hook::low_level::siginfo::Cause;

use crate::error::Error;

/// Signals that are passed on.
const FORWARDED: [Signal; 12] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::ALARM,
    Signal::CONT,
    Signal::TSTP,
    Signal::TTIN,
    Signal::TTOU,
    Signal::WINCH,
];

/// An ear for signals. They are heard through handlers, which a program that
/// is started does not inherit, and not by blocking them, which it would.
#[derive(Debug)]
pub(crate) struct Signals {
    delivery: SignalDelivery<UnixStream, WithOrigin>,
    /// Whether signals do again what they do by default.
    given_up: Arc<AtomicBool>,
}

impl Signals {
    /// Begins to listen. Signals that are ignored, as `nohup` has it for
    /// SIGHUP, stay so here and in the program.
    ///
    /// # Errors
    /// [`Error::Os`] where the system refuses.
    pub(crate) fn listen() -> Result<Self, Error> {
        let refused = |source| Error::Os {
            what: "listen for signals",
            source,
        };
        let ignored = ignored();
        let heard: Vec<i32> = FORWARDED
            .into_iter()
            .map(Signal::as_raw)
            .filter(|signal| ignored & (1 << (signal - 1)) == 0)
            .collect();
        Self::hear(&heard).map_err(refused)
    }

    fn hear(forwarded: &[i32]) -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        // It says that the program has ended. Where it was ignored, the
        // program's exit status would be lost.
        let ended = Signal::CHILD.as_raw();
        let all = forwarded.iter().copied().chain([ended]);
        let delivery = SignalDelivery::with_pipe(read, write, WithOrigin::default(), all)?;
        let given_up = Arc::new(AtomicBool::new(false));
        for &signal in forwarded {
            let given_up = Arc::clone(&given_up);
            signal_hook::flag::register_conditional_default(signal, given_up)?;
        }
        Ok(Signals { delivery, given_up })
    }

    /// Waits for a signal, but not longer than `pause`.
    pub(crate) fn wait(&self, pause: Duration) {
        let mut fds = [PollFd::new(self.delivery.get_read(), PollFlags::IN)];
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: pause.subsec_nanos().into(),
        };
        // Interrupted by a signal is what we wait for.
        if let Err(_interrupted) = poll(&mut fds, Some(&timeout)) {}
    }

    /// Signals that have come and that the process `program` has not got itself.
    pub(crate) fn for_program(&mut self, program: i32) -> Vec<Signal> {
        self.delivery
            .pending()
            .filter(|origin| sent_to_us_alone(origin, program))
            .filter_map(|origin| Signal::from_named_raw(origin.signal))
            .collect()
    }

    /// From now on signals do what they do by default: end us.
    pub(crate) fn give_up(&self) {
        self.given_up.store(true, Ordering::SeqCst);
    }
}

/// The terminal sends its signals to the whole process group, in which the
/// program is, and so does a program that ends its group. Only a timer of
/// ours, which outlives exec, speaks through the kernel to us alone.
fn sent_to_us_alone(origin: &Origin, program: i32) -> bool {
    if origin.signal == Signal::CHILD.as_raw() {
        return false;
    }
    if origin.signal == Signal::ALARM.as_raw() {
        return true;
    }
    let sender = origin.process.map(|process| process.pid);
    origin.cause != Cause::Kernel && sender != Some(program)
}

/// The set of ignored signals; bit 0 is signal 1. Empty where not known.
pub(crate) fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or_default()
}
