//! What the tests of the program share.
#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

use std::path::PathBuf;
use std::process::{Command, Output};

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
