//! The name of the program that a recorded process runs.

use gilprof_attach::Process;

/// The name of a process's program. It may change: servers name their workers. What the
/// process runs after it has become another program is not told.
#[derive(Debug, Default)]
pub(crate) struct Program {
    process: Option<Process>,
    name: String,
}

impl Program {
    /// Reads the name, if the process is what it was at the first time.
    pub(crate) fn read(&mut self, pid: u32) {
        if self.process.is_none() {
            self.process = Process::of(pid).ok();
        }
        let name = gilprof_os::program(pid);
        if let Some(name) = name
            && self.process.as_ref().is_some_and(Process::is_the_same)
        {
            self.name = name;
        }
    }

    /// As it was read last; empty where it never could be.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_name_and_one_that_is_gone_keeps_it() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut program = Program::default();
        // It may not have become that program yet.
        while program.name() != "cat" {
            program = Program::default();
            program.read(child.id());
        }
        child.kill().unwrap();
        program.read(child.id());
        child.wait().unwrap();
        program.read(child.id());
        assert_eq!(program.name(), "cat");
    }
}
