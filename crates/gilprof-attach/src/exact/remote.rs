//! The memory of another process, to be read and written.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;

use gilprof_code::Memory;

use crate::error::Error;

/// The memory that a process had when this was opened: when it executes another program,
/// it gets a new one, which this never touches.
///
/// The kernel lets those who may trace a process write its read-only pages, too. Such a
/// page of a file becomes the process's own; the file stays as it is.
#[derive(Debug)]
pub(crate) struct Remote {
    file: File,
    pid: u32,
}

impl Remote {
    /// # Errors
    /// [`Error::Refused`] where the process is gone or may not be traced.
    pub(crate) fn open(pid: u32) -> Result<Self, Error> {
        let path = format!("/proc/{pid}/mem");
        let file = OpenOptions::new().read(true).write(true).open(path);
        let file = file.map_err(|error| {
            Error::refused(format!(
                "the memory of process {pid} cannot be opened: {error}"
            ))
        })?;
        Ok(Remote { file, pid })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Writes all of `bytes`. Not in one piece: nobody may use them meanwhile.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such memory.
    pub(crate) fn write(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        let written = self.file.write_all_at(bytes, address);
        written.map_err(|error| self.failed("written", address, &error))
    }

    /// Fills all of `into`.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no such memory.
    pub(crate) fn fill(&self, address: u64, into: &mut [u8]) -> Result<(), Error> {
        let read = self.file.read_exact_at(into, address);
        read.map_err(|error| self.failed("read", address, &error))
    }

    fn failed(&self, what: &str, address: u64, error: &io::Error) -> Error {
        let pid = self.pid;
        Error::refused(match error.kind() {
            io::ErrorKind::UnexpectedEof => format!("process {pid} has ended"),
            _ => format!("address {address:#x} of process {pid} cannot be {what}: {error}"),
        })
    }
}

impl Memory for Remote {
    fn read(&self, address: u64, into: &mut [u8]) -> bool {
        self.file.read_exact_at(into, address).is_ok()
    }
}
