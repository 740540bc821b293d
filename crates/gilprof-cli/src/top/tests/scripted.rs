//! A recording that is made up.

use std::sync::Mutex;

use gilprof::core::ProfileParts;
use gilprof::{Error, Profile, Source};

use crate::sample;

/// The file that says that the recording was ended.
pub(crate) const STOPPED: &str = "stopped";

/// A process of which each look shows another second of the same.
#[derive(Debug)]
pub(crate) struct Scripted {
    seen: Mutex<Seen>,
    script: String,
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    seconds: u64,
    parts: ProfileParts,
}

impl Scripted {
    pub(crate) fn begin(script: String) -> Box<dyn Source> {
        Box::new(Scripted {
            seen: Mutex::default(),
            script,
        })
    }
}

impl Seen {
    fn add_a_second(&mut self) {
        let second = sample::contended().into_parts();
        self.seconds += 1;
        if self.seconds == 1 {
            self.parts = second;
            return;
        }
        let seen = &mut self.parts;
        seen.wall_ns += second.wall_ns;
        seen.events += second.events;
        for (sum, one) in seen.threads.iter_mut().zip(&second.threads) {
            sum.lifetime_ns += one.lifetime_ns;
            sum.holding_ns += one.holding_ns;
            sum.waiting_ns += one.waiting_ns;
            sum.detached_ns += one.detached_ns;
            sum.handoff_ns += one.handoff_ns;
            sum.caused_ns += one.caused_ns;
            sum.acquisitions += one.acquisitions;
            sum.waits += one.waits;
            sum.wait.merge(&one.wait);
            sum.hold.merge(&one.hold);
        }
        for (sum, one) in seen.gils.iter_mut().zip(&second.gils) {
            sum.holding_ns += one.holding_ns;
            sum.waiting_ns += one.waiting_ns;
            sum.caused_ns += one.caused_ns;
            sum.handoff_ns += one.handoff_ns;
            sum.acquisitions += one.acquisitions;
            sum.demand.held_ns[1] += one.demand.held_ns[1];
        }
        for (sum, one) in seen.blame.iter_mut().zip(&second.blame) {
            sum.waiting_ns += one.waiting_ns;
        }
        for (sum, one) in seen.sites.iter_mut().zip(&second.sites) {
            sum.weight_ns += one.weight_ns;
        }
    }
}

impl Source for Scripted {
    fn snapshot(&self) -> Profile {
        let mut seen = self.seen.lock().unwrap();
        seen.add_a_second();
        assert!(
            self.script != "panic" || seen.seconds < 3,
            "a planted panic"
        );
        Profile::assemble(seen.parts.clone())
    }

    fn has_ended(&self) -> bool {
        self.script == "end" && self.seen.lock().unwrap().seconds >= 3
    }

    fn stop(self: Box<Self>) -> Result<Profile, Error> {
        std::fs::write(STOPPED, "").unwrap();
        Ok(self.snapshot())
    }
}
