//! The system call that a thread is blocked in.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use syscalls::Sysno;

use crate::registers::Registers;

/// The system call that a thread is blocked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    number: usize,
    pub(crate) arguments: [u64; 6],
    sp: u64,
    pc: u64,
}

impl Call {
    /// What the thread of the process is blocked in; `None` where it runs, wants to, or
    /// is blocked in no system call (a page that is not there yet).
    ///
    /// # Errors
    /// Where the system does not tell: the thread is gone, or its process is not to be
    /// traced by this one (ptrace(2), "access mode checking").
    pub fn of(pid: u32, thread: u32) -> io::Result<Option<Self>> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/syscall"))?;
        Ok(Self::read(&text))
    }

    /// The address of the futex it waits for; `None` where it is another call.
    pub fn futex(&self) -> Option<u64> {
        (self.sysno() == Some(Sysno::futex)).then_some(self.arguments[0])
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        // -1 stands for no system call.
        let number = words.next()?.parse().ok()?;
        let values = words.map(|word| {
            let digits = word.strip_prefix("0x")?;
            u64::from_str_radix(digits, 16).ok()
        });
        let values: Vec<u64> = values.collect::<Option<_>>()?;
        let (arguments, rest) = values.split_first_chunk()?;
        let &[sp, pc] = rest else { return None };
        Some(Call {
            number,
            arguments: *arguments,
            sp,
            pc,
        })
    }

    /// Its name, as in `futex`; a new one that is not known has its number.
    pub fn name(&self) -> String {
        let known = self.sysno();
        known.map_or_else(
            || format!("call {}", self.number),
            |known| known.name().into(),
        )
    }

    pub(crate) fn sysno(&self) -> Option<Sysno> {
        Sysno::new(self.number)
    }

    /// The registers of the thread, as far as they are told.
    pub fn registers(&self) -> Registers {
        Registers {
            pc: self.pc,
            sp: self.sp,
            fp: 0,
            lr: 0,
        }
    }
}

/// No line of the file is longer.
const LINE: usize = 256;

/// What a thread does at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It runs or wants to.
    Ready,
    /// It is blocked in no system call: a page is not there yet.
    Page,
    /// It is blocked in this one.
    Call(Call),
}

/// The file in which the kernel tells what a thread does. It is kept open: a thread that is
/// looked at often is looked up once.
#[derive(Debug)]
pub struct CallFile(File);

impl CallFile {
    /// That of a thread of the process.
    ///
    /// # Errors
    /// As for [`Call::of`].
    pub fn of(pid: u32, thread: u32) -> io::Result<Self> {
        File::open(format!("/proc/{pid}/task/{thread}/syscall")).map(CallFile)
    }

    /// What the thread does now.
    ///
    /// # Errors
    /// As for [`Call::of`].
    pub fn now(&self) -> io::Result<Doing> {
        let mut line = [0; LINE];
        let length = self.0.read_at(&mut line, 0)?;
        let text = std::str::from_utf8(&line[..length]).unwrap_or_default();
        Ok(match Call::read(text) {
            Some(call) => Doing::Call(call),
            None if text.starts_with('-') => Doing::Page,
            None => Doing::Ready,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocked_thread_has_a_call_with_its_arguments() {
        let text = "202 0x7f10 0x189 0x0 0x0 0x0 0xffffffff 0x7ffc80 0x7f6106\n";
        let call = Call::read(text).unwrap();
        assert_eq!(call.arguments, [0x7f10, 0x189, 0, 0, 0, 0xffff_ffff]);
        assert_eq!(
            (call.registers().sp, call.registers().pc),
            (0x7ffc80, 0x7f6106)
        );
        #[cfg(target_arch = "x86_64")]
        assert_eq!(call.name(), "futex");
    }

    #[test]
    fn a_thread_that_runs_or_waits_for_a_page_has_none() {
        for text in ["running\n", "-1 0x7ffc80 0x7f6106\n", "", "202 0x1 0x2\n"] {
            assert_eq!(Call::read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_is_kept_tells_what_the_thread_does_each_time() {
        let pid = std::process::id();
        let file = CallFile::of(pid, pid).unwrap();
        let sleeper = std::process::Command::new("sleep").arg("60").spawn();
        let mut sleeper = sleeper.unwrap();
        let other = CallFile::of(sleeper.id(), sleeper.id()).unwrap();
        let sleeps =
            || matches!(other.now(), Ok(Doing::Call(call)) if call.name().contains("nanosleep"));
        while !sleeps() {}
        assert!(file.now().is_ok() && sleeps());
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        assert!(other.now().is_err());
    }

    #[test]
    fn a_call_without_a_name_has_its_number() {
        let call = Call::read("99999 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0").unwrap();
        assert_eq!(call.name(), "call 99999");
    }
}
