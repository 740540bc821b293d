//! `gilprof run` around programs that are no Python: it must not be noticed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod common;

use std::io::Write;
use std::process::{Output, Stdio};

use common::{gilprof, run_sh, stderr};
use std::os::unix::process::ExitStatusExt;

const UNPROFILED: &str = "gilprof: the program ran unprofiled: no Python with gilprof";

fn output(script: &str) -> Output {
    run_sh(&[], script).output().unwrap()
}

#[test]
fn the_exit_status_is_the_programs() {
    for status in [0, 1, 2, 42, 255] {
        let output = output(&format!("exit {status}"));
        assert_eq!(output.status.code(), Some(status));
    }
}

#[test]
fn a_program_killed_by_a_signal_ends_us_by_the_same() {
    // SIGRTMIN + 3 has no name; SIGIO is ignored by some and ends us here.
    for signal in [1, 2, 3, 6, 9, 11, 13, 14, 15, 29, 37] {
        let output = output(&format!("kill -{signal} $$"));
        assert_eq!(output.status.signal(), Some(signal), "{output:?}");
        assert!(!output.status.core_dumped());
    }
}

#[test]
fn standard_output_is_the_programs_to_the_byte() {
    let output = output(r"printf 'a\0b\n\377no line end'");
    assert_eq!(output.stdout, b"a\0b\n\xffno line end");
}

#[test]
fn standard_input_is_the_programs() {
    let mut run = run_sh(&[], "cat; exit 3")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    run.stdin
        .take()
        .unwrap()
        .write_all(b"what was sent\n")
        .unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"what was sent\n");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn without_a_python_one_sentence_says_what_to_do() {
    let output = output("exit 0");
    let said = stderr(&output);
    assert!(said.starts_with(UNPROFILED), "{said}");
    assert!(said.ends_with("python -m pip install gilprof\n"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn where_a_profile_is_required_its_absence_is_a_failure() {
    let output = run_sh(&["--require"], "exit 0").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--require"), "{output:?}");
}

#[test]
fn the_program_is_told_of_the_requirement_and_of_the_region() {
    let script = "echo $GILPROF_REQUIRE $GILPROF";
    let output = run_sh(&["--require", "--threads", "7"], script)
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.starts_with("1 region=/proc/"), "{told}");
    assert!(told.contains(",threads=7,"), "{told}");
}

#[test]
fn a_command_that_is_not_there_is_127_and_one_that_cannot_be_run_126() {
    let run = |command: &str| gilprof().args(["run", "--", command]).output().unwrap();
    let missing = run("/no/such/command");
    assert_eq!(missing.status.code(), Some(127));
    assert!(stderr(&missing).starts_with("gilprof: cannot run /no/such/command: "));
    let forbidden = run("/etc/passwd");
    assert_eq!(forbidden.status.code(), Some(126));
    assert!(stderr(&forbidden).starts_with("gilprof: cannot run /etc/passwd: "));
}

#[test]
fn a_wrong_option_is_told_before_anything_runs() {
    let output = run_sh(&["--ring", "1000"], "echo ran").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
    assert!(stderr(&output).contains("ring"), "{output:?}");
    assert!(stderr(&output).contains("1000"), "{output:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_runs() {
    let output = run_sh(&["-o", "/no/such/folder/out.json"], "echo ran")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
    let said = stderr(&output);
    assert!(
        said.starts_with("gilprof: cannot write /no/such/folder/out.json: "),
        "{said}"
    );
}

#[test]
fn nothing_is_left_where_no_profile_came() {
    let folder = common::folder("left");
    let file = folder.join("out.json");
    let output = run_sh(&["-o", file.to_str().unwrap()], "exit 5")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
}

#[test]
fn the_program_has_our_signal_mask_and_no_new_ignored_signals_or_files() {
    let script = "grep -E '^Sig(Blk|Ign)' /proc/self/status; ls /proc/self/fd | wc -l";
    let plain = std::process::Command::new("sh")
        .args(["-c", script])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output(script).stdout),
        String::from_utf8_lossy(&plain.stdout)
    );
}

#[test]
fn an_ignored_signal_stays_ignored_as_nohup_wants_it() {
    let inner = "trap '' HUP; exec \"$0\" run -- sh -c 'kill -HUP $PPID; kill -HUP $$; echo lives'";
    let output = std::process::Command::new("sh")
        .args(["-c", inner, env!("CARGO_BIN_EXE_gilprof")])
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"lives\n", "{output:?}");
    assert!(output.status.success());
}
