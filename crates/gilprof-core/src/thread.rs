//! What one thread did.

use serde::{Deserialize, Serialize};

use crate::distribution::Distribution;
use crate::on_cpu::Stretch;
use crate::overrun::Overrun;
use crate::state::State;

/// What one thread did, or what a group of ended threads did together.
///
/// `holding_ns + waiting_ns + detached_ns == lifetime_ns`, and `handoff_ns` is part of
/// `waiting_ns`. All times are wall time in ns and exact.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// Our number of the thread, never reused within a recording.
    pub id: u64,
    /// The kernel's number of the thread; `None` for a group, or where not known.
    pub native_id: Option<u32>,
    /// Its name; for a group, what the names have in common.
    pub name: String,
    /// Whether it has ended.
    pub ended: bool,
    /// 1, or how many ended threads this row stands for.
    pub members: u64,
    /// Its process.
    pub pid: u32,
    /// Index of the GIL it used last.
    pub gil: u32,
    /// Time it was observed.
    pub lifetime_ns: u64,
    /// Time it had the GIL.
    pub holding_ns: u64,
    /// Time it wanted the GIL and had not got it.
    pub waiting_ns: u64,
    /// Time it did not want the GIL.
    pub detached_ns: u64,
    /// The part of `waiting_ns` in which nobody held the GIL, `switch_wait_ns`
    /// included.
    pub handoff_ns: u64,
    /// Waiting of other threads while this one held the GIL.
    pub caused_ns: u64,
    /// How often it got the GIL.
    pub acquisitions: u64,
    /// How often it got the GIL after a wait.
    pub contended: u64,
    /// How often it began to wait.
    pub waits: u64,
    /// How often its wait timed out and it asked the holder to let go.
    pub drop_requests: u64,
    /// The part of `waiting_ns` spent after a release until another thread had taken
    /// the GIL.
    pub switch_wait_ns: u64,
    /// The part of `waiting_ns` in waits in which it asked a holder of another interpreter
    /// to let go, which up to Python 3.12 does not hear that.
    #[serde(default)]
    pub foreign_wait_ns: u64,
    /// Its holds that went on after they were asked to end.
    #[serde(default)]
    pub overrun: Overrun,
    /// Time it was on a CPU, up to the last reading of its CPU clock. This and what
    /// follows is `None` where not known.
    #[serde(default)]
    pub cpu_ns: Option<u64>,
    /// The part of `holding_ns` that was on a CPU. With the preempted and the blocked
    /// part it comes to `holding_ns` up to the last reading: the rest is younger.
    #[serde(default)]
    pub holding_cpu_ns: Option<u64>,
    /// The part of `holding_ns` in which it was ready to run and had no CPU.
    #[serde(default)]
    pub holding_preempted_ns: Option<u64>,
    /// The part of `holding_ns` in which it waited for something else than a CPU.
    #[serde(default)]
    pub holding_blocked_ns: Option<u64>,
    /// The part of `detached_ns` that was on a CPU.
    #[serde(default)]
    pub detached_cpu_ns: Option<u64>,
    /// How often it gave its CPU up, to wait for something.
    #[serde(default)]
    pub voluntary_switches: Option<u64>,
    /// How often its CPU was taken away.
    #[serde(default)]
    pub involuntary_switches: Option<u64>,
    /// Instructions that it has executed, the kernel's left out, in `counted_ns`. This and the
    /// next two are `None` where they were not asked for, or the machine does not count them.
    #[serde(default)]
    pub instructions: Option<u64>,
    /// Clock cycles that it took for them.
    #[serde(default)]
    pub cycles: Option<u64>,
    /// The part of its time on a CPU in which that was counted: it is less than `cpu_ns` by what
    /// it ran before a counter was there.
    #[serde(default)]
    pub counted_ns: Option<u64>,
    /// Its state when the profile was taken.
    pub state: State,
    /// Durations of its holds that have ended.
    pub hold: Distribution,
    /// Durations of its waits that got the GIL or ended with the thread. With
    /// `switch_wait_ns` they total `waiting_ns`, but for a wait that is still open.
    pub wait: Distribution,
    /// For each of those waits, the part in which nobody held the GIL, where there
    /// was one.
    pub handoff: Distribution,
}

