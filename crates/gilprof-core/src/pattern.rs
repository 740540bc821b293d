//! What the names of threads of one kind have in common.

/// What the names of threads of one kind have in common: `name` with each run of
/// digits written as `*`. Ended threads share a row by it.
///
/// ```
/// assert_eq!(gilprof_core::pattern("Thread-12 (f)"), "Thread-* (f)");
/// ```
pub fn pattern(name: &str) -> String {
    let mut in_digits = false;
    let letters = name.chars().filter_map(|letter| {
        let first = !in_digits;
        in_digits = letter.is_ascii_digit();
        match in_digits {
            true => first.then_some('*'),
            false => Some(letter),
        }
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_digits_become_one_star() {
        let patterns = ["main", "pool-3_worker-127", "2048", "*1", ""].map(pattern);
        assert_eq!(patterns, ["main", "pool-*_worker-*", "*", "**", ""]);
    }
}
