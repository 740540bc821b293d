//! What a ledger says at an instant.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::book::{Book, UNKNOWN};
use super::pairs::Cell;
use super::record::Record;
use super::tally::Tallies;
use crate::blame::Blame;
use crate::demand::Demand;
use crate::distribution::Distribution;
use crate::gil::Gil;
use crate::history::History;
use crate::hold::Hold;
use crate::overrun::Overrun;
use crate::thread::Thread;

/// What a ledger says of one GIL at an instant, open intervals closed there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// The instant, in ns on the recording's clock; not before the latest event.
    pub at_ns: u64,
    /// What each thread did, by ascending id. Names and kernel's numbers are not known
    /// here.
    pub threads: Vec<Thread>,
    /// What the GIL went through.
    pub gil: Gil,
    /// Who waited for whom, by ascending waiter and holder.
    pub blame: Vec<Blame>,
    /// The 32 holds that cost the others most, worst first.
    pub holds: Vec<Hold>,
    /// What happened when.
    pub history: History,
    /// The part of the waiting in ns of which it is not known who held the GIL:
    /// before its first event, and after events were lost.
    pub unattributed_ns: u64,
    /// How many events were applied.
    pub events: u64,
    /// How many events were lost.
    pub lost: u64,
    /// How many of the applied events contradicted what was known, and were ignored.
    pub ignored: u64,
}

/// Who waited for whom for one GIL, until an instant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Charges {
    /// Who waited for whom, by ascending waiter and holder.
    pub blame: Vec<Blame>,
    /// The 32 holds that cost the others most, worst first.
    pub holds: Vec<Hold>,
    /// What happened when.
    pub history: History,
    /// For how long how many threads wanted the GIL.
    pub demand: Demand,
    /// Threads some of whose holds overran, by their ids.
    pub overruns: Vec<(u64, Overrun)>,
}

impl Book {
    /// The rows, once everything is settled.
    pub(crate) fn account(self, tallies: &[Tallies]) -> Account {
        let mut account = Account {
            at_ns: self.latest,
            events: self.events,
            lost: self.lost,
            ignored: self.ignored,
            ..Account::default()
        };
        account.threads = self.threads(tallies, &mut account.unattributed_ns);
        account.gil = total(self.gil.clone(), &account.threads, tallies);
        let charges = self.charges(None);
        account.blame = charges.blame;
        account.holds = charges.holds;
        account.history = charges.history;
        account
    }

    pub(crate) fn charges(mut self, window: Option<u64>) -> Charges {
        let mut windows = std::mem::take(&mut self.windows).into_iter();
        let of_window = windows.find(|open| Some(open.number) == window);
        let worst = of_window.map_or_else(|| std::mem::take(&mut self.worst), |open| open.worst);
        let slice = self.slice_until(self.latest);
        Charges {
            blame: self.blame(),
            overruns: self.overruns(),
            holds: worst.into_holds(),
            demand: self.gil.demand,
            history: self
                .timeline
                .map(|timeline| Arc::unwrap_or_clone(timeline).finish(slice))
                .unwrap_or_default(),
        }
    }

    fn overruns(&self) -> Vec<(u64, Overrun)> {
        let overran = self.records.iter().filter(|one| one.overrun.holds > 0);
        overran.map(|one| (one.id, one.overrun)).collect()
    }

    fn blame(&self) -> Vec<Blame> {
        let known = self.pairs.used().filter(|cell| cell.holder != UNKNOWN);
        let mut rows: Vec<Blame> = known.map(|cell| self.blame_of(cell)).collect();
        rows.sort_unstable_by_key(|row| (row.waiter, row.holder));
        rows
    }

    fn blame_of(&self, cell: &Cell) -> Blame {
        Blame {
            waiter: self.records[cell.waiter as usize].id,
            holder: self.records[cell.holder as usize].id,
            gil: self.gil.index,
            waiting_ns: cell.closed_ns + cell.open_ns,
            waits: cell.waits,
            longest_ns: cell.longest_ns,
        }
    }

    fn threads(&self, tallies: &[Tallies], unattributed: &mut u64) -> Vec<Thread> {
        let records = self.records.iter().zip(tallies);
        let mut rows: Vec<Thread> = records.map(|(r, t)| thread(r, t, self.gil.index)).collect();
        for row in &mut rows {
            row.handoff_ns = row.waiting_ns;
        }
        for cell in self.pairs.used() {
            let ns = cell.closed_ns + cell.open_ns;
            let handoff_ns = &mut rows[cell.waiter as usize].handoff_ns;
            *handoff_ns = handoff_ns.saturating_sub(ns);
            match cell.holder {
                UNKNOWN => *unattributed += ns,
                holder => rows[holder as usize].caused_ns += ns,
            }
        }
        let free = |row: &Thread| row.id == 0;
        rows.retain(|row| !free(row));
        rows.sort_unstable_by_key(|row| row.id);
        rows
    }
}

/// A thread's row, but for what it has from pairs.
fn thread(record: &Record, tallies: &Tallies, gil: u32) -> Thread {
    let times = record.times();
    Thread {
        id: record.id,
        ended: record.ended,
        members: record.members,
        gil,
        lifetime_ns: times.total(),
        holding_ns: times.holding,
        waiting_ns: times.waiting,
        detached_ns: times.detached,
        acquisitions: record.counts.acquisitions,
        contended: record.counts.contended,
        waits: record.counts.waits,
        drop_requests: record.counts.drop_requests,
        switch_wait_ns: record.counts.switch_wait_ns,
        overrun: record.overrun,
        state: record.state,
        hold: tallies.hold.distribution(),
        wait: tallies.wait.distribution(),
        handoff: tallies.handoff.distribution(),
        ..Thread::default()
    }
}

/// The GIL's row with what it has from its threads.
fn total(mut gil: Gil, threads: &[Thread], tallies: &[Tallies]) -> Gil {
    let mut all = Tallies::new();
    tallies.iter().for_each(|one| all.absorb(one));
    for thread in threads {
        gil.waiting_ns += thread.waiting_ns;
        gil.handoff_ns += thread.handoff_ns;
        gil.caused_ns += thread.caused_ns;
        gil.drop_requests += thread.drop_requests;
    }
    let distributions = [&all.hold, &all.wait, &all.handoff].map(|t| t.distribution());
    let [hold, wait, handoff]: [Distribution; 3] = distributions;
    Gil {
        hold,
        wait,
        handoff,
        ..gil
    }
}
