//! A report as text for a terminal.

mod ascii;
mod layout;
mod paint;
mod wrap;

use crate::content::{Document, Section, Table, Tone};
use crate::terminal::Terminal;

use layout::table;
use paint::Paint;

pub(crate) use ascii::ascii;
pub(crate) use wrap::{cut_end, hang, width, wrap};

/// Lays the report out; no line is wider than the terminal.
pub(crate) fn render(document: &Document, terminal: Terminal) -> String {
    let paint = Paint(terminal.colour);
    let tone = match document.tone {
        Tone::Bad => Paint::RED,
        Tone::Good => Paint::GREEN,
        Tone::Neutral => Paint::YELLOW,
    };
    let mut lines: Vec<String> = wrap(&document.title, terminal.width)
        .into_iter()
        .map(|line| paint.with(tone, &line))
        .collect();
    for section in &document.sections {
        lines.extend(render_section(section, terminal.width, paint));
    }
    finish(&lines, terminal)
}

/// Lays a table out that stands by itself.
pub(crate) fn render_table(rows: &Table, terminal: Terminal) -> String {
    finish(
        &table(rows, terminal.width, Paint(terminal.colour)),
        terminal,
    )
}

/// The lines of a table without colours, none wider than `width`.
pub(crate) fn table_lines(rows: &Table, width: usize) -> Vec<String> {
    table(rows, width, Paint(false))
}

fn finish(lines: &[String], terminal: Terminal) -> String {
    let text = lines.join("\n") + "\n";
    match terminal.unicode {
        true => text,
        false => ascii(&text),
    }
}

fn render_section(section: &Section, width: usize, paint: Paint) -> Vec<String> {
    let mut lines = vec![String::new()];
    lines.extend(heading(section, width, paint));
    lines.extend(facts(&section.facts, width));
    if let Some(rows) = &section.table {
        lines.extend(table(rows, width, paint));
    }
    lines
}

/// The heading, and beside it or, where there is no room, below it the aside.
fn heading(section: &Section, width: usize, paint: Paint) -> Vec<String> {
    let (heading, aside) = (section.heading, section.aside.as_str());
    let together = wrap::width(heading) + 2 + wrap::width(aside) <= width;
    let dim = |line: &str| paint.with(Paint::DIM, line);
    let bold = |line: &str| paint.with(Paint::BOLD, line);
    let all = |text: &str, style: &dyn Fn(&str) -> String| -> Vec<String> {
        wrap(text, width).iter().map(|line| style(line)).collect()
    };
    match (heading, aside) {
        ("", _) => Vec::new(),
        (_, "") => all(heading, &bold),
        _ if together => vec![format!("{}  {}", bold(heading), dim(aside))],
        _ => [all(heading, &bold), all(aside, &dim)].concat(),
    }
}

/// What stands at the left in one column, and beside it what is told of it.
fn facts(facts: &[(String, String)], width: usize) -> Vec<String> {
    let longest = facts.iter().map(|(what, _)| wrap::width(what)).max();
    let column = longest.unwrap_or_default().min(width / 3);
    facts
        .iter()
        .flat_map(|(what, fact)| hang(what, column, fact, width))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::document;
    use crate::sample;
    use gilprof::Profile;

    const WIDE: Terminal = Terminal {
        width: 80,
        colour: false,
        unicode: true,
    };

    fn text(profile: &Profile, terminal: Terminal) -> String {
        render(&document(profile), terminal)
    }

    fn crowd() -> Profile {
        let mut parts = sample::contended().into_parts();
        parts.threads.extend((3..60).map(|id| {
            let name = format!("ThreadPoolExecutor-{id}_工作线程_that_has_a_name_without_end");
            sample::thread(id, &name)
        }));
        for frame in &mut parts.frames {
            frame.function = "Outer.<locals>.a_function_with_a_name_without_end".repeat(2);
            frame.file = "/srv/工作线程/a/package/of_a_name_without_end.py".repeat(2);
        }
        parts.notes = vec!["a sentence that is somewhat longer than a line ".repeat(3)];
        Profile::assemble(parts)
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [40, 60, 80, 100, 200] {
            let text = text(&crowd(), Terminal { width, ..WIDE });
            let too_wide = text.lines().find(|line| wrap::width(line) > width);
            assert_eq!(too_wide, None, "at {width}");
        }
    }

    #[test]
    fn the_first_line_is_the_verdict() {
        let profile = sample::contended();
        let wide = Terminal { width: 400, ..WIDE };
        let text = text(&profile, wide);
        assert_eq!(
            text.lines().next(),
            Some(profile.verdict().sentence.as_str())
        );
    }

    #[test]
    fn a_thread_has_a_row_with_its_bar_and_times() {
        let text = text(&sample::contended(), WIDE);
        let row = text
            .lines()
            .find(|line| line.starts_with("worker-1  █"))
            .unwrap();
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>().join(" "),
            "worker-1 █████▒▒▒▒░ 500 ms 50 % 400 ms 40 % 100 ms 10 % 380 ms"
        );
    }

    #[test]
    fn without_colour_there_is_no_escape() {
        assert!(!text(&crowd(), WIDE).contains('\x1b'));
    }

    #[test]
    fn colours_take_no_room() {
        let colour = Terminal {
            colour: true,
            ..WIDE
        };
        let painted = text(&crowd(), colour);
        assert!(painted.contains('\x1b'));
        assert_eq!(strip(&painted), text(&crowd(), WIDE));
    }

    #[test]
    fn a_terminal_without_unicode_gets_ascii_of_the_same_width() {
        let ascii = text(
            &crowd(),
            Terminal {
                unicode: false,
                ..WIDE
            },
        );
        assert!(ascii.is_ascii());
        let widths = |text: &str| text.lines().map(wrap::width).collect::<Vec<_>>();
        assert_eq!(widths(&ascii), widths(&text(&crowd(), WIDE)));
    }

    #[test]
    fn what_is_not_known_is_said_to_be_so() {
        let mut parts = sample::contended().into_parts();
        parts.overhead_ns = None;
        let text = text(&Profile::assemble(parts), WIDE);
        assert!(
            text.contains("own cost           n/a (not measured)"),
            "{text}"
        );
    }

    #[test]
    fn a_profile_of_nothing_is_still_a_report() {
        let text = text(&sample::profile_of(Vec::new()), WIDE);
        assert!(text.contains("How this was measured"), "{text}");
    }

    fn strip(text: &str) -> String {
        let mut parts = text.split('\x1b');
        let first = parts.next().unwrap_or_default().to_string();
        parts.fold(first, |all, part| all + part.split_once('m').unwrap().1)
    }
}
