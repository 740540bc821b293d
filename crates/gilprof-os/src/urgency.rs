//! Running as soon as there is something to do.

/// What the kernel is to know of a thread (`struct sched_attr`, sched_setattr(2)).
#[repr(C)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    /// From Linux 6.12 on: for how long the thread wants to run at a time, in ns. Who asks for
    /// little is run early.
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// What there is to do takes at most, or nearly.
const SLICE_NS: u64 = 100_000;
/// The least of the urgent kind: nobody else's threads are put off but the usual ones.
const PRIORITY: u32 = 1;

/// Has the calling thread run as soon as it wakes up, as far as the system lets it: for threads
/// that do a little now and then for which others should not have to wait.
pub fn hurry() {
    // SAFETY: the call has no preconditions.
    let nice = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let usual = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: 0,
        nice,
        priority: 0,
        runtime: SLICE_NS,
        deadline: 0,
        period: 0,
    };
    let urgent = Attributes {
        policy: libc::SCHED_RR as u32,
        priority: PRIORITY,
        runtime: 0,
        nice: 0,
        ..usual
    };
    // The first needs a right that root has. Without either it is run as all others are.
    let _done = ask(&urgent) || ask(&usual);
}

fn ask(attributes: &Attributes) -> bool {
    // SAFETY: the kernel reads as many bytes of `attributes` as it says it has; 0 stands for
    // the calling thread.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, attributes, 0) };
    done == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_thread_that_hurries_is_urgent() {
        let policy = || {
            // SAFETY: the call has no preconditions.
            unsafe { libc::sched_getscheduler(0) }
        };
        let before = policy();
        let hurried = std::thread::spawn(move || {
            hurry();
            policy()
        });
        let allowed = [libc::SCHED_RR, before];
        assert!(allowed.contains(&hurried.join().unwrap()));
        assert_eq!(policy(), before);
    }
}
