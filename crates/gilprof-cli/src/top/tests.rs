//! The program in a terminal of its own, checked by what is on the screen.

mod scripted;
#[path = "../../tests/common/shown.rs"]
mod shown;

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, waitpid};

use super::live::Live;
use super::show;
use crate::file;
use crate::sample;
use scripted::{STOPPED, Scripted};
use shown::Shown;

/// What the scripted process does, to the child that shows it.
const SCRIPT: &str = "GILPROF_TEST_TOP";

#[test]
#[ignore = "it is what the other tests show in a terminal"]
fn program() {
    let Ok(script) = std::env::var(SCRIPT) else {
        return;
    };
    let live = Live {
        refresh: Duration::from_millis(20),
        target: None,
    };
    let begin = || Ok(Scripted::begin(script));
    let status = show(begin, "python app.py".into(), &live).unwrap();
    std::process::exit(status);
}

/// The program in a terminal, with a process that does what the script says.
fn start(script: &str) -> Shown {
    start_with(script, &[])
}

fn start_with(script: &str, variables: &[(&str, &str)]) -> Shown {
    Shown::start(std::env::current_exe().unwrap(), |command| {
        command.args(["--ignored", "--exact", "top::tests::program", "--nocapture"]);
        command.env(SCRIPT, script).envs(variables.iter().copied());
    })
}

/// Whether the recording was ended.
fn was_stopped(shown: &Shown) -> bool {
    shown.folder.join(STOPPED).exists()
}

#[test]
fn the_screen_answers_keys_and_leaves_the_terminal_as_it_was() {
    let mut shown = start("run");
    for text in ["pid 42", "Threads by wait, last 1.00 s", "app/work.py:10"] {
        shown.until_shows(text);
    }
    assert!(shown.screen().alternate_screen() && !shown.is_cooked());
    shown.press("s");
    shown.until_shows("Threads by hold");
    shown.press("w");
    shown.until_shows("Threads by hold, all");
    shown.press("/work\r");
    shown.until_shows("with \"work\"");
    shown.press("\x1b");
    shown.until("without a filter", |screen| {
        !screen.contents().contains("with \"")
    });
    shown.press("?");
    shown.until_shows("Keys, and words");
    shown.press("\x1b");
    shown.until("without help", |screen| {
        !screen.contents().contains("Keys, and words")
    });
    shown.press("q");
    assert!(shown.end().success());
    assert!(!shown.screen().alternate_screen());
    assert!(!shown.screen().hide_cursor());
    let verdict = sample::contended().verdict().sentence;
    let begin: String = verdict.chars().take(30).collect();
    assert!(
        shown.text().contains(&format!("gilprof: {begin}")),
        "{}",
        shown.text()
    );
}

#[test]
fn the_terminal_is_cooked_again_after_the_last_key() {
    let mut shown = start("run");
    shown.until_shows("Threads by wait");
    shown.press("\x03");
    shown.until_left();
    assert!(shown.end().success());
    assert!(shown.is_cooked());
}

#[test]
fn it_fits_into_a_window_that_changes_its_size() {
    let mut shown = start("run");
    shown.until_shows("Held while others waited");
    shown.resize(40, 10);
    shown.until("small", |screen| {
        let lines: Vec<String> = screen.rows(0, 40).collect();
        lines[9].starts_with("h help") && lines.iter().any(|line| line.starts_with("Threads by"))
    });
    shown.resize(120, 40);
    shown.until("large", |screen| {
        let lines: Vec<String> = screen.rows(0, 120).collect();
        lines[39].starts_with("h help") && screen.contents().contains("Held while others waited")
    });
    shown.press("q");
    assert!(shown.end().success());
}

#[test]
fn without_colours_and_unicode_there_are_none() {
    let poor = [("NO_COLOR", "1"), ("LC_ALL", "C")];
    let mut shown = start_with("run", &poor);
    shown.until_shows("#####====.");
    let (rows, columns) = shown.screen().size();
    for (row, column) in (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |c| (row, c))) {
        let cell = shown.screen().cell(row, column).unwrap();
        assert_eq!(cell.fgcolor(), vt100::Color::Default, "at {row}, {column}");
    }
    assert!(shown.all.is_ascii());
}

#[test]
fn a_process_that_ended_is_shown_until_the_user_has_seen_enough() {
    let mut shown = start("end");
    shown.until_shows("ENDED pid 42  4.00 s");
    shown.press("w");
    shown.until_shows("all 4.00 s");
    shown.press("q");
    assert!(shown.end().success());
}

#[test]
fn what_is_frozen_is_a_profile_in_the_file_that_is_named() {
    let mut shown = start("run");
    shown.until_shows("Threads by wait");
    shown.press("pf");
    shown.until_shows("saved: gilprof report gilprof-42.json");
    shown.press("f");
    shown.until_shows("saved: gilprof report gilprof-42-2.json");
    shown.press("q");
    assert!(shown.end().success());
    let [first, second] = ["gilprof-42.json", "gilprof-42-2.json"]
        .map(|name| file::load(&shown.folder.join(name)).unwrap());
    // While it was paused nothing was to change.
    assert_eq!(first, second);
}

#[test]
fn a_signal_that_ends_it_puts_the_terminal_back_first() {
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let mut shown = start("run");
        shown.until_shows("Threads by wait");
        shown.signal(signal);
        let status = shown.end();
        assert_eq!(status.signal(), Some(signal.as_raw()));
        assert!(was_stopped(&shown));
        assert!(!shown.screen().alternate_screen());
        assert!(shown.is_cooked());
    }
}

#[test]
fn a_stop_puts_the_terminal_back_until_it_goes_on() {
    for stop in ["key", "signal"] {
        let mut shown = start("run");
        shown.until_shows("Threads by wait");
        match stop {
            "key" => shown.press("\x1a"),
            _ => shown.signal(Signal::TSTP),
        }
        let pid = Pid::from_child(&shown.child);
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
        assert!(status.stopped(), "{status:?}");
        assert!(shown.is_cooked());
        shown.until_left();
        shown.signal(Signal::CONT);
        shown.until("back", |screen| {
            screen.alternate_screen() && screen.contents().contains("Threads by wait")
        });
        assert!(!shown.is_cooked());
        shown.press("q");
        assert!(shown.end().success());
    }
}

#[test]
fn a_panic_puts_the_terminal_back_before_it_is_told() {
    let mut shown = start("panic");
    let status = shown.end();
    assert!(!status.success());
    assert!(!shown.screen().alternate_screen());
    assert!(shown.is_cooked());
    assert!(shown.text().contains("a planted panic"), "{}", shown.text());
}

#[test]
fn it_ends_when_its_terminal_is_gone() {
    let mut shown = start("run");
    shown.until_shows("Threads by wait");
    shown.hang_up();
    assert!(!shown.child.wait().unwrap().success());
    assert!(was_stopped(&shown));
}
