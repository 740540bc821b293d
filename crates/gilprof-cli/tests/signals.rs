//! Signals reach the program as if gilprof were not there: each once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod common;

use std::fs::File;
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdout, Command, Stdio};

use common::run_sh;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

/// A program under gilprof, in a process group of its own, that says what it
/// gets.
struct Run {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Says each signal it gets, and ends at the end of its input.
const LISTENER: &str = "
    for signal in HUP INT QUIT TERM USR1 USR2 CONT ALRM WINCH; do
        trap \"echo $signal\" $signal
    done
    echo ready $$
    while :; do sleep 0.02; done";

impl Run {
    fn start(script: &str) -> (Self, Pid) {
        let mut command = run_sh(&[], script);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut run = Run { child, lines };
        let ready = run.line();
        let program = ready.strip_prefix("ready ").unwrap().parse().unwrap();
        (run, Pid::from_raw(program).unwrap())
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    fn gilprof(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Err(_over) = kill_process_group(self.gilprof(), Signal::KILL) {}
        self.child.wait().unwrap();
    }
}

#[test]
fn a_signal_sent_to_us_alone_is_passed_on() {
    let (mut run, _program) = Run::start(LISTENER);
    let sent = [
        (Signal::HUP, "HUP"),
        (Signal::INT, "INT"),
        (Signal::QUIT, "QUIT"),
        (Signal::TERM, "TERM"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::CONT, "CONT"),
        (Signal::ALARM, "ALRM"),
        (Signal::WINCH, "WINCH"),
    ];
    for (signal, name) in sent {
        kill_process(run.gilprof(), signal).unwrap();
        assert_eq!(run.line(), name);
    }
}

#[test]
fn a_program_that_ends_by_a_signal_we_passed_on_ends_us_by_it() {
    let (mut run, _program) = Run::start("echo ready $$; exec sleep 600");
    kill_process(run.gilprof(), Signal::TERM).unwrap();
    let status = run.child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
}

#[test]
fn a_program_that_signals_its_whole_group_is_not_signalled_back() {
    let script =
        "trap 'echo got' USR1; echo ready $$; kill -USR1 0; sleep 0.3; echo end; read line";
    let (mut run, _program) = Run::start(script);
    assert_eq!(run.line(), "got");
    assert_eq!(run.line(), "end");
}

#[test]
fn an_interrupt_from_the_terminal_reaches_the_program_once() {
    let script =
        "trap 'echo got' INT; echo ready; for i in 1 2 3 4 5 6; do sleep 0.05; done; echo end";
    let (mut terminal, mut run) = in_terminal(script);
    let mut lines = BufReader::new(terminal.try_clone().unwrap()).lines();
    let mut line = || lines.next().unwrap().unwrap();
    assert_eq!(line(), "ready");
    terminal.write_all(b"\x03").unwrap();
    assert!(line().ends_with("got"));
    assert_eq!(line(), "end");
    assert!(run.wait().unwrap().success());
}

/// A program under gilprof, in the foreground of a terminal of its own.
fn in_terminal(script: &str) -> (File, Child) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    unlockpt(&master).unwrap();
    let slave = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = File::options().read(true).write(true).open(slave).unwrap();
    let gilprof = [
        env!("CARGO_BIN_EXE_gilprof"),
        "run",
        "--",
        "sh",
        "-c",
        script,
    ];
    let mut command = Command::new("setsid");
    command.arg("--ctty").args(gilprof);
    command
        .stdin(slave.try_clone().unwrap())
        .stdout(slave)
        .stderr(Stdio::null());
    let child = command.spawn().unwrap();
    (File::from(master), child)
}

#[test]
fn a_stop_of_the_program_alone_does_not_stop_us() {
    let (mut run, program) = Run::start(LISTENER);
    kill_process(program, Signal::STOP).unwrap();
    wait_for_state(program, 'T');
    std::thread::sleep(std::time::Duration::from_millis(150));
    assert_ne!(state(run.gilprof()), 'T');
    kill_process(program, Signal::CONT).unwrap();
    assert_eq!(run.line(), "CONT");
}

fn wait_for_state(pid: Pid, wanted: char) {
    while state(pid) != wanted {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// The state letter of a process.
fn state(pid: Pid) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    let (_command, rest) = stat.rsplit_once(") ").unwrap();
    rest.chars().next().unwrap()
}
