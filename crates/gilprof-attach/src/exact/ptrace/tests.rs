use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use super::*;
use crate::exact::cave;
use crate::exact::errand::Value;

/// Makes one system call over and over and says how often it failed, or came back before
/// its time, when a line comes in.
const PROGRAM: &str = r#"
import ctypes, os, select, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
kind = sys.argv[1]
MS = 30
spec = (ctypes.c_long * 2)(0, MS * 1_000_000)
few = (ctypes.c_long * 2)(MS // 1000, MS * 1000)
events = ctypes.create_string_buffer(4096)
epoll = select.epoll()
quiet, _w = os.pipe()
epoll.register(quiet, select.EPOLLIN)
pipe = (ctypes.c_int * 2)()
libc.pipe(pipe)
word = ctypes.c_int(0)
signals = (ctypes.c_ulong * 16)(1 << 11)
libc.sigprocmask(0, signals, None)
semaphore = libc.semget(0, 1, 0o600)
down = (ctypes.c_short * 3)(0, -1, 0)
ETIMEDOUT, EAGAIN = 110, 11
def slept(result): return result == 0
def timed_out(error): return lambda result: result == -1 and ctypes.get_errno() == error
def feed():
    time.sleep(MS / 1000)
    libc.write(pipe[1], b"x", 1)
def fed(call):
    threading.Thread(target=feed).start()
    return call()
byte = ctypes.create_string_buffer(1)
def few_left():
    few[0], few[1] = 0, MS * 1000
    return libc.select(0, None, None, None, few)
CALLS = {
    "nanosleep": (lambda: libc.nanosleep(spec, None), slept),
    "clock_nanosleep": (lambda: libc.clock_nanosleep(1, 0, spec, None), slept),
    "select": (few_left, slept),
    "poll": (lambda: libc.poll(None, 0, MS), slept),
    "epoll_wait": (lambda: libc.epoll_wait(epoll.fileno(), events, 10, MS), slept),
    "epoll_pwait": (lambda: libc.epoll_pwait(epoll.fileno(), events, 10, MS, signals), slept),
    "futex": (lambda: libc.syscall(202, ctypes.byref(word), 0, 0, spec), timed_out(ETIMEDOUT)),
    "futex_bitset": (lambda: libc.sem_timedwait(events, until()), timed_out(ETIMEDOUT)),
    "sigtimedwait": (lambda: libc.sigtimedwait(signals, None, spec), timed_out(EAGAIN)),
    "semtimedop": (lambda: libc.semtimedop(semaphore, down, 1, spec), timed_out(EAGAIN)),
    "read": (lambda: fed(lambda: libc.read(pipe[0], byte, 1)), lambda result: result == 1),
    "compute": (lambda: spin(), lambda result: result == 499_999_500_000),
}
def until():
    now = time.clock_gettime_ns(time.CLOCK_REALTIME) + MS * 1_000_000
    return (ctypes.c_long * 2)(now // 10**9, now % 10**9)
def spin(): return sum(range(1_000_000))
call, is_right = CALLS[kind]
# No second thread that would be borrowed in the place of the one that calls.
def is_done(): return bool(select.select([0], [], [], 0)[0])
rounds = failures = early = 0
print("ready", flush=True)
while not is_done() or rounds < 3:
    ctypes.set_errno(0)
    began = time.monotonic_ns()
    result = call()
    spent = time.monotonic_ns() - began
    failures += not is_right(result)
    early += kind != "compute" and spent < (MS - 1) * 1_000_000
    rounds += 1
if semaphore >= 0: libc.semctl(semaphore, 0, 0)
print(rounds, failures, early, flush=True)
"#;

struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn doing(call: &str) -> Self {
        let mut child = Command::new("python3")
            .args(["-c", PROGRAM, call])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is there");
        let output = child.stdout.take().expect("it is a pipe");
        let mut program = Program {
            child,
            output: BufReader::new(output),
        };
        assert_eq!(program.line(), "ready");
        program
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    /// How often it called, how many calls failed, and how many came back early.
    fn finish(mut self) -> Vec<u64> {
        let mut input = self.child.stdin.take().expect("it is a pipe");
        input.write_all(b"enough\n").expect("it reads");
        let line = self.line();
        assert!(self.child.wait().expect("our child").success());
        line.split(' ')
            .map(|word| word.parse().expect("a number"))
            .collect()
    }
}

const ROUNDS: u64 = 60;
/// Where the process gets a page for each errand: far from where the kernel maps anything.
const PLACES: u64 = 0x2000_0000_0000;
const PAGE: u64 = 4096;

/// Has the program's threads make a system call of ours, again and again, while they
/// make theirs.
fn borrow_during(call: &str) {
    let program = Program::doing(call);
    let pid = program.child.id();
    let remote = Remote::open(pid).expect("our own child");
    let everything = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u64;
    let fixed = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE;
    let arguments = [PLACES, ROUNDS * PAGE, everything, fixed as u64, u64::MAX, 0];
    let map = Errand::new().call(libc::SYS_mmap, &arguments.map(Value::Is));
    let room = cave::find(&remote, map.size() as u64).expect("room in some module");
    send(&remote, |_, _| Ok(Some(room)), &map).expect("one of its threads");
    while remote.word(PLACES).is_none() {
        thread::yield_now();
    }
    for place in (PLACES..).step_by(PAGE as usize).take(ROUNDS as usize) {
        let noted = place + PAGE - 8;
        let errand = Errand::new().call(libc::SYS_getpid, &[]).note(noted);
        send(&remote, |_, _| Ok(Some(place)), &errand).expect("one of its threads");
        while remote.word(noted) != Some(pid.into()) {
            thread::yield_now();
        }
    }
    let counts = program.finish();
    assert!(counts[0] >= 3, "{call}: {counts:?}");
    assert_eq!(
        counts[1..],
        [0, 0],
        "{call}: failures and early returns in {counts:?}"
    );
}

macro_rules! not_cut_short {
    ($($name:ident: $call:literal),* $(,)?) => {
        $(#[test] fn $name() { borrow_during($call); })*
    };
}

not_cut_short! {
    a_thread_in_nanosleep_is_borrowed_unnoticed: "nanosleep",
    a_thread_in_clock_nanosleep_is_borrowed_unnoticed: "clock_nanosleep",
    a_thread_in_select_is_borrowed_unnoticed: "select",
    a_thread_in_poll_is_borrowed_unnoticed: "poll",
    a_thread_in_epoll_wait_is_borrowed_unnoticed: "epoll_wait",
    a_thread_in_epoll_pwait_is_borrowed_unnoticed: "epoll_pwait",
    a_thread_in_futex_is_borrowed_unnoticed: "futex",
    a_thread_in_a_futex_with_a_deadline_is_borrowed_unnoticed: "futex_bitset",
    a_thread_in_sigtimedwait_is_borrowed_unnoticed: "sigtimedwait",
    a_thread_in_semtimedop_is_borrowed_unnoticed: "semtimedop",
    a_thread_in_read_is_borrowed_unnoticed: "read",
    a_thread_that_computes_is_borrowed_unnoticed: "compute",
}

#[test]
fn sets_of_signals_are_read_by_name() {
    let status = "Name:\tx\nSigPnd:\t0000000000000200\nSigBlk:\t0000000000000002\n";
    assert_eq!(signals(status, "SigPnd:"), Some(0x200));
    assert_eq!(signals(status, "SigBlk:"), Some(2));
    assert_eq!(signals(status, "ShdPnd:"), None);
}

#[test]
fn a_stopped_process_is_refused_with_what_it_does() {
    let mut child = Command::new("sleep")
        .arg("1000")
        .spawn()
        .expect("sleep is there");
    let pid = Pid::from_raw(child.id() as i32);
    nix::sys::signal::kill(pid, Signal::SIGSTOP).expect("our own child");
    let remote = Remote::open(child.id()).expect("our own child");
    let refused = send(&remote, |_, _| Ok(Some(0)), &Errand::new()).expect_err("it is stopped");
    assert!(refused.to_string().contains("it is stopped"), "{refused}");
    child.kill().expect("our own child");
    child.wait().expect("our own child");
}

#[test]
fn a_thread_that_has_just_ended_is_gone_and_not_forbidden() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let remote = Remote::open(child.id()).unwrap();
    child.kill().unwrap();
    let pid = Pid::from_raw(child.id() as i32);
    // It stays in the list of processes until it is waited for.
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    nix::sys::wait::waitid(nix::sys::wait::Id::Pid(pid), flags).unwrap();
    let attempt = attempt_alone(&remote, pid.as_raw(), &|_, _| Ok(None), &Errand::new());
    assert!(matches!(attempt, Ok(Attempt::Gone)));
    child.wait().unwrap();
}