impl Thread {
    /// Takes away what an earlier row has. Where that has more, because it was read
    /// while an event was being booked, nothing is left.
    ///
    /// A switch wait becomes known when it is over, and an end when it is past: time the
    /// earlier row has as detached can be waiting by now, or after the end. As far as
    /// that lies before the earlier row was taken, it is not in the difference.
    pub(crate) fn subtract(&mut self, earlier: &Self) {
        let less = |own: &mut u64, old: u64| *own = own.saturating_sub(old);
        let revised = earlier.detached_ns.saturating_sub(self.detached_ns);
        let switched = self.switch_wait_ns.saturating_sub(earlier.switch_wait_ns);
        let moved = revised.min(switched);
        less(&mut self.waiting_ns, moved);
        less(&mut self.handoff_ns, moved);
        less(&mut self.switch_wait_ns, moved);
        self.lifetime_ns = self.lifetime_ns.saturating_add(revised - moved);
        less(&mut self.lifetime_ns, earlier.lifetime_ns);
        less(&mut self.holding_ns, earlier.holding_ns);
        less(&mut self.waiting_ns, earlier.waiting_ns);
        less(&mut self.detached_ns, earlier.detached_ns);
        less(&mut self.handoff_ns, earlier.handoff_ns);
        less(&mut self.caused_ns, earlier.caused_ns);
        less(&mut self.acquisitions, earlier.acquisitions);
        less(&mut self.contended, earlier.contended);
        less(&mut self.waits, earlier.waits);
        less(&mut self.drop_requests, earlier.drop_requests);
        less(&mut self.switch_wait_ns, earlier.switch_wait_ns);
        less(&mut self.foreign_wait_ns, earlier.foreign_wait_ns);
        // A wait is booked when it is over.
        self.foreign_wait_ns = self.foreign_wait_ns.min(self.waiting_ns);
        self.overrun.subtract(earlier.overrun);
        // A hold that was under way then may have overrun since, with all that it cost.
        self.overrun.after_ns = self.overrun.after_ns.min(self.holding_ns);
        self.overrun.caused_ns = self.overrun.caused_ns.min(self.caused_ns);
        self.hold = Distribution::excess(&self.hold, &earlier.hold);
        self.wait = Distribution::excess(&self.wait, &earlier.wait);
        self.handoff = Distribution::excess(&self.handoff, &earlier.handoff);
        self.subtract_on_cpu(earlier);
    }

    /// A reading of the CPU clock covers time before the earlier row that no reading had
    /// covered then: what does not fit into the difference is left out, of the parts of
    /// holding in proportion.
    ///
    /// What was read of the thread while it was away is less sure than its own reading
    /// at its return, which may find less: the parts, not their sum, are right then.
    fn subtract_on_cpu(&mut self, earlier: &Self) {
        let less = |own: &mut Option<u64>, old: Option<u64>| {
            *own = own.map(|own| own.saturating_sub(old.unwrap_or(0)));
        };
        less(&mut self.cpu_ns, earlier.cpu_ns);
        less(&mut self.holding_cpu_ns, earlier.holding_cpu_ns);
        less(&mut self.holding_preempted_ns, earlier.holding_preempted_ns);
        less(&mut self.holding_blocked_ns, earlier.holding_blocked_ns);
        less(&mut self.detached_cpu_ns, earlier.detached_cpu_ns);
        less(&mut self.voluntary_switches, earlier.voluntary_switches);
        less(&mut self.involuntary_switches, earlier.involuntary_switches);
        less(&mut self.instructions, earlier.instructions);
        less(&mut self.cycles, earlier.cycles);
        less(&mut self.counted_ns, earlier.counted_ns);
        let within = |own: &mut Option<u64>, most: u64| *own = own.map(|own| own.min(most));
        within(&mut self.cpu_ns, self.lifetime_ns);
        within(&mut self.detached_cpu_ns, self.detached_ns);
        let (held, covered) = (self.holding_ns, self.holding_read_ns());
        for part in [
            &mut self.holding_cpu_ns,
            &mut self.holding_preempted_ns,
            &mut self.holding_blocked_ns,
        ] {
            *part = part.map(|part| scaled(part, held, covered));
        }
        let on_cpu = [self.holding_cpu_ns, self.detached_cpu_ns];
        let parts = on_cpu.into_iter().flatten().fold(0, u64::saturating_add);
        self.cpu_ns = self.cpu_ns.map(|own| own.max(parts));
    }

    /// Adds what was read of it since its last reading, while it was away from the GIL.
    /// The holding of that stretch, with its CPU time, is left to its own next reading.
    pub fn add_on_cpu_detached(&mut self, stretch: Stretch) {
        let detached_cpu_ns = stretch.split().detached_cpu_ns;
        for (own, more) in [
            (&mut self.cpu_ns, detached_cpu_ns),
            (&mut self.detached_cpu_ns, detached_cpu_ns),
            (&mut self.voluntary_switches, stretch.counted.voluntary),
            (&mut self.involuntary_switches, stretch.counted.involuntary),
            (&mut self.holding_cpu_ns, 0),
            (&mut self.holding_preempted_ns, 0),
            (&mut self.holding_blocked_ns, 0),
        ] {
            *own = Some(own.unwrap_or(0).saturating_add(more));
        }
    }

    /// How much of its holding lies before the last reading of its CPU clock; the parts
    /// of holding come to it.
    pub fn holding_read_ns(&self) -> u64 {
        let parts = [
            self.holding_cpu_ns,
            self.holding_preempted_ns,
            self.holding_blocked_ns,
        ];
        let parts = parts.into_iter().flatten();
        parts.fold(0, u64::saturating_add)
    }

