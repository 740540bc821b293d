//! Python programs under test, of every kind that is installed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// The Pythons of this machine, as the project's own search finds them.
pub(crate) fn pythons() -> Vec<String> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let found = Command::new("python3")
        .args([
            "-c",
            "from find_pythons import *; [print(p.path) for p in find_pythons()]",
        ])
        .env("PYTHONPATH", scripts)
        .output()
        .expect("python3 is there");
    let text = String::from_utf8(found.stdout).expect("paths are text");
    let all: Vec<_> = text.lines().map(str::to_owned).collect();
    assert!(!all.is_empty(), "no Python was found");
    all
}

/// A running Python program that says `ready`, goes on until a line comes in, and then
/// says what has become of it.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Program {
    pub(crate) fn start(python: &str, code: &str) -> Self {
        let mut child = Command::new(python)
            .args(["-c", code])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this Python was found");
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut program = Program { child, output };
        assert_eq!(program.line(), "ready");
        program
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        line.trim().to_owned()
    }

    /// Tells it something.
    pub(crate) fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("it is a pipe");
        writeln!(input, "{line}").expect("it reads");
    }

    /// Lets it end; what it said at last.
    pub(crate) fn finish(mut self) -> String {
        self.tell("enough");
        let line = self.line();
        assert!(self.child.wait().expect("our child").success());
        line
    }

    /// How many lines a file of /proc about it has, or entries a folder.
    pub(crate) fn count(&self, name: &str) -> usize {
        let path = format!("/proc/{}/{name}", self.pid());
        match std::fs::read_dir(&path) {
            Ok(entries) => entries.count(),
            Err(_) => std::fs::read_to_string(&path)
                .expect("it runs")
                .lines()
                .count(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
