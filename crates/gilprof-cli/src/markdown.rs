//! A report as Markdown.

use crate::content::{Bar, Cell, Column, Document, Section, Table};

/// Lays the report out with headings, lists and tables.
pub(crate) fn render(document: &Document) -> String {
    let mut lines = vec![format!("## {}", escape(&document.title))];
    for section in &document.sections {
        if !section.heading.is_empty() {
            lines.push(String::new());
            lines.push(format!("### {}", section.heading));
        }
        if !section.aside.is_empty() {
            lines.push(String::new());
            lines.push(section.aside.clone());
        }
        lines.extend(facts(section));
        lines.extend(section.table.iter().flat_map(table));
    }
    lines.join("\n") + "\n"
}

fn facts(section: &Section) -> Vec<String> {
    let fact =
        |(what, fact): &(String, String)| format!("- **{}**: {}", escape(what), escape(fact));
    let space = (!section.facts.is_empty()).then(String::new);
    space
        .into_iter()
        .chain(section.facts.iter().map(fact))
        .collect()
}

fn table(table: &Table) -> Vec<String> {
    let headings = table
        .columns
        .iter()
        .map(|column| column.heading.trim().replace('\n', " "));
    let rule = |column: &Column| if column.is_text { ":--" } else { "--:" };
    let mut lines = vec![
        String::new(),
        row(headings),
        row(table.columns.iter().map(|column| rule(column).into())),
    ];
    let width = table.columns.len();
    lines.extend(table.rows.iter().map(|cells| {
        let missing = width.saturating_sub(cells.len());
        row(cells.iter().map(cell).chain(vec![String::new(); missing]))
    }));
    lines
}

fn row(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => escape(text),
        Cell::Line(text) => escape(text.trim_start()),
        Cell::Bar(bar) => draw(*bar),
    }
}

fn draw(bar: Bar) -> String {
    let [holding, waiting, detached] = bar.parts();
    [
        "█".repeat(holding),
        "▒".repeat(waiting),
        "░".repeat(detached),
    ]
    .concat()
}

/// Text that Markdown leaves as it is.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(
            character,
            '\\' | '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '#'
        ) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::document;
    use crate::sample;
    use gilprof::Profile;

    #[test]
    fn the_first_line_is_the_verdict() {
        let profile = sample::contended();
        let markdown = render(&document(&profile));
        let title = format!("## {}", escape(&profile.verdict().sentence));
        assert_eq!(markdown.lines().next(), Some(title.as_str()));
    }

    #[test]
    fn a_row_has_as_many_cells_as_the_heading() {
        let markdown = render(&document(&sample::contended()));
        assert!(markdown.contains(
            "| thread |  | holding | waiting | detached | others waited |\n\
             | :-- | --: | --: | --: | --: | --: |\n"
        ));
        assert!(markdown.contains(
            "| worker-1 | █████▒▒▒▒░ | 500 ms 50 % | 400 ms 40 % | 100 ms 10 % | 380 ms |\n"
        ));
    }

    #[test]
    fn a_line_below_a_row_is_a_row_with_empty_cells() {
        let markdown = render(&document(&sample::contended()));
        assert!(
            markdown.contains(
                "| ← run work.py:30  ← main app.py:5  ← \\<module\\> app.py:9 |  |  |  |  |\n"
            ),
            "{markdown}"
        );
    }

    #[test]
    fn a_name_cannot_break_a_table() {
        let profile: Profile = sample::profile_of(vec![sample::thread(1, "a|b\n*c*")]);
        let markdown = render(&document(&profile));
        assert!(markdown.contains("| a\\|b?\\*c\\* |"), "{markdown}");
    }
}
