//! A line of a function: what stacks are made of.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A line of a function that was being executed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Frame {
    /// Qualified name of the function, as in `Pool.run.<locals>.work`; of a native one
    /// its symbol, as in `list_sort`.
    pub function: String,
    /// The file it is in, as Python names it; `<string>` and the like where there is
    /// no file. Of a native function the name of its module, without folders, as in
    /// `libpython3.12.so.1.0`.
    pub file: String,
    /// The line in that file; 0 where not known.
    pub line: u32,
    /// Whether it is native code, not Python.
    #[serde(default)]
    pub native: bool,
}

/// The name of a native function that has none.
const NAMELESS: &str = "(no symbol)";

impl Frame {
    /// A native function of a module; its name is that of its symbol, if it has one.
    pub fn of_native(symbol: Option<String>, module: impl Into<String>) -> Self {
        Frame {
            function: symbol.unwrap_or_else(|| NAMELESS.into()),
            file: module.into(),
            line: 0,
            native: true,
        }
    }

    /// Whether the name of the function is known: not all native ones have a symbol.
    pub fn is_named(&self) -> bool {
        !self.native || self.function != NAMELESS
    }

    /// Where it is: `file:line`, or the file where the line is not known.
    pub fn place(&self) -> String {
        match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}", self.file),
        }
    }

    /// Whether its file is in a folder that Python imports installed code from: the standard
    /// library, or packages.
    ///
    /// ```
    /// let frame = gilprof_core::Frame {
    ///     file: "/usr/lib/python3.12/json/decoder.py".into(),
    ///     ..gilprof_core::Frame::default()
    /// };
    /// assert!(frame.is_of_library());
    /// ```
    pub fn is_of_library(&self) -> bool {
        let folders = self
            .file
            .rsplit_once('/')
            .map_or("", |(folders, _)| folders);
        folders.split('/').any(is_root)
    }

    /// The dotted module that the file's path speaks of: what follows the last
    /// folder that Python imports from (`site-packages`, `dist-packages`,
    /// `python3.12`), else the file's own name. What is no file stays as it is.
    ///
    /// ```
    /// let frame = gilprof_core::Frame {
    ///     file: "/usr/lib/python3.12/json/decoder.py".into(),
    ///     ..gilprof_core::Frame::default()
    /// };
    /// assert_eq!(frame.module(), "json.decoder");
    /// ```
    pub fn module(&self) -> String {
        if self.file.starts_with('<') {
            return self.file.clone();
        }
        let path = self.file.strip_suffix(".py").unwrap_or(&self.file);
        let path = path.strip_suffix("/__init__").unwrap_or(path);
        let folders: Vec<&str> = path.split('/').collect();
        let root = folders.iter().rposition(|folder| is_root(folder));
        let stem = folders.len() - 1;
        // A root may be all that is left of a path.
        let first = root.map_or(stem, |root| (root + 1).min(stem));
        folders[first..].join(".")
    }
}

/// Whether Python imports from a folder of this name.
fn is_root(folder: &str) -> bool {
    let version = folder.strip_prefix("python").unwrap_or_default();
    let of_version = version.split_once('.').is_some_and(|(major, minor)| {
        let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // The folder of a free-threaded build ends in `t`.
        number(major) && number(minor.strip_suffix('t').unwrap_or(minor))
    });
    of_version || matches!(folder, "site-packages" | "dist-packages")
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.function, self.place())
    }
}

/// Frames, each of them once.
#[derive(Debug, Default)]
pub(crate) struct FrameTable {
    frames: Vec<Frame>,
    places: HashMap<Frame, u32>,
}

impl FrameTable {
    /// Adds those that are new; says at which index each of them is now.
    pub(crate) fn extend(&mut self, frames: Vec<Frame>) -> Vec<u32> {
        frames.into_iter().map(|frame| self.place(frame)).collect()
    }

    fn place(&mut self, frame: Frame) -> u32 {
        if let Some(&place) = self.places.get(&frame) {
            return place;
        }
        let place = u32::try_from(self.frames.len()).unwrap_or(u32::MAX);
        self.places.insert(frame.clone(), place);
        self.frames.push(frame);
        place
    }

    /// The frames, by their index.
    pub(crate) fn into_frames(self) -> Vec<Frame> {
        self.frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(file: &str, line: u32) -> Frame {
        Frame {
            function: "f".into(),
            file: file.into(),
            line,
            native: false,
        }
    }

    fn module(file: &str) -> String {
        frame(file, 1).module()
    }

    #[test]
    fn a_module_is_what_follows_the_last_folder_of_imports() {
        let files = [
            "/usr/lib/python3.12/json/decoder.py",
            "/usr/lib/python3.12/site-packages/requests/sessions.py",
            "/usr/lib/python3/dist-packages/yaml/__init__.py",
            "/opt/python3.13t/queue.py",
        ];
        assert_eq!(
            files.map(module),
            ["json.decoder", "requests.sessions", "yaml", "queue"]
        );
    }

    #[test]
    fn a_file_outside_of_them_is_a_module_by_its_name() {
        let files = [
            "/srv/app/main.py",
            "main.py",
            "/srv/app/__init__.py",
            "/srv/python/tool",
            "__init__.py",
        ];
        assert_eq!(
            files.map(module),
            ["main", "main", "app", "tool", "__init__"]
        );
    }

    #[test]
    fn what_is_no_file_stays_as_it_is() {
        let files = ["<string>", "<frozen importlib._bootstrap>", ""];
        assert_eq!(files.map(module), files);
    }

    #[test]
    fn nothing_after_a_folder_of_imports_is_its_name() {
        assert_eq!(module("/usr/lib/python3.12"), "python3.12");
        assert_eq!(module("/x/site-packages/__init__.py"), "site-packages");
    }

    #[test]
    fn a_line_that_is_not_known_is_not_shown() {
        assert_eq!(frame("a.py", 7).to_string(), "f (a.py:7)");
        assert_eq!(frame("a.py", 0).to_string(), "f (a.py)");
    }

    #[test]
    fn a_table_has_each_frame_once() {
        let (a, b) = (frame("a.py", 1), frame("b.py", 1));
        let mut table = FrameTable::default();
        assert_eq!(
            table.extend(vec![a.clone(), b.clone(), a.clone()]),
            [0, 1, 0]
        );
        assert_eq!(table.extend(vec![b.clone()]), [1]);
        assert_eq!(table.into_frames(), [a, b]);
    }
}
