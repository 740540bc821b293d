//! Patterns of names: what those of one kind have in common, and what fits one.

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

/// Whether a name fits a shell pattern (`*`, `?`, `[a-z]`, `{a,b}`), in which `*` stands
/// for slashes too, as in Python's `fnmatch`.
pub(crate) fn fits(pattern: &str, name: &str) -> bool {
    // To the library a slash is what no star stands for. Names have no NUL.
    let flat = |text: &str| text.replace('/', "\0");
    glob_match::glob_match(&flat(pattern), &flat(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_digits_become_one_star() {
        let patterns = ["main", "pool-3_worker-127", "2048", "*1", ""].map(pattern);
        assert_eq!(patterns, ["main", "pool-*_worker-*", "*", "**", ""]);
    }

    #[test]
    fn a_star_stands_for_folders_too() {
        let file = "/usr/lib/python3.12/json/decoder.py";
        assert!(fits("*/json/*", file) && fits("**/json/*", file) && fits("*.py", file));
        assert!(!fits("json/*", file));
        assert!(fits("kworker/[0-9]", "kworker/3") && fits("{main,pool-*}", "pool-1/x"));
    }
}
