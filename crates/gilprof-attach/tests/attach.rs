//! Attaching to every Python that is installed.

mod common;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use common::{Program, pythons};
use gilprof_attach::{Attached, Modules, Setup};
use gilprof_code::{Memory, ProcessMemory};
use gilprof_region::{Cut, Progress};

/// Two threads compute, one sleeps over and over, the main thread waits for a line.
const BUSY: &str = r#"
import sys, threading, time
done = threading.Event()
wrong = []
rounds = [0, 0, 0]
def compute(place):
    while not done.is_set():
        if sum(range(2000)) != 1999000: wrong.append(place)
        rounds[place] += 1
def sleep(place):
    while not done.is_set():
        time.sleep(0.001)
        rounds[place] += 1
threads = [threading.Thread(target=work, args=(place,)) for place, work in enumerate([compute, compute, sleep])]
for thread in threads: thread.start()
print("ready", flush=True)
sys.stdin.readline()
done.set()
for thread in threads: thread.join()
print("right" if not wrong and all(rounds) else (wrong, rounds), flush=True)
"#;

/// Waits for something that comes if all is well.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{what} did not come"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

fn cut(attached: &Attached) -> Cut {
    let region = attached.region();
    Cut::take(region, &region.clock(), region.stopped_ns())
}

fn acquisitions(attached: &Attached) -> u64 {
    cut(attached).gils.iter().map(|gil| gil.acquisitions).sum()
}

/// What is in the interpreter's slots for condition variables.
fn slots(pid: u32) -> Vec<(u64, Option<u64>)> {
    let modules = Modules::of(pid).expect("it runs");
    let (python, _) = modules.exporting("PyEval_SaveThread").expect("a Python");
    let names = ["signal", "timedwait", "wait", "init"];
    let slots = names
        .iter()
        .flat_map(|name| python.slots(&format!("pthread_cond_{name}")));
    let memory = ProcessMemory::of(pid);
    slots
        .map(|slot| (slot.address, memory.word(slot.address)))
        .collect()
}

#[test]
fn every_thread_of_a_running_program_is_accounted_for() {
    for python in pythons() {
        let program = Program::start(&python, BUSY);
        let attached = Attached::to(program.pid(), &Setup::default()).expect(&python);
        until("a thousand takes", || acquisitions(&attached) > 1_000);
        assert_eq!(attached.progress(), Some(Progress::Recording));
        let longest = attached.longest_pause();
        let region = attached.detach().expect(&python);
        let cut = Cut::take(&region, &region.clock(), region.stopped_ns());
        assert!(cut.consistent, "{python}");
        assert_eq!(cut.gils.len(), 1, "{python}");
        // The hold that was under way at the start ends unseen.
        assert!(cut.anomalies <= 1, "{python}: {} anomalies", cut.anomalies);
        assert_eq!(cut.threads.len(), 4, "{python}: {:?}", cut.threads);
        for thread in &cut.threads {
            let sum = thread.holding_ns + thread.waiting_ns + thread.detached_ns;
            assert_eq!(sum, thread.lifetime_ns, "{python}: {thread:?}");
        }
        let busy = cut.threads.iter().filter(|thread| thread.acquisitions > 10);
        assert_eq!(busy.count(), 3, "{python}: {:?}", cut.threads);
        let held: u64 = cut.threads.iter().map(|thread| thread.holding_ns).sum();
        let wall = region.stopped_ns().expect("it is over") - region.recording().started_ns;
        assert!(
            held <= wall && held * 2 > wall,
            "{python}: {held} of {wall} ns held"
        );
        assert_eq!(program.finish(), "right", "{python}");
        eprintln!("{python}: a thread stood still for {longest:?} at most");
    }
}

#[test]
fn detaching_leaves_the_slots_as_they_were() {
    for python in pythons() {
        let program = Program::start(&python, BUSY);
        let before = slots(program.pid());
        assert!(before.len() >= 4 && before.iter().all(|(_, value)| value.is_some()));
        let attached = Attached::to(program.pid(), &Setup::default()).expect(&python);
        let during = slots(program.pid());
        let changed = before
            .iter()
            .zip(&during)
            .filter(|(before, during)| before != during);
        assert_eq!(changed.count(), before.len(), "{python}");
        attached.detach().expect(&python);
        // A slot that was not resolved yet may have been meanwhile.
        let modules = Modules::of(program.pid()).expect("it runs");
        let after = slots(program.pid());
        for ((slot, before), (_, after)) in before.iter().zip(&after) {
            let libc = after.and_then(|address| modules.around(address));
            assert!(before == after || libc.is_some(), "{python}: {slot:#x}");
        }
        assert_eq!(program.finish(), "right", "{python}");
    }
}

#[test]
fn attaching_fifty_times_leaves_what_attaching_once_leaves() {
    for python in pythons() {
        let program = Program::start(&python, BUSY);
        let attach_once = || {
            let attached = Attached::to(program.pid(), &Setup::default()).expect(&python);
            until("ten takes", || acquisitions(&attached) > 10);
            attached.detach().expect(&python);
            (
                program.count("maps"),
                program.count("fd"),
                program.count("task"),
            )
        };
        let first = attach_once();
        (1..49).for_each(|_| {
            attach_once();
        });
        assert_eq!(
            attach_once(),
            first,
            "{python}: mappings, descriptors, threads"
        );
        assert_eq!(program.finish(), "right", "{python}");
    }
}