    /// How many instructions it has executed in a clock cycle; `None` where they were not
    /// counted. Code that waits for memory has fewer than one, code that computes several.
    pub fn instructions_per_cycle(&self) -> Option<f64> {
        let cycles = self.cycles.filter(|&cycles| cycles > 0)?;
        Some(self.instructions? as f64 / cycles as f64)
    }

    /// The part of `detached_ns` in which it was blocked, or `None` where not known.
    pub fn detached_blocked_ns(&self) -> Option<u64> {
        let on_cpu = self.detached_cpu_ns?;
        Some(self.detached_ns.saturating_sub(on_cpu))
    }
}

/// `part` of `whole` as it would be of `most`, where that is less.
fn scaled(part: u64, most: u64, whole: u64) -> u64 {
    match whole > most {
        true => (u128::from(part) * u128::from(most) / u128::from(whole)) as u64,
        false => part,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::on_cpu::CpuReading;

    fn held(holding_ns: u64, cpu: Option<u64>, blocked: Option<u64>) -> Thread {
        Thread {
            lifetime_ns: holding_ns,
            holding_ns,
            cpu_ns: cpu,
            holding_cpu_ns: cpu,
            holding_blocked_ns: blocked,
            ..Thread::default()
        }
    }

    #[test]
    fn on_cpu_parts_subtract_and_what_is_not_known_stays_so() {
        let mut later = held(100, Some(70), Some(30));
        later.subtract(&held(40, Some(30), Some(10)));
        assert_eq!(later.holding_cpu_ns, Some(40));
        assert_eq!(later.holding_blocked_ns, Some(20));
        assert_eq!(later.holding_preempted_ns, None);
        assert_eq!(later.detached_blocked_ns(), None);
    }

    #[test]
    fn what_cpus_counted_subtracts_and_has_a_ratio() {
        let counted = |instructions, cycles| Thread {
            instructions: Some(instructions),
            cycles: Some(cycles),
            counted_ns: Some(cycles / 3),
            ..Thread::default()
        };
        let mut later = counted(900, 600);
        later.subtract(&counted(300, 300));
        assert_eq!((later.instructions, later.cycles), (Some(600), Some(300)));
        assert_eq!(later.instructions_per_cycle(), Some(2.0));
        assert_eq!(Thread::default().instructions_per_cycle(), None);
        assert_eq!(counted(0, 0).instructions_per_cycle(), None);
    }

    #[test]
    fn what_is_read_during_an_absence_leaves_the_holding_before_it_to_the_next_reading() {
        let stretch = |detached_ns, cpu_ns| Stretch {
            holding_ns: 30,
            detached_ns,
            counted: CpuReading {
                cpu_ns,
                ..CpuReading::default()
            },
        };
        let row = |lifetime_ns| Thread {
            lifetime_ns,
            holding_ns: 30,
            detached_ns: lifetime_ns - 30,
            ..Thread::default()
        };
        let mut earlier = row(130);
        earlier.add_on_cpu_detached(stretch(100, 80));
        assert_eq!(
            (earlier.cpu_ns, earlier.detached_cpu_ns),
            (Some(50), Some(50))
        );
        // Its own reading at its return books the whole stretch.
        let parts = stretch(200, 120).split();
        let mut later = Thread {
            cpu_ns: Some(120),
            holding_cpu_ns: Some(parts.holding_cpu_ns),
            detached_cpu_ns: Some(parts.detached_cpu_ns),
            ..row(230)
        };
        later.subtract(&earlier);
        assert_eq!((later.cpu_ns, later.holding_cpu_ns), (Some(70), Some(0)));
        assert_eq!(later.detached_cpu_ns, Some(40));
    }

    #[test]
    fn a_difference_has_no_more_on_cpu_in_its_parts_than_in_all() {
        let row = |holding_ns, cpu_ns, detached_cpu_ns| Thread {
            lifetime_ns: holding_ns + 100,
            holding_ns,
            detached_ns: 100,
            cpu_ns: Some(cpu_ns),
            holding_cpu_ns: Some(holding_ns),
            detached_cpu_ns: Some(detached_cpu_ns),
            ..Thread::default()
        };
        // What was read of its absence had some of the hold that came after it.
        let earlier = row(0, 80, 80);
        let mut later = row(50, 60, 10);
        later.subtract(&earlier);
        assert_eq!((later.holding_cpu_ns, later.cpu_ns), (Some(50), Some(50)));
        assert_eq!(later.detached_cpu_ns, Some(0));
    }

    #[test]
    fn a_reading_that_came_late_adds_no_more_than_the_difference_holds() {
        // 100 ns of holding were open when the earlier row was taken.
        let mut later = held(120, Some(90), Some(30));
        later.subtract(&held(100, Some(0), Some(0)));
        assert_eq!(later.holding_ns, 20);
        assert_eq!(later.holding_cpu_ns, Some(15));
        assert_eq!(later.holding_blocked_ns, Some(5));
        assert_eq!(later.cpu_ns, Some(20));
    }
}
