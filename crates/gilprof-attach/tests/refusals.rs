//! Which processes may be attached to, and why not: on real ones.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use gilprof_attach::{Error, Gil, Modules, Presence, Process, Refusal, Target};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

/// A program that lives until the test is over, and its input and output.
struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        Program {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").unwrap();
    }

    /// What it says next: then it has got so far.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().into()
    }

    /// What there is against it.
    fn refusal(&self) -> Option<Refusal> {
        Target::of(self.pid()).unwrap().refusal().cloned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that repeats its input.
fn cat() -> Program {
    let mut cat = Program::start(&mut Command::new("cat"));
    cat.tell("it runs");
    assert_eq!(cat.line(), "it runs");
    cat
}

/// A Python that has said its version and waits.
fn python(command: &mut Command) -> (Program, String) {
    let source =
        "import platform, sys\nprint(platform.python_version(), flush=True)\nsys.stdin.read()";
    let mut python = Program::start(command.args(["-c", source]));
    let version = python.line();
    (python, version)
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn a_python_is_told_with_its_version() {
    let (python, version) = python(&mut Command::new("python3"));
    let target = Target::of(python.pid()).unwrap();
    let found = target.python().unwrap();
    assert_eq!(found.version().unwrap().to_string(), version);
    assert_eq!(
        (found.gil(), target.process().threads()),
        (Some(Gil::On), 1)
    );
    assert_eq!(target.presence(), Some(&Presence::Absent));
    assert!(target.is_python() && found.has_slots());
}

#[test]
fn nothing_is_against_a_python_that_is_supported() {
    let (python, version) = python(&mut Command::new("python3"));
    let minor: u32 = version.split('.').nth(1).unwrap().parse().unwrap();
    let (first, last) = gilprof_attach::SUPPORTED;
    let expected = match (first..=last).contains(&minor) {
        true => None,
        false => Some(Refusal::Version(version)),
    };
    assert_eq!(python.refusal(), expected);
}

#[test]
fn all_processes_are_listed_but_this_one() {
    let cat = cat();
    let all = Target::all().unwrap();
    let listed = |pid| all.iter().any(|target| target.process().pid() == pid);
    assert!(listed(cat.pid()) && !listed(std::process::id()));
}

#[test]
fn a_program_without_a_python_is_refused() {
    assert_eq!(cat().refusal(), Some(Refusal::NotPython));
}

#[test]
fn a_process_that_is_not_there_is_refused_by_its_id() {
    for pid in [0, u32::MAX] {
        assert_eq!(Target::of(pid), Err(Refusal::Absent));
    }
    let Error::Refused(said) = Refusal::Absent.into_error(4242) else {
        panic!()
    };
    assert!(said.starts_with("process 4242 does not exist"), "{said}");
}

#[test]
fn this_process_is_not_attached_to_by_itself() {
    let own = Target::of(std::process::id()).unwrap();
    assert_eq!(own.refusal(), Some(&Refusal::Oneself));
}

#[test]
fn a_process_that_has_ended_is_a_zombie_of_its_parents() {
    let mut child = Command::new("true").spawn().unwrap();
    // It is waited for, and left as it is.
    let pid = Id::Pid(Pid::from_raw(child.id().try_into().unwrap()));
    waitid(pid, WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
    let zombie = Target::of(child.id()).unwrap();
    assert_eq!(zombie.refusal(), Some(&Refusal::Zombie(std::process::id())));
    child.wait().unwrap();
    assert_eq!(Target::of(child.id()), Err(Refusal::Absent));
}

#[test]
fn a_thread_of_the_kernel_is_refused() {
    // Containers do not show any.
    if fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
        assert_eq!(Target::of(2).unwrap().refusal(), Some(&Refusal::Kernel));
    }
}

#[test]
fn a_tracer_is_named() {
    let (python, _) = python(&mut Command::new("python3"));
    let before = python.refusal();
    let pid = Pid::from_raw(python.pid().try_into().unwrap());
    nix::sys::ptrace::seize(pid, nix::sys::ptrace::Options::empty()).unwrap();
    let Some(Refusal::Traced { pid, name }) = python.refusal() else {
        panic!("{:?} {before:?}", python.refusal());
    };
    // The tracer is the thread of this test.
    assert_eq!(pid, nix::unistd::gettid().as_raw() as u32);
    let own = fs::read_to_string("/proc/thread-self/comm").unwrap();
    assert_eq!(name, own.trim_end());
}

#[test]
fn a_tracer_of_any_thread_is_named() {
    let source = "import sys, threading\n\
        threading.Thread(target=threading.Event().wait, daemon=True).start()\n\
        print(threading.enumerate()[1].native_id, flush=True)\nsys.stdin.read()";
    let mut python = Program::start(Command::new("python3").args(["-c", source]));
    let thread = Pid::from_raw(python.line().parse().unwrap());
    // What a thread traces is let go when the thread ends.
    let traced = || {
        nix::sys::ptrace::seize(thread, nix::sys::ptrace::Options::empty()).unwrap();
        (nix::unistd::gettid().as_raw() as u32, python.refusal())
    };
    let (tracer, refusal) = std::thread::scope(|scope| scope.spawn(traced).join().unwrap());
    assert!(
        matches!(refusal, Some(Refusal::Traced { pid, .. }) if pid == tracer),
        "{refusal:?}"
    );
    assert!(!matches!(python.refusal(), Some(Refusal::Traced { .. })));
}

#[test]
fn another_program_in_the_same_process_is_noticed() {
    let script = "echo shell; read line; exec cat";
    let mut program = Program::start(Command::new("sh").args(["-c", script]));
    assert_eq!(program.line(), "shell");
    let shell = Process::of(program.pid()).unwrap();
    assert!(shell.is_the_same());
    program.tell("go on");
    program.tell("this is cat");
    assert_eq!(program.line(), "this is cat");
    assert!(!shell.is_the_same());
}

#[test]
fn a_program_whose_file_was_deleted_is_read_from_its_memory() {
    let copy = folder("deleted").join("cat");
    fs::copy("/bin/cat", &copy).unwrap();
    let mut cat = Program::start(&mut Command::new(&copy));
    cat.tell("it runs");
    cat.line();
    let slots = |cat: &Program| -> usize {
        let modules = Modules::of(cat.pid()).unwrap();
        let program = modules
            .all()
            .iter()
            .find(|module| module.path().contains("deleted/cat"));
        program.unwrap().slots("write").len()
    };
    let before = slots(&cat);
    assert_ne!(before, 0);
    fs::remove_file(&copy).unwrap();
    assert_eq!(slots(&cat), before);
}

#[test]
fn a_python_in_other_namespaces_is_told_as_any() {
    let python_in = |program: &str| {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            program,
        ]);
        command
    };
    let can = python_in("true").stderr(Stdio::null()).status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("skipped: no namespaces may be made here");
        return;
    }
    let (outer, version) = python(&mut python_in("python3"));
    let all = Target::all().unwrap();
    let inner = all
        .iter()
        .find(|target| target.process().parent() == outer.pid());
    let found = inner.unwrap().python().unwrap();
    assert_eq!(found.version().unwrap().to_string(), version);
}