#[test]
fn two_cannot_attach_at_once() {
    let program = Program::start("python3", BUSY);
    let first = Attached::to(program.pid(), &Setup::default()).expect("nobody is attached");
    let second = Attached::to(program.pid(), &Setup::default()).expect_err("the first is");
    assert!(
        second.to_string().contains("another gilprof is attached"),
        "{second}"
    );
    until("a hundred takes", || acquisitions(&first) > 100);
    first.detach().expect("it runs");
    assert_eq!(program.finish(), "right");
}

const CHURN: &str = r#"
import sys, threading, time
sys.stdout.write("ready\n"); sys.stdout.flush()
sys.stdin.readline()
def short(): time.sleep(0)
for _ in range(200):
    threads = [threading.Thread(target=short) for _ in range(100)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print("made", flush=True)
sys.stdin.readline()
print("right", flush=True)
"#;

#[test]
fn twenty_thousand_short_lived_threads_are_accounted_for() {
    let mut program = Program::start("python3", CHURN);
    let attached = Attached::to(program.pid(), &Setup::default()).expect("nobody is attached");
    program.tell("begin");
    let is_made = AtomicBool::new(false);
    thread::scope(|scope| {
        // On a busy machine it takes longer than the hooks wait for a reader.
        scope.spawn(|| {
            while !is_made.load(SeqCst) {
                attached
                    .region()
                    .show_up(attached.region().clock().now_ns());
                thread::sleep(Duration::from_millis(100));
            }
        });
        assert_eq!(program.line(), "made");
        is_made.store(true, SeqCst);
    });
    let cut = cut(&attached);
    let members: u64 = cut.threads.iter().map(|thread| thread.members.max(1)).sum();
    assert_eq!(members, 20_001, "{} rows", cut.threads.len());
    assert_eq!(attached.region().unaccounted_threads(), 0);
    attached.detach().expect("it runs");
    assert_eq!(program.finish(), "right");
}

const FORKING: &str = r#"
import os, sys, threading, time
def work():
    for _ in range(300): time.sleep(0)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    if (child := os.fork()) == 0:
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        os._exit(0)
    os.waitpid(child, 0)
print("forked", flush=True)
sys.stdin.readline()
print("right", flush=True)
"#;

#[test]
fn the_child_of_a_fork_is_no_part_of_the_recording() {
    for python in pythons() {
        let mut program = Program::start(&python, FORKING);
        let attached = Attached::to(program.pid(), &Setup::default()).expect(&python);
        program.tell("begin");
        assert_eq!(program.line(), "forked");
        let cut = cut(&attached);
        assert_eq!(cut.threads.len(), 1, "{python}: {:?}", cut.threads);
        attached.detach().expect(&python);
        assert_eq!(program.finish(), "right", "{python}");
    }
}

/// Where the test below tells a process of its own what to attach to.
const TARGET: &str = "GILPROF_TEST_TARGET";

/// No test of its own: the process that is killed.
#[test]
fn attaches_where_it_is_told_to() {
    let Some(pid) = std::env::var(TARGET).ok().and_then(|pid| pid.parse().ok()) else {
        return;
    };
    loop {
        // Whoever was killed before may not be quite gone.
        if let Ok(attached) = Attached::to(pid, &Setup::default()) {
            attached.show_up();
            drop(attached);
        }
    }
}

#[test]
fn one_who_is_killed_while_attaching_leaves_a_program_that_goes_on() {
    for python in pythons() {
        let program = Program::start(&python, BUSY);
        let this = std::env::current_exe().expect("it runs");
        for round in 0..40_u64 {
            let mut attacher = std::process::Command::new(&this)
                .args(["--exact", "attaches_where_it_is_told_to"])
                .env(TARGET, program.pid().to_string())
                .stdout(std::process::Stdio::null())
                .spawn()
                .expect("it runs");
            // At some other point of the attaching and detaching each time.
            thread::sleep(Duration::from_micros(5_000 + round * 377));
            attacher.kill().expect("our child");
            attacher.wait().expect("our child");
        }
        let attached = Attached::to(program.pid(), &Setup::default()).expect(&python);
        until("a thousand takes", || acquisitions(&attached) > 1_000);
        attached.detach().expect(&python);
        assert_eq!(program.finish(), "right", "{python}");
    }
}

#[test]
fn a_program_whose_attacher_shows_up_no_more_ceases_to_record() {
    let pythons = pythons();
    let python = pythons.first().expect("there is one");
    let program = Program::start(python, BUSY);
    let attached = Attached::to(program.pid(), &Setup::default()).expect("it runs");
    attached.show_up();
    until("a take", || acquisitions(&attached) > 0);
    until("the silence", || attached.region().stopped_ns().is_some());
    let booked = acquisitions(&attached);
    assert!(booked > 0);
    // The program has taken its GIL many times meanwhile.
    thread::sleep(Duration::from_millis(100));
    assert_eq!(acquisitions(&attached), booked);
    drop(attached);
    let next = Attached::to(program.pid(), &Setup::default()).expect("it runs");
    until("a take for the next", || acquisitions(&next) > 0);
    next.detach().expect("it runs");
    assert_eq!(program.finish(), "right", "{python}");
}
