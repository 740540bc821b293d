//! Where the parts of `bytes` and of `str` objects are.

use gilprof_code::{BytesLayout, TextLayout, only, says, says_word};

use super::Doubt;
use super::facts::{Facts, memory, size_of_object};
use crate::object::{Object, Objects};

/// What comes before the content has no more bytes than this.
const MAX_HEAD: u64 = 1 << 10;

/// The layout of `bytes`, from the line tables of the sample.
pub(super) fn bytes_layout(facts: &[Facts<'_>], type_address: u64) -> Result<BytesLayout, Doubt> {
    let mut tables = Vec::new();
    for one in facts {
        let (content, at) = one.line_table.bytes().ok_or("a line table is not bytes")?;
        let image = memory(&one.line_table, size_of_object(&one.line_table)?)?;
        let data = at.wrapping_sub(one.line_table.address());
        tables.push((image, content.len() as u64, data));
    }
    let data = tables.first().map_or(0, |&(_, _, data)| data);
    if tables.iter().any(|&(_, _, other)| other != data) || data > MAX_HEAD {
        return Err("the content of bytes is not always at the same offset".into());
    }
    let size = only("the size of bytes", 8, data as usize, |offset| {
        let mut all = tables.iter();
        all.all(|(image, size, _)| says_word(image, offset, *size))
    })?;
    Ok(BytesLayout {
        type_address,
        size,
        data: data as u32,
    })
}

/// Strings whose characters have 1, 1, 2 and 4 bytes; the first are ASCII.
const TEXTS: [[&str; 3]; 4] = [
    ["a plain sample", "plain, and of another length", "a-b-c!"],
    [
        "gro\u{df}e Ma\u{df}e",
        "\u{e9}t\u{e9} comme hiver, deux fois",
        "\u{ff}\u{fe}-\u{fd}",
    ],
    [
        "\u{3042}\u{308a}, arigato",
        "\u{43f}\u{440}\u{438}\u{43c}\u{435}\u{440} of Cyrillic",
        "\u{2013}-\u{2014}",
    ],
    [
        "\u{1f40d} snake",
        "two \u{20bb7}\u{20bb7} of four bytes",
        "\u{1d54f}-\u{1d550}!",
    ],
];

/// One string, its memory, and what must be there.
#[derive(Debug)]
struct Sample {
    image: Vec<u8>,
    length: u64,
    is_ascii: bool,
    flags: u32,
    characters: Vec<u8>,
}

impl Sample {
    fn of(object: &Object<'_>, text: &str, group: usize) -> Result<Self, Doubt> {
        let kind = [1, 1, 2, 4][group];
        let codes = text
            .chars()
            .map(|character| u32::from(character).to_ne_bytes());
        // The low bytes of a code come first on the machines there are.
        let characters = codes.flat_map(|code| code.into_iter().take(kind)).collect();
        Ok(Sample {
            image: memory(object, size_of_object(object)?)?,
            length: text.chars().count() as u64,
            is_ascii: group == 0,
            flags: TextLayout::flags(kind as u32, group == 0),
            characters,
        })
    }

    fn state(&self, offset: usize) -> u32 {
        let bytes = self.image.get(offset..).and_then(|rest| rest.first_chunk());
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    }
}

/// The layout of `str`, from strings made for it.
pub(super) fn text_layout(objects: &Objects<'_>, type_address: u64) -> Result<TextLayout, Doubt> {
    let samples = samples(objects)?;
    let ascii_data = data("the characters of an ASCII str", &samples, true)?;
    let other_data = data("the characters of a str", &samples, false)?;
    let head = ascii_data.min(other_data) as usize;
    let length = only("the length of a str", 8, head, |offset| {
        let mut all = samples.iter();
        all.all(|one| says_word(&one.image, offset, one.length))
    })?;
    let state = only("the state of a str", 4, head, |offset| {
        flags_shift(&samples, offset).is_ok()
    })?;
    Ok(TextLayout {
        type_address,
        length,
        state,
        ascii_data,
        other_data,
        flags_shift: flags_shift(&samples, state as usize)?,
    })
}

/// Where the flags are if the state is at this offset. They are neighbours;
/// only together do they tell: what is beside them is padding, never written,
/// in which single bits can say anything.
fn flags_shift(samples: &[Sample], offset: usize) -> Result<u8, Doubt> {
    let shift = only("the kind of a str", 1, 28, |shift| {
        let mut all = samples.iter();
        all.all(|one| TextLayout::flags_in(one.state(offset), shift as u8) == one.flags)
    })?;
    Ok(shift as u8)
}

fn samples(objects: &Objects<'_>) -> Result<Vec<Sample>, Doubt> {
    let mut samples = Vec::new();
    for (group, texts) in TEXTS.iter().enumerate() {
        for text in texts {
            let object = objects.text(text).ok_or("a str cannot be made")?;
            samples.push(Sample::of(&object, text, group)?);
        }
    }
    Ok(samples)
}

fn data(what: &str, samples: &[Sample], is_ascii: bool) -> Result<u32, Doubt> {
    let chosen: Vec<_> = samples
        .iter()
        .filter(|one| one.is_ascii == is_ascii)
        .collect();
    let limit = chosen.iter().map(|one| one.image.len()).min();
    only(what, 1, limit.unwrap_or(0), |offset| {
        let mut all = chosen.iter();
        all.all(|one| says(&one.image, offset, &one.characters))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples with the state at offset 4, the flags from bit 2 on.
    fn samples(padding: fn(bool) -> u32) -> Vec<Sample> {
        let kinds = [(1, true), (1, false), (2, false), (4, false)];
        let sample = |(kind, is_ascii)| {
            let flags = TextLayout::flags(kind, is_ascii);
            let state = flags << 2 | padding(is_ascii) << 8;
            Sample {
                image: [0_u32, state].map(u32::to_ne_bytes).concat(),
                length: 0,
                is_ascii,
                flags,
                characters: Vec::new(),
            }
        };
        kinds.map(sample).into()
    }

    #[test]
    fn flags_are_found_whatever_is_beside_them() {
        let paddings: [fn(bool) -> u32; 3] = [
            |_| 0,
            |_| 0xcd_cdcd,
            |is_ascii| if is_ascii { 0xff_ffff } else { 0 },
        ];
        for padding in paddings {
            assert_eq!(flags_shift(&samples(padding), 4), Ok(2));
        }
        assert!(flags_shift(&samples(|_| 0), 0).is_err());
    }
}
