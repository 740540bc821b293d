//! `gilprof top` on a Python that runs already, checked by what is on the screen.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod common;
#[path = "common/shown.rs"]
mod shown;

use common::{Waiting, gilprof, python3, stderr};
use shown::Shown;

/// Three threads that compute all the time.
const BUSY: &str = "
import threading
def crunch():
    while True:
        sum(range(1000))
for number in range(3):
    threading.Thread(target=crunch, name=f'cruncher-{number}', daemon=True).start()
";

fn top(python: &Waiting, options: &[&str]) -> Shown {
    Shown::start(env!("CARGO_BIN_EXE_gilprof"), |command| {
        let pid = python.pid().to_string();
        command
            .args(["top", &pid, "--refresh", "0.2"])
            .args(options);
    })
}

/// Which part of the time the GIL is held, in percent, by what is on the screen.
fn held(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("GIL held")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The row of a thread, which has a bar: the verdict may have a line that begins with its name.
fn row<'t>(text: &'t str, thread: &str) -> Option<&'t str> {
    let mut rows = text.lines().filter(|line| line.contains(['█', '▒', '░']));
    rows.find(|row| row.split_whitespace().next() == Some(thread))
}

#[test]
fn a_busy_python_is_seen_with_its_threads_and_its_code() {
    let mut python = Waiting::python(BUSY, &mut python3());
    let mut shown = top(&python, &[]);
    shown.until_shows(&format!("pid {}", python.pid()));
    // Of all of the recording: what a short window has depends on luck.
    shown.press("w");
    for text in [
        "cruncher-0 ",
        "cruncher-1 ",
        "cruncher-2 ",
        "crunch ",
        "<string>:6",
    ] {
        shown.until_shows(text);
    }
    shown.until("mostly held", |screen| held(&screen.contents()) > Some(50));
    shown.press("/cruncher-1\r");
    shown.until("filtered", |screen| {
        let text = screen.contents();
        let has = |number| row(&text, &format!("cruncher-{number}")).is_some();
        has(1) && !has(0) && !has(2)
    });
    shown.press("f");
    shown.until_shows("saved: ");
    shown.press("q");
    assert!(shown.end().success(), "{}", shown.text());
    let saved = shown.folder.join(format!("gilprof-{}.json", python.pid()));
    let report = gilprof().arg("report").arg(saved).output().unwrap();
    assert!(report.status.success(), "{}", stderr(&report));
    // What it was shown by has not disturbed it.
    drop(python.0.stdin.take());
    assert!(python.0.wait().unwrap().success());
}

#[test]
fn a_python_that_is_only_looked_at_is_seen_with_what_looks_tell() {
    let mut python = Waiting::python(BUSY, &mut python3());
    let before = mapped(&python);
    let mut shown = top(&python, &["--sample", "--interval", "1ms"]);
    shown.press("w");
    for text in ["sampled", " looks ", "crunch ", "<string>:6"] {
        shown.until_shows(text);
    }
    shown.until("mostly held", |screen| held(&screen.contents()) > Some(50));
    for number in 0..3 {
        shown.until("without what only events tell", |screen| {
            let text = screen.contents();
            let row = row(&text, &format!("cruncher-{number}"));
            row.is_some_and(|row| row.split_whitespace().rev().take(2).eq(["n/a", "n/a"]))
        });
    }
    assert_eq!(mapped(&python), before);
    shown.press("f");
    shown.until_shows("saved: ");
    shown.press("q");
    assert!(shown.end().success(), "{}", shown.text());
    let saved = shown.folder.join(format!("gilprof-{}.json", python.pid()));
    let report = gilprof().arg("report").arg(saved).output().unwrap();
    let report = String::from_utf8_lossy(&report.stdout);
    assert!(
        report.contains("sampled: the process was looked at"),
        "{report}"
    );
    drop(python.0.stdin.take());
    assert!(python.0.wait().unwrap().success());
}

/// The files that are mapped into it, and pages that can be executed.
fn mapped(python: &Waiting) -> Vec<String> {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", python.pid())).unwrap();
    let kept = maps
        .lines()
        .filter(|line| line.contains(" r-x") || line.contains('/'));
    kept.map(String::from).collect()
}

#[test]
fn an_interval_of_looks_that_is_not_allowed_is_told_without_a_screen() {
    let mut shown = Shown::start(env!("CARGO_BIN_EXE_gilprof"), |command| {
        command.args(["top", "1", "--sample", "--interval", "2"]);
    });
    assert_eq!(shown.end().code(), Some(2));
    let said = "option interval=2 is not allowed: 100us to 1s";
    assert!(shown.text().contains(said), "{}", shown.text());
}

#[test]
fn the_end_of_the_process_is_told_and_the_screen_stays() {
    let mut python = Waiting::python(BUSY, &mut python3());
    let mut shown = top(&python, &[]);
    shown.until_shows("cruncher-0 ");
    python.0.kill().unwrap();
    python.0.wait().unwrap();
    shown.until_shows("ENDED pid");
    shown.press("q");
    assert!(shown.end().success(), "{}", shown.text());
}

#[test]
fn why_a_process_cannot_be_shown_is_said_without_a_screen() {
    let mut shown = Shown::start(env!("CARGO_BIN_EXE_gilprof"), |command| {
        command.args(["top", &std::process::id().to_string()]);
    });
    assert_eq!(shown.end().code(), Some(2));
    assert!(
        shown.text().contains("is not a Python process"),
        "{}",
        shown.text()
    );
    assert!(!String::from_utf8_lossy(&shown.all).contains("\x1b[?1049h"));
}

#[test]
fn without_a_terminal_it_says_what_works_instead() {
    let output = gilprof().args(["top", "1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("gilprof attach"),
        "{}",
        stderr(&output)
    );
}
