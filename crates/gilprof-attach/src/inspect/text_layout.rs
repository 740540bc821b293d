//! Where the parts of `str` and `bytes` objects are.

use gilprof_code::{Memory, TextLayout, only};

use super::anchors::Anchors;
use super::pages::Pages;

/// No longer string is looked at, in characters.
const MOST_CHARS: u64 = 4_096;
/// What comes before the content has no more bytes than this.
const MOST_HEAD: u64 = 256;
/// Of so many strings one may be read wrong: freed meanwhile, or of a form that went out
/// of use with 3.12.
const DOUBTFUL: usize = 20;

/// Where a `str` has its length and its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Places {
    length: u64,
    ascii_data: u64,
    other_data: u64,
}

/// The layout of `str`.
///
/// Names of what is in modules are nearly all ASCII, which ends with a zero. The content
/// of other strings comes after the whole head of a compact string: in a `str` that
/// is not compact, one pointer stands there (`PyUnicodeObject`, `unicodeobject.h`).
///
/// # Errors
/// What was not found, or is not in one place only.
pub(crate) fn find(
    pages: &Pages,
    anchors: &Anchors,
    names: &[u64],
    texts: &[u64],
) -> Result<TextLayout, String> {
    let other_data = anchors.text.basic_size.saturating_sub(8);
    if !(anchors.head() + 8..MOST_HEAD).contains(&other_data) {
        return Err(format!("a str has {} bytes", anchors.text.basic_size));
    }
    let places = (anchors.head() + 8..=other_data)
        .step_by(8)
        .flat_map(|ascii_data| {
            let lengths = (anchors.head()..ascii_data).step_by(8);
            lengths.map(move |length| Places {
                length,
                ascii_data,
                other_data,
            })
        });
    let places: Vec<_> = places
        .filter(|places| places.fit_names(pages, names))
        .collect();
    let [places] = places[..] else {
        return Err(format!(
            "the content of a str may be at {} places",
            places.len()
        ));
    };
    places.with_state(pages, anchors, &[names, texts].concat())
}

impl Places {
    fn fit_names(self, pages: &Pages, names: &[u64]) -> bool {
        let fitting = names.iter().filter(|&&name| self.is_ascii(pages, name));
        let fitting = fitting.count();
        fitting > DOUBTFUL && (names.len() - fitting) * DOUBTFUL <= names.len()
    }

    /// The content as bytes with one more character, which must be zero.
    fn content(self, pages: &Pages, text: u64, data: u64, kind: usize) -> Option<Vec<u8>> {
        let length = pages.word(text + self.length)?;
        if length > MOST_CHARS {
            return None;
        }
        let mut content = pages.bytes(text + data, kind * (length as usize + 1))?;
        let last = content.split_off(kind * length as usize);
        last.iter().all(|&byte| byte == 0).then_some(content)
    }

    fn is_ascii(self, pages: &Pages, text: u64) -> bool {
        let content = self.content(pages, text, self.ascii_data, 1);
        let is_character = |byte: &u8| byte.is_ascii() && *byte != 0;
        content.is_some_and(|content| !content.is_empty() && content.iter().all(is_character))
    }

    /// The flags of a string that is not ASCII, by its content: its characters have as
    /// many bytes as the largest needs.
    fn other_flags(self, pages: &Pages, text: u64) -> Option<u32> {
        let kinds = [
            (1, 0x80..0x100),
            (2, 0x100..0x1_0000),
            (4, 0x1_0000..0x11_0000),
        ];
        kinds.into_iter().find_map(|(kind, range)| {
            let content = self.content(pages, text, self.other_data, kind)?;
            let codes = content.chunks_exact(kind).map(|bytes| {
                let mut code = [0; 4];
                code[..kind].copy_from_slice(bytes);
                u32::from_ne_bytes(code)
            });
            let largest = codes.max()?;
            range
                .contains(&largest)
                .then(|| TextLayout::flags(kind as u32, false))
        })
    }

    fn flags(self, pages: &Pages, text: u64) -> Option<u32> {
        match self.is_ascii(pages, text) {
            true => Some(TextLayout::flags(1, true)),
            false => self.other_flags(pages, text),
        }
    }

    /// With the place of the flags: beside the count of references, the type and the
    /// length, the only one that says of each string what its content shows.
    fn with_state(
        self,
        pages: &Pages,
        anchors: &Anchors,
        texts: &[u64],
    ) -> Result<TextLayout, String> {
        let head = self.ascii_data as usize;
        let samples: Vec<(Vec<u8>, u32)> = texts
            .iter()
            .filter_map(|&text| Some((pages.bytes(text, head)?, self.flags(pages, text)?)))
            .collect();
        if (texts.len() - samples.len()) * DOUBTFUL > texts.len() {
            let strange = texts.len() - samples.len();
            return Err(format!(
                "the content of {strange} of {} strings is strange",
                texts.len()
            ));
        }
        let is_free =
            |offset: usize| offset as u64 >= anchors.head() && offset as u64 & !7 != self.length;
        let shift_at = |offset: usize| {
            only("the kind of a str", 1, 28, |shift| {
                let fitting = samples.iter().filter(|(head, flags)| {
                    let bytes = head.get(offset..).and_then(|rest| rest.first_chunk());
                    let state = bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes));
                    TextLayout::flags_in(state, shift as u8) == *flags
                });
                (samples.len() - fitting.count()) * DOUBTFUL <= samples.len()
            })
        };
        let state = only("the state of a str", 4, head, |offset| {
            is_free(offset) && shift_at(offset).is_ok()
        })?;
        Ok(TextLayout {
            type_address: anchors.text.address,
            length: self.length as u32,
            state,
            ascii_data: self.ascii_data as u32,
            other_data: self.other_data as u32,
            flags_shift: shift_at(state as usize)? as u8,
        })
    }
}
