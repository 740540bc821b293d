//! The hooks book sums in constant time; the ledger of gilprof-core folds the
//! events one by one. For any script of what threads can do to a GIL, both must
//! come to the same numbers, and the numbers must balance.
#![allow(clippy::unwrap_used, reason = "a failing unwrap is a failing test")]

use gilprof_core::{Account, CpuReading, Ledger, Thread};
use gilprof_region::{Clock, Cursor, Cut, Next, Region, Sizes, Slot, Writer};
use proptest::prelude::*;

/// What a thread may try to do next. What it cannot do in its state is skipped.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait,
    Acquire,
    Release,
    DropRequest,
    SwitchWait(u64),
    End,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Wait),
        6 => Just(Step::Acquire),
        6 => Just(Step::Release),
        1 => Just(Step::DropRequest),
        1 => (1_u64..50).prop_map(Step::SwitchWait),
        1 => Just(Step::End),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    NotBorn,
    Detached,
    Waiting,
    Holding,
}

/// As many threads as the script has lanes; an ended one is followed by a new
/// one in the same lane, so slots are used again and groups fill.
struct Script<'r> {
    region: &'r Region,
    writer: Writer<'r>,
    lanes: Vec<(Doing, Slot)>,
    since: Vec<u64>,
    switched: Vec<bool>,
    now: u64,
    next_native: u32,
}

impl Script<'_> {
    fn play(&mut self, lane: usize, step: Step, pause: u64) {
        self.now += pause;
        let (now, writer) = (self.now, self.writer);
        let held = self.lanes.iter().any(|lane| lane.0 == Doing::Holding);
        writer.cell().enter();
        let (doing, slot) = self.lanes[lane];
        self.lanes[lane].0 = match (doing, step) {
            (Doing::NotBorn, Step::Wait | Step::Acquire) if !held || matches!(step, Step::Wait) => {
                self.next_native += 1;
                match writer.admit(self.next_native, now) {
                    Some(slot) => self.lanes[lane].1 = slot,
                    None => {
                        writer.cell().leave();
                        return;
                    }
                }
                let slot = self.lanes[lane].1;
                let thread = self.region.thread(slot).unwrap();
                thread
                    .name()
                    .write(format!("lane-{lane} {}", self.next_native).bytes());
                if matches!(step, Step::Wait) {
                    writer.wait(slot, now);
                    Doing::Waiting
                } else {
                    writer.acquire(slot, now);
                    Doing::Holding
                }
            }
            (Doing::Detached, Step::Wait) => {
                writer.wait(slot, now);
                Doing::Waiting
            }
            (Doing::Detached | Doing::Waiting, Step::Acquire) if !held => {
                writer.acquire(slot, now);
                Doing::Holding
            }
            (Doing::Holding, Step::Release) => {
                (self.since[lane], self.switched[lane]) = (now, false);
                writer.release(now);
                Doing::Detached
            }
            (Doing::Waiting, Step::DropRequest) if held => {
                writer.drop_request(slot, now);
                doing
            }
            (Doing::Detached, Step::SwitchWait(spent)) => {
                // Within what it has been detached for; there is one between two events.
                let since = self.since[lane];
                if !std::mem::replace(&mut self.switched[lane], true) {
                    let thread = self.region.thread(slot).unwrap();
                    thread.begin_switch_wait(now - spent.min(now - since));
                    thread.end_switch_wait(now);
                }
                doing
            }
            (Doing::Detached | Doing::Waiting, Step::End) => {
                self.region.note_end(slot, now, None);
                Doing::NotBorn
            }
            _ => doing,
        };
        // Some threads read their CPU clocks, and find any time below that of the clock.
        if lane.is_multiple_of(2) && matches!(step, Step::Wait | Step::Acquire | Step::Release) {
            let counted = CpuReading {
                cpu_ns: now * (1 + pause % 3) / 3,
                voluntary: now / 300,
                involuntary: 0,
            };
            writer.book_cpu(self.lanes[lane].1, Some(counted), 0);
        }
        writer.cell().leave();
    }
}

fn fold(region: &Region) -> Ledger {
    let (mut ledger, mut cursor) = (Ledger::new(0), Cursor::default());
    let ring = region.ring(0).unwrap();
    while let Some(next) = cursor.next(&ring, ring.posted()) {
        match next {
            Next::Event(event) => ledger.apply(event),
            Next::Lost(count) => ledger.lost(count),
        }
    }
    ledger
}

/// What both witnesses know of a thread.
fn known(thread: &Thread) -> [u64; 11] {
    [
        thread.id,
        thread.holding_ns,
        thread.waiting_ns,
        thread.detached_ns,
        thread.handoff_ns,
        thread.caused_ns,
        thread.acquisitions,
        thread.contended,
        thread.waits,
        thread.drop_requests,
        thread.switch_wait_ns,
    ]
}

