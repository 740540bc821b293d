//! One who is told of stalls, as its user holds it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use gilprof_core::Stall;
use gilprof_region::Region;

use crate::error::Error;
use crate::lookout::Lookout;
use crate::reader::Followed;

/// What limits are allowed. Below, the reader would wake too often.
const LIMITS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(3_600));

/// Somebody is told of holds that last for long; until this is dropped.
#[derive(Debug)]
pub struct Watch {
    region: &'static Region,
    given_up: Arc<AtomicBool>,
}

impl Watch {
    pub(crate) fn new(
        followed: &mut Followed,
        limit: Duration,
        tell: impl FnMut(&Stall) + Send + 'static,
    ) -> Result<Self, Error> {
        if limit < LIMITS.0 || limit > LIMITS.1 {
            return Err(Error::Option {
                option: "hold".into(),
                value: format!("{limit:?}"),
                allowed: "1ms to 1 hour".into(),
            });
        }
        let given_up = Arc::new(AtomicBool::new(false));
        let lookout = Lookout::new(limit, Box::new(tell), Arc::clone(&given_up));
        let region = followed.look_out(lookout);
        Ok(Watch { region, given_up })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.given_up.store(true, Relaxed);
        // The reader lets go of the function.
        self.region.ring_bell_for_certain();
    }
}
