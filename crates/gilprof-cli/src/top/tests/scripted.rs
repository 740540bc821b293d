//! A recording that is made up.

use gilprof::Profile;
use gilprof::core::ProfileParts;

use crate::error::Error;
use crate::sample;
use crate::top::source::Source;

/// The file that says that the recording was ended.
pub(crate) const STOPPED: &str = "stopped";

/// A process of which each look shows another second of the same.
pub(crate) struct Scripted {
    seconds: u64,
    seen: ProfileParts,
    script: String,
}

impl Scripted {
    pub(crate) fn new(script: String) -> Self {
        Scripted {
            seconds: 0,
            seen: ProfileParts::default(),
            script,
        }
    }

    fn add_a_second(&mut self) {
        let second = sample::contended().into_parts();
        self.seconds += 1;
        if self.seconds == 1 {
            self.seen = second;
            return;
        }
        let seen = &mut self.seen;
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
    fn snapshot(&mut self) -> Profile {
        self.add_a_second();
        assert!(
            self.script != "panic" || self.seconds < 3,
            "a planted panic"
        );
        Profile::assemble(self.seen.clone())
    }

    fn has_ended(&mut self) -> bool {
        self.script == "end" && self.seconds >= 3
    }

    fn stop(mut self) -> Result<Profile, Error> {
        std::fs::write(STOPPED, "").unwrap();
        Ok(self.snapshot())
    }
}
