//! What a span is called, in the form that a region keeps it in.

const WORDS: usize = 8;
/// The longest label that is kept, in bytes.
pub const LABEL_BYTES: usize = WORDS * 8 - 1;
/// What those are called together that found no place of their own.
pub(crate) const OTHERS: &str = "(others)";
/// The same as words.
const OTHERS_WORDS: [u64; WORDS] = [u64::from_le_bytes(*b"(others)"), 0, 0, 0, 0, 0, 0, 0];

/// The label of a span: up to [`LABEL_BYTES`] of UTF-8; what is longer is cut off between
/// two characters, and null characters are left out. An empty one is `(others)`, as those
/// are called together for which a region has no place left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// By which a place for it is found; zero for `(others)` only.
    key: u64,
    words: [u64; WORDS],
}

impl Label {
    /// The label with this text.
    // Must not allocate.
    pub fn new(text: &str) -> Self {
        let mut bytes = [0_u8; LABEL_BYTES + 1];
        let kept = text.bytes().filter(|&byte| byte != 0);
        for (place, byte) in bytes.iter_mut().zip(kept) {
            *place = byte;
        }
        // The one byte too many tells whether a character would be cut in two.
        let mut end = LABEL_BYTES;
        while end > 0 && is_continuation(bytes[end]) {
            end -= 1;
        }
        bytes[end..].fill(0);
        let word = |i: usize| u64::from_le_bytes(core::array::from_fn(|j| bytes[i * 8 + j]));
        Label::of(core::array::from_fn(word))
    }

    fn of(words: [u64; WORDS]) -> Self {
        match words {
            [0, ..] | OTHERS_WORDS => Label {
                key: 0,
                words: OTHERS_WORDS,
            },
            words => Label {
                key: mixed(words).max(1),
                words,
            },
        }
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    pub(crate) fn words(&self) -> [u64; WORDS] {
        self.words
    }

    pub(crate) fn is_others(&self) -> bool {
        self.key == 0
    }
}

/// The text of a label's words; `None` where they are none, as in a region that is not
/// ours.
pub(crate) fn text_of(words: [u64; WORDS]) -> Option<String> {
    let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
    let end = bytes.iter().position(|&byte| byte == 0)?;
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    (!text.is_empty()).then(|| text.into())
}

/// Depends on every bit of every word (the finaliser of MurmurHash3, a word at a time).
fn mixed(words: [u64; WORDS]) -> u64 {
    words.into_iter().fold(0, |hash: u64, word| {
        let mut mix = (hash ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
        mix ^= mix >> 33;
        mix = mix.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        mix ^ mix >> 29
    })
}

fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn kept(text: &str) -> Option<String> {
        text_of(Label::new(text).words())
    }

    #[test]
    fn a_label_reads_back() {
        for text in ["x", "GET /größe", "12345678", &"b".repeat(LABEL_BYTES)] {
            assert_eq!(kept(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_long_label_is_cut_between_characters() {
        assert_eq!(kept(&"b".repeat(200)), Some("b".repeat(63)));
        assert_eq!(kept(&"é".repeat(40)), Some("é".repeat(31)));
        assert_eq!(kept(&"工".repeat(40)), Some("工".repeat(21)));
        assert_eq!(
            kept(&format!("ab{}", "🦀".repeat(20))),
            Some(format!("ab{}", "🦀".repeat(15)))
        );
    }

    #[test]
    fn null_characters_are_left_out() {
        assert_eq!(kept("a\0b").as_deref(), Some("ab"));
    }

    #[test]
    fn one_that_says_nothing_is_among_the_others() {
        for text in ["", "\0", OTHERS] {
            let label = Label::new(text);
            assert!(label.is_others());
            assert_eq!(text_of(label.words()).as_deref(), Some(OTHERS));
        }
        assert!(!Label::new("(others) ").is_others());
    }

    #[test]
    fn words_that_are_no_text_are_no_label() {
        assert_eq!(text_of([0; 8]), None);
        assert_eq!(text_of([u64::MAX; 8]), None);
        assert_eq!(text_of([u64::from_le_bytes(*b"bbbbbbbb"); 8]), None);
        assert_eq!(text_of([0xff, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
