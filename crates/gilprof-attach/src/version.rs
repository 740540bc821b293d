//! The version of a Python in another process.

use std::fmt;

use gilprof_code::ProcessMemory;

use crate::modules::Module;

/// How much of a module's variables is looked at, and how much at a time.
const MOST_VARIABLES: u64 = 32 << 20;
const PIECE: usize = 1 << 16;
/// Longer than what `Py_GetVersion` tells (its buffer, `Python/getversion.c`).
const LONGEST_TEXT: usize = 256;

/// The version of a Python.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    major: u32,
    minor: u32,
    /// As Python itself writes it.
    text: String,
}

impl Version {
    /// What is read of a module that exports CPython's functions: from 3.11 on the variable
    /// `Py_Version`; else the text of `sys.version`, once the interpreter has started; else
    /// the name of the file, which tells no more than two numbers.
    pub(crate) fn of(pid: u32, module: &Module) -> Option<Self> {
        let of_number = || Self::from_number(number(module)?);
        let of_name = || Self::from_file_name(module.path().rsplit('/').next()?);
        let of_text = || Self::from_variables(&ProcessMemory::of(pid), module);
        of_number().or_else(of_text).or_else(of_name)
    }

    /// As in `PY_VERSION_HEX` (`Include/patchlevel.h`).
    fn from_number(number: u32) -> Option<Self> {
        let [major, minor, micro, level] = number.to_be_bytes();
        let serial = level & 0xf;
        let release = match level >> 4 {
            0xa => format!("a{serial}"),
            0xb => format!("b{serial}"),
            0xc => format!("rc{serial}"),
            _ => String::new(),
        };
        Some(Version {
            major: major.into(),
            minor: minor.into(),
            text: format!("{major}.{minor}.{micro}{release}"),
        })
        .filter(|version| version.major > 0)
    }

    /// The beginning of a text such as `3.9.18 (main, Jan  1 2024, 00:00:00) \n[GCC 12.2.0]`;
    /// from 3.10 on in one line.
    fn from_text(text: &[u8]) -> Option<Self> {
        let end = text.iter().position(|&byte| byte == 0)?;
        let text = str::from_utf8(&text[..end]).ok()?;
        let (version, rest) = text.split_once(" (")?;
        let (_, compiler) = rest.split_once(") ")?;
        compiler.trim_start().starts_with('[').then_some(())?;
        Self::from_numbers(version, version)
    }

    /// `libpython3.9.so.1.0`, `python3.9`.
    fn from_file_name(name: &str) -> Option<Self> {
        let (_, numbers) = name.rsplit_once("python")?;
        let end = |character: char| !character.is_ascii_digit() && character != '.';
        let numbers = numbers.split(end).next()?.trim_end_matches('.');
        Self::from_numbers(numbers, numbers)
    }

    pub(crate) fn from_numbers(numbers: &str, text: &str) -> Option<Self> {
        let mut parts = numbers.split('.');
        Some(Version {
            major: parts.next()?.parse().ok()?,
            minor: parts.next()?.parse().ok()?,
            text: text.into(),
        })
    }

    /// The text among the variables of the module: one string that begins with a version
    /// and ends with a compiler.
    fn from_variables(memory: &ProcessMemory, module: &Module) -> Option<Self> {
        module.writable().into_iter().find_map(|range| {
            let end = range.end.min(range.start.saturating_add(MOST_VARIABLES));
            let mut pieces = (range.start..end).step_by(PIECE);
            pieces.find_map(|at| {
                let mut piece = vec![0; PIECE + LONGEST_TEXT];
                let most = usize::try_from(end - at).unwrap_or(usize::MAX);
                let length = piece.len().min(most);
                let length = memory.read_some(at, &mut piece[..length]);
                find_text(&piece[..length])
            })
        })
    }

    /// Whether the interpreter in this module has started: it has written its version down.
    pub(crate) fn is_written(pid: u32, module: &Module) -> bool {
        Self::from_variables(&ProcessMemory::of(pid), module).is_some()
    }

    /// The first number.
    pub fn major(&self) -> u32 {
        self.major
    }

    /// The second number.
    pub fn minor(&self) -> u32 {
        self.minor
    }
}

impl fmt::Display for Version {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.text)
    }
}

fn number(module: &Module) -> Option<u32> {
    let mut bytes = [0; 4];
    let read = module.constant(module.symbol("Py_Version")?.address, &mut bytes);
    read.then(|| u32::from_ne_bytes(bytes))
}

fn find_text(bytes: &[u8]) -> Option<Version> {
    let starts = bytes.windows(4).enumerate();
    let mut starts = starts.filter(
        |(_, start)| matches!(start, [b'2' | b'3', b'.', digit, _] if digit.is_ascii_digit()),
    );
    starts.find_map(|(at, _)| Version::from_text(&bytes[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(version: Option<Version>) -> Option<(u32, u32, String)> {
        version.map(|version| (version.major(), version.minor(), version.to_string()))
    }

    #[test]
    fn a_number_is_read_as_patchlevel_writes_it() {
        let read = |number| told(Version::from_number(number));
        assert_eq!(read(0x030b_07f0), Some((3, 11, "3.11.7".into())));
        assert_eq!(read(0x030e_00c2), Some((3, 14, "3.14.0rc2".into())));
        assert_eq!(read(0), None);
    }

    #[test]
    fn a_version_is_found_among_variables_by_its_compiler() {
        let mut bytes = b"\x003.40.1\0lib/3.9 (\x002.5.0 (x)\0".to_vec();
        assert_eq!(find_text(&bytes), None);
        bytes.extend(b"3.9.18 (main, Jan  1 2024, 00:00:00) \n[GCC 12.2.0]\0");
        assert_eq!(told(find_text(&bytes)), Some((3, 9, "3.9.18".into())));
        bytes.pop();
        assert_eq!(find_text(&bytes), None);
        let later = b"3.10.13+ (main, May  9 2026, 07:34:36) [GCC 12.2.0]\0";
        assert_eq!(told(find_text(later)), Some((3, 10, "3.10.13+".into())));
    }

    #[test]
    fn the_name_of_a_file_tells_two_numbers() {
        let read = |name| told(Version::from_file_name(name)).map(|(.., text)| text);
        assert_eq!(read("libpython3.9.so.1.0").as_deref(), Some("3.9"));
        assert_eq!(read("libpython3.6m.so.1.0").as_deref(), Some("3.6"));
        assert_eq!(read("python3.10"), Some("3.10".into()));
        assert_eq!(read("python3"), None);
        assert_eq!(read("uwsgi"), None);
    }
}
