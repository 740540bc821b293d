//! Text in lines of a given width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that the text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Lines of at most `width` columns, broken between words, and within a word
/// only where it is too long for a line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word;
        loop {
            let line = lines.last().map_or("", String::as_str);
            let space = usize::from(!line.is_empty());
            if line.width() + space + word.width() <= width {
                append(&mut lines, word);
                break;
            }
            if !line.is_empty() {
                lines.push(String::new());
                continue;
            }
            let at = prefix(word, width).max(word.chars().next().map_or(0, char::len_utf8));
            append(&mut lines, &word[..at]);
            word = &word[at..];
            if word.is_empty() {
                break;
            }
        }
    }
    lines
}

fn append(lines: &mut [String], word: &str) {
    if let Some(line) = lines.last_mut() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
}

/// Bytes of the longest beginning that takes at most `width` columns.
fn prefix(text: &str, width: usize) -> usize {
    let mut taken = 0;
    let fits = |character: char| {
        taken += character.width().unwrap_or_default();
        taken <= width
    };
    let beginning = text.chars().map_while({
        let mut fits = fits;
        move |character| fits(character).then(|| character.len_utf8())
    });
    beginning.sum()
}

/// `what` in a column of its own, and beside it `fact`, however many lines
/// that takes.
pub(crate) fn hang(what: &str, column: usize, fact: &str, width: usize) -> Vec<String> {
    const GAP: usize = 2;
    let left = wrap(what, column);
    let right = wrap(fact, width.saturating_sub(column + GAP));
    let empty = String::new();
    let line = |at: usize| {
        let (left, right) = (
            left.get(at).unwrap_or(&empty),
            right.get(at).unwrap_or(&empty),
        );
        let pad = " ".repeat(column.saturating_sub(left.width()) + GAP);
        format!("{left}{pad}{right}").trim_end().to_string()
    };
    (0..left.len().max(right.len())).map(line).collect()
}

/// The text in at most `width` columns: its middle is left out, for names that
/// begin alike tend to differ in the end.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.into();
    }
    let kept = width.saturating_sub(1);
    let head = &text[..prefix(text, kept.div_ceil(2))];
    let mut tail = text;
    while tail.width() > kept - head.width() {
        let mut characters = tail.chars();
        characters.next();
        tail = characters.as_str();
    }
    format!("{head}…{tail}")
}

/// The text in at most `width` columns: its end is left out, where what comes first
/// matters most.
pub(crate) fn cut_end(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.into();
    }
    let head = &text[..prefix(text, width.saturating_sub(1))];
    format!("{}…", head.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), [""]);
    }

    #[test]
    fn only_a_word_too_long_for_a_line_is_broken() {
        assert_eq!(wrap("a abcdefgh b", 4), ["a", "abcd", "efgh", "b"]);
        assert_eq!(wrap("線線", 1), ["線", "線"]);
    }

    #[test]
    fn a_cut_name_keeps_both_ends() {
        assert_eq!(cut("ThreadPoolExecutor-0_7", 12), "Thread…r-0_7");
        assert_eq!(cut("main", 12), "main");
        assert_eq!(cut("線線線線", 5), "線…線");
        assert_eq!(cut("abc", 1), "…");
    }

    #[test]
    fn a_line_cut_at_its_end_keeps_its_beginning() {
        assert_eq!(cut_end("← run a.py:1  ← main", 14), "← run a.py:1…");
        assert_eq!(cut_end("← run", 5), "← run");
        assert_eq!(cut_end("線線線", 4), "線…");
    }

    #[test]
    fn a_fact_hangs_beside_what_it_tells_of() {
        assert_eq!(
            hang("clock", 6, "one two three", 15),
            ["clock   one two", "        three"]
        );
    }
}
