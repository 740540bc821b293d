//! What one thread was seen to do.

use crate::on_cpu::CpuReading;
use crate::state::State;
use crate::thread::Thread;

use super::sight::ThreadSight;

/// What one thread, or a group of ended ones, was seen to do.
#[derive(Debug, Default)]
pub(super) struct Member {
    sums: Thread,
    /// The parts in which it ran or was ready to.
    ready_holding_ns: u64,
    ready_detached_ns: u64,
}

impl Member {
    pub(super) fn spend(&mut self, seen: &ThreadSight, is_handoff: bool, ns: u64) {
        self.sums.gil = seen.gil;
        self.sums.lifetime_ns += ns;
        let ready_ns = if seen.is_ready { ns } else { 0 };
        match seen.state {
            State::Holding => {
                self.sums.holding_ns += ns;
                self.ready_holding_ns += ready_ns;
            }
            State::Waiting => {
                self.sums.waiting_ns += ns;
                self.sums.handoff_ns += if is_handoff { ns } else { 0 };
                self.sums.switch_wait_ns += if seen.is_switching { ns } else { 0 };
            }
            _ => {
                self.sums.detached_ns += ns;
                self.ready_detached_ns += ready_ns;
            }
        }
    }

    pub(super) fn has_caused(&mut self, ns: u64) {
        self.sums.caused_ns += ns;
    }

    pub(super) fn absorb(&mut self, other: Self) {
        let (own, new) = (&mut self.sums, &other.sums);
        own.gil = new.gil;
        own.lifetime_ns += new.lifetime_ns;
        own.holding_ns += new.holding_ns;
        own.waiting_ns += new.waiting_ns;
        own.detached_ns += new.detached_ns;
        own.handoff_ns += new.handoff_ns;
        own.switch_wait_ns += new.switch_wait_ns;
        own.caused_ns += new.caused_ns;
        self.ready_holding_ns += other.ready_holding_ns;
        self.ready_detached_ns += other.ready_detached_ns;
    }

    /// Its row. CPU time is shared by the times it was seen ready to run: what of those it
    /// did not run, it was preempted for.
    pub(super) fn thread(&self, cpu: Option<CpuReading>) -> Thread {
        let mut row = self.sums.clone();
        let Some(read) = cpu else {
            return row;
        };
        let cpu_ns = read.cpu_ns.min(row.lifetime_ns);
        let ready_ns = self.ready_holding_ns + self.ready_detached_ns;
        let part = u128::from(cpu_ns) * u128::from(self.ready_holding_ns);
        let part = part / u128::from(ready_ns.max(1));
        let holding_cpu_ns = (part as u64).min(self.ready_holding_ns);
        row.cpu_ns = Some(cpu_ns);
        row.holding_cpu_ns = Some(holding_cpu_ns);
        row.holding_preempted_ns = Some(self.ready_holding_ns - holding_cpu_ns);
        row.holding_blocked_ns = Some(row.holding_ns - self.ready_holding_ns);
        row.detached_cpu_ns = Some((cpu_ns - holding_cpu_ns).min(self.ready_detached_ns));
        row.voluntary_switches = Some(read.voluntary);
        row.involuntary_switches = Some(read.involuntary);
        row
    }
}