fn compare(cut: &Cut, account: &Account) -> Result<(), TestCaseError> {
    let mut booked: Vec<_> = cut.threads.iter().map(known).collect();
    let mut folded: Vec<_> = account.threads.iter().map(known).collect();
    booked.sort_unstable();
    folded.sort_unstable();
    prop_assert_eq!(booked, folded);
    let (booked, folded) = (&cut.gils[0], &account.gil);
    prop_assert_eq!(booked.holding_ns, folded.holding_ns);
    prop_assert_eq!(booked.caused_ns, folded.caused_ns);
    prop_assert_eq!(booked.handoff_ns, folded.handoff_ns);
    prop_assert_eq!(booked.acquisitions, folded.acquisitions);
    prop_assert_eq!(booked.switches, folded.switches);
    prop_assert_eq!(&booked.hold, &folded.hold);
    prop_assert_eq!(&booked.wait, &folded.wait);
    prop_assert_eq!(&booked.handoff, &folded.handoff);
    Ok(())
}

/// What a thread reads of itself at an instant is its row of a cut at that instant.
fn reads_itself(region: &Region, slot: Slot, cut: &Cut) -> Result<(), TestCaseError> {
    let id = u64::from(region.thread(slot).unwrap().id());
    let row = cut.threads.iter().find(|row| row.id == id).unwrap();
    let own = region.own_reading(slot, || cut.at_ns).unwrap();
    prop_assert_eq!(own.holding_ns, row.holding_ns);
    prop_assert_eq!(own.waiting_ns, row.waiting_ns);
    prop_assert_eq!(own.detached_ns, row.detached_ns);
    prop_assert_eq!(own.caused_ns, row.caused_ns);
    prop_assert_eq!((own.acquisitions, own.waits), (row.acquisitions, row.waits));
    Ok(())
}

/// What holds at any instant, whatever the ledger has seen.
fn balances_without_blame(cut: &Cut) -> Result<(), TestCaseError> {
    let sum = |part: fn(&Thread) -> u64| cut.threads.iter().map(part).sum::<u64>();
    let waiting = sum(|thread| thread.waiting_ns);
    prop_assert_eq!(waiting, sum(|t| t.caused_ns) + sum(|t| t.handoff_ns));
    prop_assert_eq!(waiting, cut.gils[0].waiting_ns);
    prop_assert_eq!(sum(|t| t.handoff_ns), cut.gils[0].handoff_ns);
    for thread in &cut.threads {
        let states = thread.holding_ns + thread.waiting_ns + thread.detached_ns;
        prop_assert_eq!(states, thread.lifetime_ns, "{:?}", thread);
        prop_assert!(thread.holding_read_ns() <= thread.holding_ns);
        let detached_cpu_ns = thread.detached_cpu_ns.unwrap_or(0);
        prop_assert!(detached_cpu_ns <= thread.detached_ns, "{:?}", thread);
    }
    Ok(())
}

fn balances(cut: &Cut, account: &Account) -> Result<(), TestCaseError> {
    balances_without_blame(cut)?;
    let sum = |part: fn(&Thread) -> u64| cut.threads.iter().map(part).sum::<u64>();
    let waiting = sum(|thread| thread.waiting_ns);
    let blamed: u64 = account.blame.iter().map(|row| row.waiting_ns).sum();
    prop_assert_eq!(waiting, blamed + sum(|t| t.handoff_ns));
    for thread in &cut.threads {
        let column = account.blame.iter().filter(|row| row.holder == thread.id);
        prop_assert_eq!(
            column.map(|row| row.waiting_ns).sum::<u64>(),
            thread.caused_ns
        );
    }
    Ok(())
}

proptest! {
    #[test]
    fn booked_and_folded_numbers_are_the_same_and_balance(
        steps in prop::collection::vec((0_usize..5, step(), 0_u64..200), 1..300),
        slots in 1_u64..8,
    ) {
        let region = Region::private(Sizes::new(slots, 1 << 12).unwrap()).unwrap();
        let writer = Writer::new(&region, region.new_gil().unwrap()).unwrap();
        writer.cell().enter();
        writer.born(1_000);
        writer.cell().leave();
        let mut script = Script {
            region: &region,
            writer,
            lanes: vec![(Doing::NotBorn, Slot::NONE); slots.min(5) as usize],
            since: vec![0; 5],
            switched: vec![false; 5],
            now: 1_000,
            next_native: 100,
        };
        for (lane, step, pause) in steps {
            let lane = lane % script.lanes.len();
            script.play(lane, step, pause);
        }
        let end = script.now + 7;
        let unbooked = Cut::take(&region, &Clock::monotonic(), Some(end));
        balances_without_blame(&unbooked)?;
        for &(doing, slot) in &script.lanes {
            if doing != Doing::NotBorn {
                reads_itself(&region, slot, &unbooked)?;
            }
        }
        // The next event of a thread books its switch wait.
        (0..script.lanes.len()).for_each(|lane| script.play(lane, Step::Release, 0));
        for lane in 0..script.lanes.len() {
            script.play(lane, Step::Acquire, 0);
            script.play(lane, Step::Release, 0);
        }
        let cut = Cut::take(&region, &Clock::monotonic(), Some(end));
        prop_assert!(cut.consistent);
        prop_assert_eq!(cut.at_ns, end);
        let account = fold(&region).at(end);
        balances(&cut, &account)?;
        compare(&cut, &account)?;
    }
}