#[test]
fn a_program_of_32_bits_is_refused() {
    let program = folder("narrow").join("pause");
    fs::write(&program, narrow_program()).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    match Command::new(&program).spawn() {
        Ok(child) => {
            let (pid, mut child) = (child.id(), child);
            assert_eq!(Target::of(pid).unwrap().refusal(), Some(&Refusal::Narrow));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        Err(error) => eprintln!("skipped: no program of 32 bits runs here ({error})"),
    }
}

/// A program for i386 that waits for ever: a header (ELF gABI), one segment, and
/// `mov eax, 29 (pause); int 0x80; jmp` back.
fn narrow_program() -> Vec<u8> {
    let at = 0x0804_8000_u32;
    let code = [0xb8, 29, 0, 0, 0, 0xcd, 0x80, 0xeb, 0xf7];
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let halves = |file: &mut Vec<u8>, all: &[u16]| {
        file.extend(all.iter().flat_map(|half| half.to_le_bytes()))
    };
    let words = |file: &mut Vec<u8>, all: &[u32]| {
        file.extend(all.iter().flat_map(|word| word.to_le_bytes()))
    };
    halves(&mut file, &[2, 3]);
    words(&mut file, &[1, at + 84, 52, 0, 0]);
    halves(&mut file, &[52, 32, 1, 0, 0, 0]);
    words(&mut file, &[1, 0, at, at, 93, 93, 5, 0x1000]);
    file.extend(code);
    file
}
