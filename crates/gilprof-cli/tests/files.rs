//! `gilprof report` and `gilprof merge` on files that are there, and not.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod common;

use std::path::PathBuf;
use std::process::Output;

use common::{folder, gilprof, stderr};
use gilprof::Profile;
use gilprof::core::{ProfileParts, Thread};

fn saved(folder: &str, pid: u32) -> PathBuf {
    let path = common::folder(folder).join(format!("{pid}.json"));
    std::fs::write(&path, profile(pid).to_json().unwrap()).unwrap();
    path
}

fn profile(pid: u32) -> Profile {
    let thread = Thread {
        id: 1,
        name: String::from("main"),
        members: 1,
        pid,
        lifetime_ns: 1_000_000_000,
        detached_ns: 1_000_000_000,
        ..Thread::default()
    };
    Profile::assemble(ProfileParts {
        recording: format!("{pid}-1-1"),
        pid,
        python: String::from("3.12.1"),
        wall_ns: 1_000_000_000,
        threads: vec![thread],
        ..ProfileParts::default()
    })
}

fn report(file: &str, format: &str) -> Output {
    let args = ["report", file, "--format", format];
    gilprof().args(args).output().unwrap()
}

#[test]
fn a_saved_profile_is_reported_in_each_format() {
    let file = saved("formats", 42);
    let file = file.to_str().unwrap();
    let out = |format| String::from_utf8(report(file, format).stdout).unwrap();
    let sentence = profile(42).verdict().sentence;
    let first = sentence.split_whitespace().next().unwrap();
    assert!(out("text").starts_with(first));
    assert!(out("md").starts_with(&format!("## {first}")));
    assert_eq!(Profile::from_json(&out("json")).unwrap(), profile(42));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = report("/no/such/file.json", "text");
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.starts_with("gilprof: cannot read /no/such/file.json: "),
        "{said}"
    );
}

#[test]
fn a_file_that_is_no_profile_is_named() {
    let output = report("/etc/passwd", "text");
    assert_eq!(output.status.code(), Some(2));
    let said = stderr(&output);
    assert!(
        said.starts_with("gilprof: /etc/passwd: not a gilprof profile"),
        "{said}"
    );
}

#[test]
fn a_newer_profile_is_told_from_a_broken_one() {
    let file = saved("newer", 42);
    let json = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, json.replace("\"format\":2", "\"format\":99")).unwrap();
    let said = stderr(&report(file.to_str().unwrap(), "text"));
    assert!(
        said.contains("profile has format 99, newest understood is 3"),
        "{said}"
    );
}

#[test]
fn merged_profiles_have_the_threads_of_all() {
    let files = [saved("merge-a", 42), saved("merge-b", 43)];
    let out = folder("merged").join("all.json");
    let output = gilprof()
        .arg("merge")
        .args(&files)
        .arg("-o")
        .arg(&out)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"");
    let merged = Profile::from_json(&std::fs::read_to_string(&out).unwrap()).unwrap();
    let pids: Vec<u32> = merged.threads().iter().map(|thread| thread.pid).collect();
    assert_eq!(pids, [42, 43]);
}

#[test]
fn a_merge_that_fails_leaves_what_was_there() {
    let out = folder("kept").join("all.json");
    std::fs::write(&out, "before").unwrap();
    let mut merge = gilprof();
    let output = merge
        .args(["merge", "/etc/passwd", "-o"])
        .arg(&out)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "before");
}

#[test]
fn help_and_version_go_to_the_standard_output() {
    let out = |flag| gilprof().arg(flag).output().unwrap();
    let version = String::from_utf8(out("--version").stdout).unwrap();
    assert_eq!(version, format!("gilprof {}\n", env!("CARGO_PKG_VERSION")));
    let help = String::from_utf8(out("--help").stdout).unwrap();
    assert!(help.contains("gilprof run -- python app.py"), "{help}");
}
