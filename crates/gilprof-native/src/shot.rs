//! One sample of a thread while it runs.

use std::io;
use std::os::fd::AsRawFd;

use perf_event::data::Record;
use perf_event::events::Software;
use perf_event::{Builder, SampleFlag, Sampler};

use crate::registers::Registers;

/// How long the thread is to run before the sample is taken, in ns: the shortest time
/// that the kernel's timer allows (perf_swevent_start_hrtimer).
const AFTER_NS: u64 = 10_000;
/// How much of its stack is copied, in bytes.
const STACK: u32 = 8 << 10;
/// The ring for the sample, in bytes.
const RING: usize = 16 << 10;
/// Asks for so many samples, after which the kernel stops by itself (`_IO('$', 2)` in
/// linux/perf_event.h).
const REFRESH: libc::c_ulong = 0x2402;

/// Takes samples of one thread, each when it is asked for, while the thread runs. No
/// signal is involved. Its file is close-on-exec, and closed with it.
pub struct Shot(Sampler);

impl std::fmt::Debug for Shot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shot").field(self.0.as_counter()).finish()
    }
}

/// Where a thread was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its registers.
    pub registers: Registers,
    /// Its memory from the stack pointer on.
    pub stack: Vec<u8>,
}

impl Shot {
    /// Makes ready for the thread with this id, of this process or one that it may
    /// trace.
    ///
    /// # Errors
    /// Where the system refuses: `kernel.perf_event_paranoid`, a seccomp filter, a
    /// limit on files or locked memory; or where the thread has ended.
    pub fn new(thread: u32) -> io::Result<Self> {
        // Inside of the kernel too, where that is allowed.
        let sampler = match Self::open(thread, false) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                Self::open(thread, true)
            }
            other => other,
        };
        Ok(Shot(sampler?))
    }

    fn open(thread: u32, exclude_kernel: bool) -> io::Result<Sampler> {
        let flags = SampleFlag::TID | SampleFlag::REGS_USER | SampleFlag::STACK_USER;
        Builder::new(Software::CPU_CLOCK)
            .observe_pid(thread.try_into().map_err(io::Error::other)?)
            .exclude_kernel(exclude_kernel)
            .exclude_hv(true)
            .sample_period(AFTER_NS)
            .sample(flags)
            .sample_regs_user(Registers::mask())
            .sample_stack_user(STACK)
            .build()?
            .sampled(RING)
    }

    /// Asks for one sample, which is taken when the thread has run for a little while.
    /// Samples before are forgotten.
    ///
    /// # Errors
    /// Where the kernel does not do it.
    pub fn ask(&mut self) -> io::Result<()> {
        // The kernel may be about to stop after the sample before.
        self.0.as_counter_mut().disable()?;
        while self.0.next_record().is_some() {}
        let file = self.0.as_counter().as_raw_fd();
        // SAFETY: the file is open and one of perf_event_open's; the request takes a
        // number and touches no memory of ours.
        let done = unsafe { libc::ioctl(file, REFRESH as _, 1) };
        match done {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The sample that was asked for; `None` where the thread has not run for long
    /// enough since.
    pub fn take(&mut self) -> Option<Taken> {
        let mut found = None;
        while let Some(record) = self.0.next_record() {
            if let Ok(Record::Sample(sample)) = record.parse_record() {
                let registers = sample.regs_user();
                let registers = registers.and_then(|all| Registers::sampled(all.mask, &all.regs));
                found = registers.map(|registers| Taken {
                    registers,
                    stack: sample.stack_user().unwrap_or_default().to_vec(),
                });
            }
        }
        found
    }
}
