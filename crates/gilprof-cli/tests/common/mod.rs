//! What the tests of the program share.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// The program under test.
pub(crate) fn gilprof() -> Command {
    Command::new(env!("CARGO_BIN_EXE_gilprof"))
}

/// `gilprof run OPTIONS -- sh -c SCRIPT`.
pub(crate) fn run_sh(options: &[&str], script: &str) -> Command {
    let mut command = gilprof();
    command
        .arg("run")
        .args(options)
        .args(["--", "sh", "-c", script]);
    command
}

/// What it said on the standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An empty folder of its own for one test.
pub(crate) fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A program that waits, and ends with the test.
pub(crate) struct Waiting(pub(crate) Child);

impl Waiting {
    /// A Python that runs this and has said so.
    pub(crate) fn python(source: &str, command: &mut Command) -> Self {
        let source = format!("import sys\n{source}\nprint(flush=True)\nsys.stdin.read()");
        let command = command.args(["-c", &source]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut line = String::new();
        let output = child.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        assert_eq!(line, "\n");
        Waiting(child)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The Python that is there.
pub(crate) fn python3() -> Command {
    Command::new("python3")
}
