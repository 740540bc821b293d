//! The one place that fits.

/// The only multiple of `step` below `limit` that fits.
///
/// # Errors
/// That there is none, or that there are several.
pub fn only(
    what: &str,
    step: usize,
    limit: usize,
    fits: impl Fn(usize) -> bool,
) -> Result<u32, String> {
    let mut places = (0..limit).step_by(step).filter(|&offset| fits(offset));
    match (places.next(), places.next()) {
        (Some(offset), None) => Ok(offset as u32),
        (None, _) => Err(format!("{what} is not where it is looked for")),
        (Some(one), Some(other)) => Err(format!(
            "{what} may be at offset {one} as well as at offset {other}"
        )),
    }
}

/// Whether the 64-bit value at `offset` is this one.
pub fn says_word(image: &[u8], offset: usize, value: u64) -> bool {
    says(image, offset, &value.to_ne_bytes())
}

/// Whether the 32-bit value at `offset` is this one.
pub fn says_half(image: &[u8], offset: usize, value: u32) -> bool {
    says(image, offset, &value.to_ne_bytes())
}

/// Whether these bytes are at `offset`.
pub fn says(image: &[u8], offset: usize, bytes: &[u8]) -> bool {
    let rest = image.get(offset..);
    rest.is_some_and(|rest| rest.starts_with(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_place_is_found_none_and_two_are_doubts() {
        let image = [7_u64, 8, 7].map(u64::to_ne_bytes).concat();
        let search = |value| {
            only("it", 8, image.len(), |offset| {
                says_word(&image, offset, value)
            })
        };
        assert_eq!(search(8), Ok(8));
        assert_eq!(search(9), Err("it is not where it is looked for".into()));
        let two = "it may be at offset 0 as well as at offset 16";
        assert_eq!(search(7), Err(two.into()));
    }

    #[test]
    fn nothing_is_said_beyond_the_end() {
        assert!(!says_half(&[1, 0, 0], 0, 1));
        assert!(!says_half(&[1, 0, 0], 9, 1));
    }
}
