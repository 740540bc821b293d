use super::*;
use crate::sample;
use crate::terminal::Terminal as Shows;
use crate::top::keys::Key;
use gilprof::Profile;
use gilprof::core::Thread;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

const RICH: Shows = Shows {
    width: 80,
    colour: true,
    unicode: true,
};

const POOR: Shows = Shows {
    width: 80,
    colour: false,
    unicode: false,
};

fn crowd(threads: u64) -> Profile {
    let mut parts = sample::contended().into_parts();
    let more = (3..=threads).map(|id| sample::thread(id, &format!("pool-工作-{id}")));
    parts.threads.extend(more);
    Profile::assemble(parts)
}

fn state(threads: u64) -> State {
    State::new("python -m app\x1b[2J".into(), crowd(threads))
}

fn buffer(state: &mut State, shows: Shows, width: u16, height: u16) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut rooms = [Room::default(); 3];
    terminal
        .draw(|frame| rooms = draw(state, Look::of(shows), frame.area(), frame.buffer_mut()))
        .unwrap();
    state.drawn(rooms);
    terminal.backend().buffer().clone()
}

fn lines(state: &mut State, shows: Shows, width: u16, height: u16) -> Vec<String> {
    let buffer = buffer(state, shows, width, height);
    let symbols: Vec<&str> = buffer.content.iter().map(|cell| cell.symbol()).collect();
    let lines = symbols.chunks(width.into()).map(|line| line.concat());
    lines.map(|line| line.trim_end().to_string()).collect()
}

fn press(state: &mut State, keys: &str) {
    for key in keys.chars() {
        assert_eq!(state.press(Key::Letter(key)), None);
    }
}

fn line_with<'l>(lines: &'l [String], text: &str) -> &'l str {
    let found = lines.iter().find(|line| line.contains(text));
    found.unwrap_or_else(|| panic!("no {text:?} in {lines:#?}"))
}

#[test]
fn in_a_usual_terminal_there_is_all_of_it() {
    let lines = lines(&mut state(2), RICH, 80, 24);
    let verdict = sample::contended().verdict().sentence;
    assert!(verdict.starts_with(&lines[0]), "{lines:#?}");
    assert_eq!(
        lines[2],
        "pid 42  1.00 s  exact  0 dropped  2 threads  Python 3.12.1  python -m app?[2J"
    );
    assert!(lines[3].starts_with("GIL held 100 %"), "{lines:#?}");
    assert!(lines[3].ends_with('█'), "{lines:#?}");
    assert!(lines[5].starts_with("waiting   0.80"), "{lines:#?}");
    assert_eq!(
        lines[7],
        "Threads by wait, last 1.00 s  █ holding ▒ waiting ░ detached"
    );
    assert_eq!(
        lines[9].split_whitespace().collect::<Vec<_>>().join(" "),
        "main █████▒▒▒▒░ 400 ms 500 ms 390 ms 2.0 250 ms"
    );
    line_with(&lines, "Held while others waited, last 1.00 s");
    let site = line_with(&lines, "app/work.py:10");
    assert!(site.ends_with("380 ms   49 %"), "{site}");
    assert!(lines[23].starts_with("h help  q quit  p pause  s sort"));
}

#[test]
fn what_only_events_tell_is_not_known_of_a_process_that_is_looked_at() {
    let mut state = State::new("python".into(), sample::sampled());
    let lines = lines(&mut state, RICH, 80, 24);
    assert_eq!(
        lines[2],
        "pid 42  1.00 s  sampled  500 looks  2 threads  Python 3.12.1  python"
    );
    assert_eq!(
        lines[9].split_whitespace().collect::<Vec<_>>().join(" "),
        "main █████▒▒▒▒░ 400 ms 500 ms 390 ms n/a n/a"
    );
    line_with(&lines, "app/work.py:10");
}

#[test]
fn on_a_small_screen_there_is_one_table_at_a_time() {
    let mut state = state(2);
    let threads = lines(&mut state, RICH, 40, 10);
    line_with(&threads, "pid 42");
    line_with(&threads, "GIL held 100 %");
    line_with(&threads, "worker-1");
    assert!(!threads.iter().any(|line| line.contains("Held while")));
    state.press(Key::Tab);
    let sites = lines(&mut state, RICH, 40, 10);
    line_with(&sites, "Held while others waited");
    line_with(&sites, "crunch");
    assert!(!sites.iter().any(|line| line.contains("Threads by")));
}

#[test]
fn on_a_large_screen_many_threads_can_be_seen() {
    let lines = lines(&mut state(20), RICH, 200, 60);
    for id in 3..=20 {
        line_with(&lines, &format!("pool-工 作 -{id} "));
    }
    line_with(&lines, "p99 wait");
    line_with(&lines, "app/work.py:30");
}

#[test]
fn any_size_can_be_drawn() {
    let mut state = state(20);
    for help in ["", "h"] {
        press(&mut state, help);
        for (width, height) in (0..60).flat_map(|width| [(width, 24), (80, width), (width, width)])
        {
            buffer(&mut state, POOR, width, height);
        }
    }
}

#[test]
fn no_line_of_threads_is_wider_than_the_screen() {
    for width in [40, 60, 80, 120] {
        let lines = lines(&mut state(20), RICH, width, 24);
        let heading = line_with(&lines, "hold ");
        assert!(
            heading.contains("wait") && heading.contains("caused"),
            "{heading}"
        );
    }
}

