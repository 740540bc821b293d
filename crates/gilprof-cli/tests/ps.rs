//! `gilprof ps`: which Pythons are running, and whether one may attach to them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use common::{Waiting, gilprof, python3, stderr};
use serde_json::Value;

/// A user without any rights, as it is on every Linux.
const NOBODY: u32 = 65534;

/// What the program says of the process, if it lists it.
fn listed(program: &mut Command, options: &[&str], pid: u32) -> Option<Value> {
    let program = program.args(["ps", "--format", "json"]).args(options);
    let output = program.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut all = list["processes"].as_array().unwrap().iter();
    all.find(|one| one["pid"] == pid).cloned()
}

/// The program where other users may run it too.
fn for_all(test: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("gilprof-{test}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let copy = folder.join("gilprof");
    fs::copy(env!("CARGO_BIN_EXE_gilprof"), &copy).unwrap();
    copy
}

fn is_root() -> bool {
    let is = rustix::process::geteuid().is_root();
    if !is {
        eprintln!("skipped: only root can be several users");
    }
    is
}

fn as_nobody(program: &PathBuf) -> Command {
    let mut command = Command::new(program);
    command.uid(NOBODY).gid(NOBODY);
    command
}

#[test]
fn a_python_is_listed_with_what_is_known_of_it() {
    let source = "import threading; threading.Thread(target=sys.stdin.read).start()";
    let python = Waiting::python(source, &mut python3());
    let row = listed(&mut gilprof(), &[], python.pid()).unwrap();
    assert_eq!(row["threads"], 2);
    assert_eq!((&row["gil"], &row["probe"]), (&"on".into(), &"no".into()));
    assert_eq!(row["attach"], row["reason"].is_null());
    assert!(row["python"].as_str().unwrap().starts_with("3."), "{row}");
    assert_eq!(row["command"][1], "-c");
}

#[test]
fn what_is_no_python_is_listed_only_when_asked_for() {
    let mut cat = Command::new("cat");
    let cat = Waiting(cat.stdin(Stdio::piped()).spawn().unwrap());
    assert_eq!(listed(&mut gilprof(), &[], cat.pid()), None);
    let row = listed(&mut gilprof(), &["--all"], cat.pid()).unwrap();
    assert_eq!(
        (&row["attach"], &row["python"]),
        (&false.into(), &Value::Null)
    );
    assert!(
        row["reason"]
            .as_str()
            .unwrap()
            .starts_with("is not a Python"),
        "{row}"
    );
}

#[test]
fn the_table_fits_into_its_lines() {
    let _python = Waiting::python("", &mut python3());
    let output = gilprof().arg("ps").env("COLUMNS", "80").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("pid  python") && text.contains("yes"),
        "{text}"
    );
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}

#[test]
fn a_python_of_another_user_is_listed_with_the_reason() {
    if !is_root() {
        return;
    }
    let python = Waiting::python("", &mut python3());
    let program = for_all("other-user");
    let row = listed(&mut as_nobody(&program), &[], python.pid()).unwrap();
    assert_eq!(
        (&row["python"], &row["attach"]),
        (&Value::Null, &false.into())
    );
    assert_eq!(
        row["reason"],
        "is of another user (uid 0): run gilprof as that user or as root"
    );
    fs::remove_dir_all(program.parent().unwrap()).unwrap();
}

#[test]
fn a_python_that_is_closed_to_its_own_user_is_told_as_such() {
    if !is_root() {
        return;
    }
    // A process that gives rights away is closed by the kernel.
    let source = format!("import os; os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})");
    let python = Waiting::python(&source, &mut python3());
    let program = for_all("closed");
    let row = listed(&mut as_nobody(&program), &["--all"], python.pid()).unwrap();
    assert!(
        row["reason"]
            .as_str()
            .unwrap()
            .starts_with("is closed to its own user"),
        "{row}"
    );
    fs::remove_dir_all(program.parent().unwrap()).unwrap();
}

#[test]
fn where_the_processes_of_others_are_hidden_ones_own_are_listed() {
    if !is_root() {
        return;
    }
    let program = for_all("hidden");
    let script = format!(
        "mount -t proc -o hidepid=2 proc /proc || exit 77
        exec setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups {} ps --all --format json",
        program.display()
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .output()
        .unwrap();
    fs::remove_dir_all(program.parent().unwrap()).unwrap();
    if output.status.code() == Some(77) {
        eprintln!("skipped: /proc cannot be mounted here");
        return;
    }
    assert!(output.status.success(), "{}", stderr(&output));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["processes"], Value::Array(Vec::new()));
}
