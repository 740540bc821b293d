//! `gilprof ps`: the Pythons that are running, and whether gilprof may attach to them.

mod listing;

use std::io;

use gilprof_attach::{Refusal, Target};

use crate::args::{ListFormat, PsArgs};
use crate::command::say;
use crate::content::{Cell, Column, Table, harmless};
use crate::error::Error;
use crate::print::print;
use crate::terminal::Terminal;
use crate::text::{render_table, wrap};

use listing::Row;

/// How far the reasons below a row are moved in.
const INDENT: usize = 9;

/// Prints the list; gives back the exit status.
///
/// # Errors
/// Where processes cannot be listed, or nothing can be printed.
pub(crate) fn ps(args: &PsArgs) -> Result<i32, Error> {
    let failed = |what| move |source| Error::Os { what, source };
    let all = Target::all().map_err(failed("list the processes in /proc"))?;
    let shown = all.iter().filter(|target| match args.all {
        // The kernel's own threads are processes to the system only.
        true => target.refusal() != Some(&Refusal::Kernel),
        false => target.is_python(),
    });
    let rows: Vec<Row> = shown.map(Row::of).collect();
    match args.format {
        ListFormat::Json => {
            let list = listing::json(&rows).map_err(io::Error::from);
            print(&list.map_err(failed("write the list as JSON"))?)
        }
        ListFormat::Text => {
            if rows.is_empty() {
                say("no Python is running that can be seen from here");
                return Ok(0);
            }
            let terminal = Terminal::of(&io::stdout());
            print(&render_table(&table(&rows, terminal.width), terminal))
        }
    }
}

fn table(rows: &[Row], width: usize) -> Table {
    Table {
        columns: vec![
            Column::number("pid", 0),
            Column::text("python"),
            Column::number("threads", 0),
            Column::text("GIL"),
            Column::text("probe"),
            Column::text("attach"),
            Column::text("command"),
        ],
        rows: rows.iter().flat_map(|row| lines(row, width)).collect(),
    }
}

/// A row, and below it why the process cannot be attached to.
fn lines(row: &Row, width: usize) -> Vec<Vec<Cell>> {
    let cells = row.cells().into_iter().map(|cell| harmless(&cell).into());
    let reason = row.reason.iter().flat_map(|reason| {
        let lines = wrap(&harmless(reason), width.saturating_sub(INDENT));
        lines
            .into_iter()
            .map(|line| vec![Cell::Line(format!("{:INDENT$}{line}", ""))])
    });
    std::iter::once(cells.collect()).chain(reason).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMINAL: Terminal = Terminal {
        width: 80,
        colour: false,
        unicode: true,
    };

    fn rows() -> Vec<Row> {
        let open = Row {
            pid: 4242,
            python: Some("3.11.7".into()),
            threads: 12,
            gil: Some("on"),
            gils: Some(1),
            probe: Some("recording"),
            attach: true,
            reason: None,
            user: 1000,
            module: Some("/usr/lib/libpython3.11.so.1.0".into()),
            command: [
                "python",
                "-m",
                "gunicorn",
                "a long name ".repeat(9).as_str(),
            ]
            .map(String::from)
            .to_vec(),
            name: "python".into(),
        };
        let closed = Row {
            pid: 77,
            python: None,
            gil: None,
            gils: None,
            probe: None,
            attach: false,
            reason: Some("is of another user (uid 33): ".to_string() + &"and so on ".repeat(12)),
            command: Vec::new(),
            ..open.clone()
        };
        vec![open, closed]
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_reason_is_cut() {
        for width in [40, 60, 80, 200] {
            let text = render_table(&table(&rows(), width), Terminal { width, ..TERMINAL });
            assert!(
                text.lines().all(|line| line.chars().count() <= width),
                "{text}"
            );
            let words: Vec<&str> = text.split_whitespace().collect();
            assert!(
                words
                    .join(" ")
                    .ends_with("and so on ".repeat(12).trim_end()),
                "{text}"
            );
        }
    }

    #[test]
    fn a_row_tells_each_fact_in_its_column() {
        let text = render_table(&table(&rows(), 80), TERMINAL);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            " pid  python  threads  GIL  probe      attach  command"
        );
        assert!(
            lines[1].starts_with("4242  3.11.7       12  on   recording  yes     python -m gunico"),
            "{text}"
        );
        assert!(
            lines[2].starts_with("  77  n/a          12  n/a  n/a        no      (python)"),
            "{text}"
        );
    }

    #[test]
    fn a_command_line_cannot_steer_the_terminal() {
        let mut rows = rows();
        rows[0].command = vec!["python\x1b[2J\n".into()];
        let text = render_table(&table(&rows, 80), TERMINAL);
        assert!(text.contains("python?[2J?"), "{text}");
    }

    #[test]
    fn what_is_not_known_is_null() {
        let list: serde_json::Value =
            serde_json::from_str(&listing::json(&rows()).unwrap()).unwrap();
        let [open, closed] = [0, 1].map(|at| list["processes"][at].clone());
        assert_eq!(open["gils"], 1);
        assert_eq!(open["command"][1], "-m");
        assert!(open["reason"].is_null() && closed["python"].is_null());
        assert_eq!(closed["attach"], false);
    }
}