#[test]
fn a_poor_terminal_gets_ascii_and_no_colours() {
    let buffer = buffer(&mut state(20), POOR, 80, 24);
    for cell in &buffer.content {
        assert!(cell.symbol().is_ascii(), "{:?}", cell.symbol());
        assert_eq!((cell.fg, cell.bg), Default::default());
    }
    let lines = lines(&mut state(2), POOR, 80, 24);
    line_with(&lines, "#####====.");
}

#[test]
fn bars_are_coloured_as_in_reports() {
    use ratatui::style::Color;
    let buffer = buffer(&mut state(2), RICH, 80, 24);
    let of = |symbol: &str| {
        let cells = buffer.content.iter().skip(80 * 9);
        let mut cells = cells.filter(move |cell| cell.symbol() == symbol);
        cells.next().map(|cell| cell.fg)
    };
    assert_eq!(of("█"), Some(Color::Green));
    assert_eq!(of("▒"), Some(Color::Red));
}

#[test]
fn a_filter_leaves_what_has_it_and_says_so() {
    let mut state = state(20);
    press(&mut state, "/work");
    let typing = lines(&mut state, RICH, 80, 24);
    assert!(typing[23].starts_with("filter: work_"), "{typing:#?}");
    state.press(Key::Enter);
    let kept = lines(&mut state, RICH, 80, 24);
    line_with(&kept, "Threads by wait, last 1.00 s, with \"work\"");
    line_with(&kept, "worker-1");
    // Above stands the verdict, which names whom it names.
    assert!(!kept[7..].iter().any(|line| line.starts_with("main ")));
    press(&mut state, "/ing");
    line_with(
        &lines(&mut state, RICH, 80, 24),
        "no thread has \"working\" in its name",
    );
}

#[test]
fn the_order_of_threads_is_said() {
    let mut state = state(2);
    for order in ["hold", "caused", "name", "wait"] {
        press(&mut state, "s");
        line_with(
            &lines(&mut state, RICH, 80, 24),
            &format!("Threads by {order},"),
        );
    }
}

#[test]
fn the_last_window_and_all_of_it_are_told_apart() {
    let mut state = state(2);
    let mut parts = crowd(2).into_parts();
    parts.wall_ns *= 3;
    state.look(Profile::assemble(parts));
    line_with(&lines(&mut state, RICH, 80, 24), "last 2.00 s");
    press(&mut state, "w");
    line_with(&lines(&mut state, RICH, 80, 24), "all 3.00 s");
}

#[test]
fn threads_out_of_sight_are_scrolled_to() {
    let mut state = state(60);
    let last = "pool-工 作 -60 ";
    assert!(
        !lines(&mut state, RICH, 80, 24)
            .iter()
            .any(|line| line.contains(last))
    );
    line_with(&lines(&mut state, RICH, 80, 24), " 1-6 of 60");
    state.press(Key::End);
    let shown = lines(&mut state, RICH, 80, 24);
    line_with(&shown, last);
    line_with(&shown, " 55-60 of 60");
}

#[test]
fn callers_are_shown_when_asked_for() {
    let mut state = state(2);
    press(&mut state, "c");
    line_with(&lines(&mut state, RICH, 80, 40), "← run work.py:30");
}

#[test]
fn all_of_the_help_can_be_scrolled_to_on_a_small_screen() {
    let mut state = state(2);
    press(&mut state, "h");
    let mut seen = lines(&mut state, RICH, 40, 10);
    for _ in 0..HELP.len() {
        state.press(Key::PageDown);
        seen.extend(lines(&mut state, RICH, 40, 10));
    }
    for (keys, _) in HELP {
        line_with(&seen, keys.split(' ').next().unwrap());
    }
    line_with(&seen, "caused");
}

#[test]
fn a_pause_and_an_end_are_not_overlooked() {
    let mut state = state(2);
    press(&mut state, "p");
    assert!(lines(&mut state, POOR, 80, 24)[2].starts_with("PAUSED pid 42"));
    press(&mut state, "p");
    state.end();
    assert!(lines(&mut state, POOR, 80, 24)[2].starts_with("ENDED pid 42"));
}

#[test]
fn without_stacks_the_reason_stands_where_the_sites_would_be() {
    let mut parts = crowd(2).into_parts();
    parts.sites.clear();
    parts.stacks_missing = Some("n/a (option stacks is 0)".into());
    let mut state = State::new("python".into(), Profile::assemble(parts));
    line_with(
        &lines(&mut state, RICH, 80, 24),
        "stacks: n/a (option stacks is 0)",
    );
}

#[test]
fn names_from_the_program_cannot_steer_the_terminal() {
    let mut parts = crowd(2).into_parts();
    parts.threads = vec![Thread {
        name: "a\x1b]0;b\x07\u{202e}".into(),
        ..sample::thread(1, "")
    }];
    for frame in &mut parts.frames {
        frame.function = "f\x1b[2J\n".into();
    }
    let mut state = State::new("python\r\n".into(), Profile::assemble(parts));
    let buffer = buffer(&mut state, RICH, 80, 24);
    let steers = |text: &str| text.chars().any(|c| c.is_control() || c == '\u{202e}');
    assert!(!buffer.content.iter().any(|cell| steers(cell.symbol())));
}
