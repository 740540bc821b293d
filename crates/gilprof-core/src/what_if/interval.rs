//! What a shorter switch interval would take from a thread's waits.

use crate::thread::Thread;

/// How much of a thread's waiting, in ns, another interval could save at most: each of
/// its waits after a hold that ended by itself is cut to `interval_ns`. Which waits
/// those are is not recorded; they are taken to be the longest.
pub(super) fn saved_ns(thread: &Thread, current_ns: u64, interval_ns: u64) -> f64 {
    if interval_ns >= current_ns {
        return 0.0;
    }
    // A hold that a waiter put an end to has lasted for an interval.
    let holds = thread.hold.buckets();
    let by_itself = holds.filter(|&(_, high_ns, _)| high_ns < current_ns);
    let mut left: u64 = by_itself.map(|(_, _, count)| count).sum();
    let mut saved = 0.0;
    let waits: Vec<(u64, u64, u64)> = thread.wait.buckets().collect();
    for &(low_ns, high_ns, count) in waits.iter().rev() {
        let cut = count.min(left);
        left -= cut;
        let wait_ns = low_ns + (high_ns - low_ns) / 2;
        saved += wait_ns.saturating_sub(interval_ns) as f64 * cut as f64;
    }
    saved.min(thread.waiting_ns as f64)
}
