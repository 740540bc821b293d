//! The system call that a thread is blocked in.

use std::io;

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
    fn a_call_without_a_name_has_its_number() {
        let call = Call::read("99999 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0").unwrap();
        assert_eq!(call.name(), "call 99999");
    }
}
