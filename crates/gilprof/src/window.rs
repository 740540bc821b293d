//! Windows of time, handed to whoever asked for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};
use gilprof_core::{Error, Profile, Window};

/// How many windows wait for a slow receiver; then windows get longer.
const WAITING: usize = 1_024;

/// A part of a recording: its end, and where it begins, if that is not where the recording
/// does. To subtract the one from the other takes no lock.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) profile: Profile,
    pub(crate) baseline: Option<Arc<Profile>>,
}

impl Part {
    pub(crate) fn into_profile(self) -> Result<Profile, Error> {
        match self.baseline {
            Some(baseline) => self.profile.into_difference(Arc::unwrap_or_clone(baseline)),
            None => Ok(self.profile),
        }
    }
}

/// One who asked for windows.
#[derive(Debug)]
pub(crate) struct Subscriber {
    interval: Duration,
    due: Instant,
    last: Profile,
    sender: Sender<Window>,
}

impl Subscriber {
    pub(crate) fn new(interval: Duration, now: Profile) -> (Self, Receiver<Window>) {
        let (sender, receiver) = crossbeam_channel::bounded(WAITING);
        let subscriber = Subscriber {
            interval,
            due: Instant::now() + interval,
            last: now,
            sender,
        };
        (subscriber, receiver)
    }

    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Sends the window up to `now`; false when nobody receives any more.
    pub(crate) fn send(&mut self, now: &Profile) -> bool {
        let Ok(difference) = now.difference(&self.last) else {
            return false;
        };
        let window = Window::new(self.last.wall_ns(), now.wall_ns(), difference);
        self.due = (self.due + self.interval).max(Instant::now());
        match self.sender.try_send(window) {
            Ok(()) => {
                self.last = now.clone();
                true
            }
            // The next window will cover this one's time too.
            Err(TrySendError::Full(_)) => true,
            Err(TrySendError::Disconnected(_)) => false,
        }
    }
}
