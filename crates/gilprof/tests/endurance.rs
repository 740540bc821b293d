//! Attaching to a process and detaching from it, over and over.

#[path = "../../gilprof-attach/tests/common/mod.rs"]
mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::{Program, pythons};
use gilprof::{Attachment, Options};

const BUSY: &str = include_str!("endurance/busy.py");

/// How often, where this variable does not say it.
const CYCLES: usize = 10;
const CYCLES_VARIABLE: &str = "GILPROF_TEST_CYCLES";
/// Until a process has what the first recordings leave: pages, a key, arenas of malloc.
const FIRST: usize = 3;
/// How many events each recording is to have.
const EVENTS: u64 = 200;

/// What a process owns while its threads rest.
#[derive(Debug)]
struct Owned {
    descriptors: usize,
    threads: usize,
    mappings: usize,
    resident_kib: u64,
    /// Keys that threads can still make, and references to code objects.
    told: String,
}

impl Owned {
    fn of(program: &mut Program) -> Self {
        program.tell("rest");
        let told = program.line();
        let owned = Owned {
            descriptors: program.count("fd"),
            threads: program.count("task"),
            mappings: program.count("maps"),
            resident_kib: resident_kib(program.pid()),
            told,
        };
        program.tell("go");
        owned
    }

    /// Mappings and pages come and go with what the program allocates.
    fn is_no_less_than(&self, later: &Owned) -> bool {
        (self.descriptors, self.threads, &self.told)
            == (later.descriptors, later.threads, &later.told)
            && later.mappings * 10 <= self.mappings * 11
            && later.resident_kib * 10 <= self.resident_kib * 11
    }
}

fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number
        .and_then(|number| number.parse().ok())
        .expect("a number of kB")
}

fn cycles() -> usize {
    let asked = std::env::var(CYCLES_VARIABLE).ok();
    let cycles = asked.map_or(CYCLES, |asked| asked.parse().expect(CYCLES_VARIABLE));
    assert!(
        cycles > 0,
        "{CYCLES_VARIABLE} is 0: what is never done proves nothing"
    );
    cycles
}

/// Attaches, sees events, detaches; for how long a thread stood still at most.
fn cycle(program: &Program) -> Duration {
    let attachment = Attachment::to(program.pid(), Options::default()).expect("it runs");
    await_events(&attachment, EVENTS);
    let pause = attachment.longest_pause();
    let profile = attachment.stop().expect("it runs");
    let wrong = profile.imbalances();
    assert!(wrong.is_empty(), "{wrong:?}");
    pause
}

fn await_events(attachment: &Attachment, events: u64) {
    let began = Instant::now();
    while attachment.snapshot().events() < events {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing is seen");
        thread::sleep(Duration::from_millis(1));
    }
}

fn endures(python: &str, cycles: usize) {
    let mut program = Program::start(python, BUSY);
    (0..FIRST).for_each(|_| {
        cycle(&program);
    });
    let before = Owned::of(&mut program);
    let began = Instant::now();
    let mut pauses: Vec<_> = (0..cycles).map(|_| cycle(&program)).collect();
    let took = began.elapsed();
    let after = Owned::of(&mut program);
    pauses.sort();
    eprintln!(
        "{python}: {cycles} cycles in {:.0} s; the longest a thread stood still in a cycle: \
         half of them {:?}, all {:?}\n  before {before:?}\n  after  {after:?}",
        took.as_secs_f64(),
        pauses[cycles / 2],
        pauses[cycles - 1],
    );
    assert_eq!(program.finish(), "right", "{python}");
    assert!(
        before.is_no_less_than(&after),
        "{python}: {before:?}, {after:?}"
    );
}

#[test]
fn a_busy_program_that_is_attached_to_over_and_over_stays_right_and_loses_nothing() {
    for pair in pythons().chunks(2) {
        thread::scope(|scope| {
            for python in pair {
                scope.spawn(|| endures(python, cycles()));
            }
        });
    }
}

/// One thread keeps the GIL for about 0.4 s of CPU time on end; HOGS others want the same CPU.
const HOLDING: &str = r#"
import os, subprocess, sys, threading, time
done = threading.Event()
def hold(count):
    while not done.is_set():
        sum(range(count))
        time.sleep(0)
began = time.perf_counter()
sum(range(1_000_000))
count = int(0.4 / (time.perf_counter() - began) * 1_000_000)
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))} if HOGS else os.sched_getaffinity(0))
HOG = f"import os\nwhile os.getppid() == {os.getpid()}: pass"
hogs = [subprocess.Popen([sys.executable, "-c", HOG]) for _ in range(HOGS)]
thread = threading.Thread(target=hold, args=(count,))
thread.start()
references = lambda: sys.getrefcount(hold.__code__)
before = references()
print("ready", flush=True)
sys.stdin.readline()
after = references()
done.set()
thread.join()
for hog in hogs:
    hog.kill()
    hog.wait()
print("right" if before == after else f"{before} references became {after}", flush=True)
"#;

fn gives_code_back(python: &str, hogs: usize, cycles: usize) {
    let source = HOLDING.replace("HOGS", &hogs.to_string());
    let program = Program::start(python, &source);
    for _ in 0..cycles {
        let attachment = Attachment::to(program.pid(), Options::default()).expect("it runs");
        await_events(&attachment, 2);
        attachment.stop().expect("it runs");
    }
    assert_eq!(program.finish(), "right", "{python}");
}

#[test]
fn code_is_given_back_also_where_the_gil_is_let_go_of_seldom() {
    for python in pythons() {
        gives_code_back(&python, 0, 4);
    }
}

#[test]
fn code_is_given_back_also_by_a_program_that_gets_little_cpu() {
    let pythons = pythons();
    gives_code_back(pythons.first().expect("there is one"), 7, 1);
}
