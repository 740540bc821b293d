//! Rows of a profile from what was read, with open intervals closed at the cut.

use gilprof_core::{Demand, Distribution, Gil, Overrun, State, Thread};

use super::Unread;
use super::former::Durations;
use super::sums::{GilSums, Sums};
use crate::gil::GilCell;
use crate::thread::{ThreadCell, state};

fn state_of(code: u32) -> State {
    match code {
        state::HOLDING => State::Holding,
        state::WAITING => State::Waiting,
        state::ENDED => State::Ended,
        _ => State::Detached,
    }
}

/// A thread's row, with its open interval closed at the cut.
pub(super) fn thread_row(
    cell: &ThreadCell,
    sums: Sums,
    durations: Durations,
    gils: &[GilSums],
    slot: u32,
    at_ns: u64,
    pid: u32,
) -> Thread {
    let open = at_ns.saturating_sub(sums.since_ns);
    let mut thread = sums.thread;
    let state = state_of(sums.state);
    let gil = gils.get(thread.gil as usize).copied().unwrap_or_default();
    let sum = match state {
        State::Holding => Some(&mut thread.holding_ns),
        State::Waiting => Some(&mut thread.waiting_ns),
        State::Detached => Some(&mut thread.detached_ns),
        State::Ended | State::Unknown => None,
    };
    if let Some(sum) = sum {
        *sum = sum.saturating_add(open);
    }
    if state == State::Waiting {
        let handoff = gil.free_ns.saturating_sub(thread.free_at_wait_ns);
        thread.handoff_ns = thread.handoff_ns.saturating_add(handoff);
    }
    let switch = sums.switch_open_ns;
    thread.detached_ns = thread.detached_ns.saturating_sub(switch);
    for sum in [
        &mut thread.waiting_ns,
        &mut thread.handoff_ns,
        &mut thread.switch_wait_ns,
    ] {
        *sum = sum.saturating_add(switch);
    }
    if gil.holder == slot.wrapping_add(1) {
        thread.caused_ns = thread.caused_ns.saturating_add(gil.hold_cost_ns);
    }
    let cpu = sums.cpu;
    let lifetime_ns = match (state, thread.group_lifetime_ns) {
        (State::Ended, 0) => sums.since_ns.saturating_sub(thread.born_ns),
        (State::Ended, group) => group,
        _ => at_ns.max(sums.since_ns).saturating_sub(thread.born_ns),
    };
    Thread {
        id: thread.id.into(),
        native_id: Some(cell.native_id()).filter(|&id| id != 0),
        name: cell.name.read(),
        ended: state == State::Ended,
        members: thread.members.max(1),
        pid,
        gil: thread.gil,
        lifetime_ns,
        holding_ns: thread.holding_ns,
        waiting_ns: thread.waiting_ns,
        detached_ns: thread.detached_ns,
        handoff_ns: thread.handoff_ns,
        caused_ns: thread.caused_ns,
        acquisitions: thread.acquisitions,
        contended: thread.contended,
        waits: thread.waits,
        drop_requests: thread.drop_requests,
        switch_wait_ns: thread.switch_wait_ns,
        foreign_wait_ns: thread.foreign_wait_ns,
        // It is folded from the events.
        overrun: Overrun::default(),
        cpu_ns: cpu.known(cpu.cpu_ns),
        holding_cpu_ns: cpu.known(cpu.holding_cpu_ns),
        holding_preempted_ns: cpu.known(cpu.holding_preempted_ns),
        holding_blocked_ns: cpu.known(cpu.holding_blocked_ns),
        detached_cpu_ns: cpu.known(cpu.detached_cpu_ns),
        voluntary_switches: cpu.known(cpu.voluntary),
        involuntary_switches: cpu.known(cpu.involuntary),
        // Who reads the region counts that, where it is asked for.
        instructions: None,
        cycles: None,
        counted_ns: None,
        state,
        hold: durations.hold,
        wait: durations.wait,
        handoff: durations.handoff,
    }
}

/// What the row of a detached thread lacks of its CPU time.
pub(super) fn unread(row: usize, thread: &Thread, sums: &Sums) -> Option<Unread> {
    let last = sums.last.filter(|_| thread.state == State::Detached)?;
    Some(Unread {
        row,
        last: last.counted,
        holding_ns: thread.holding_ns.saturating_sub(last.holding_ns),
        detached_ns: thread.detached_ns.saturating_sub(last.detached_ns),
    })
}

/// A GIL's row.
pub(super) fn gil_row(cell: &GilCell, sums: &GilSums, index: u32, pid: u32) -> Gil {
    let caused_ns = sums.caused_ns.saturating_add(sums.hold_cost_ns);
    let handoff_ns = sums.handoff_ns.saturating_add(sums.switch_wait_ns);
    Gil {
        index,
        pid,
        // The first GIL is the one the main interpreter calibrated.
        interpreter_id: (index == 0).then_some(0),
        holding_ns: sums.holding_ns,
        free_ns: sums.free_ns,
        waiting_ns: caused_ns.saturating_add(handoff_ns),
        caused_ns,
        handoff_ns,
        acquisitions: sums.acquisitions,
        switches: sums.switches,
        drop_requests: sums.drop_requests,
        waiters_max: u32::try_from(sums.waiters_max).unwrap_or(u32::MAX),
        // It is folded from the events.
        demand: Demand::default(),
        hold: cell.hold.read(),
        wait: cell.wait.read(),
        handoff: cell.handoff.read(),
        // Builds that can do without one are not recorded.
        enabled: None,
        needed_by: Vec::new(),
    }
}

/// The first GIL's histograms are not booked on their own, which saves every
/// uncontended hold a part of its cost: they are what all threads recorded,
/// less what was recorded for the other GILs, and with what was recorded for
/// threads without a slot, which is all that its own cell has.
pub(super) fn derive_first(gils: &mut [Gil], threads: &[Thread]) {
    let Some((first, others)) = gils.split_first_mut() else {
        return;
    };
    let derive = |own: &mut Distribution,
                  thread: fn(&Thread) -> &Distribution,
                  gil: fn(&Gil) -> &Distribution| {
        threads.iter().for_each(|row| own.merge(thread(row)));
        for other in others.iter() {
            // Read at slightly different moments, the one may be ahead.
            if let Ok(rest) = Distribution::difference(own, gil(other)) {
                *own = rest;
            }
        }
    };
    derive(&mut first.hold, |row| &row.hold, |gil| &gil.hold);
    derive(&mut first.wait, |row| &row.wait, |gil| &gil.wait);
    derive(&mut first.handoff, |row| &row.handoff, |gil| &gil.handoff);
}
