//! The same text where only ASCII can be shown.

use unicode_width::UnicodeWidthChar;

/// Each character becomes as many as it was wide, so columns stay columns.
pub(crate) fn ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\0'..='\x7f' => ascii.push(character),
            _ => {
                let width = character.width().unwrap_or_default();
                ascii.extend(std::iter::repeat_n(like(character), width));
            }
        }
    }
    ascii
}

fn like(character: char) -> char {
    match character {
        'µ' => 'u',
        '▁' | '▂' | '▃' => '.',
        '▄' | '▅' => ':',
        '▆' | '▇' => '|',
        '█' => '#',
        '▒' => '=',
        '░' => '.',
        '←' => '<',
        '↑' => '^',
        '↓' => 'v',
        '…' => '~',
        '×' => 'x',
        '–' | '—' => '-',
        '’' => '\'',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sign_has_its_ascii() {
        assert_eq!(ascii("█▒░ 3 µs ← a…z ×2"), "#=. 3 us < a~z x2");
        assert_eq!(ascii("線 é"), "?? ?");
        assert_eq!(ascii(" ▁▂▃▄▅▆▇█"), " ...::||#");
    }
}
