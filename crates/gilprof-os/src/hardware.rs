//! What the CPUs' own counters count of a thread.

use std::io;

use perf_event::events::{Event, Hardware};

use crate::counter::counting;

/// What was counted of a thread while it ran, without what the kernel did for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Instructions that it has executed.
    pub instructions: u64,
    /// Clock cycles that it took for them.
    pub cycles: u64,
    /// Time on a CPU in which that was counted, the kernel's part included, in ns.
    pub time_ns: u64,
}

impl Counted {
    /// Adds what was counted at another time, or of another thread.
    pub fn add(&mut self, more: Self) {
        self.instructions = self.instructions.saturating_add(more.instructions);
        self.cycles = self.cycles.saturating_add(more.cycles);
        self.time_ns = self.time_ns.saturating_add(more.time_ns);
    }
}

/// Two counters of the CPU's for one thread: two files, closed when this is dropped. Each costs the
/// thread some microseconds at a context switch.
///
/// ```
/// use gilprof_os::HardwareCounters;
///
/// match HardwareCounters::start(std::process::id()) {
///     Ok(mut counters) => assert!(counters.read()?.instructions > 0),
///     // Many virtual machines have none.
///     Err(refused) => println!("{}", HardwareCounters::missing(&refused)),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct HardwareCounters {
    instructions: perf_event::Counter,
    cycles: perf_event::Counter,
}

impl HardwareCounters {
    /// Begins to count for the thread with this id, of this process or another one.
    ///
    /// # Errors
    /// Where the thread is no more, where the CPUs have no counters (or a virtual machine is
    /// not given them), where the system refuses, or where no file can be opened.
    pub fn start(thread: u32) -> io::Result<Self> {
        Self::of(
            thread,
            [Hardware::INSTRUCTIONS, Hardware::CPU_CYCLES].map(Event::from),
        )
    }

    fn of(thread: u32, [instructions, cycles]: [Event; 2]) -> io::Result<Self> {
        Ok(HardwareCounters {
            instructions: counting(thread, instructions)?,
            cycles: counting(thread, cycles)?,
        })
    }

    /// What was counted since then, also of a thread that has ended. Where the counters had to be
    /// shared with others, it is extrapolated from the part in which they ran.
    ///
    /// # Errors
    /// Where the kernel cannot be asked any more.
    pub fn read(&mut self) -> io::Result<Counted> {
        let instructions = self.instructions.read_count_and_time()?;
        let cycles = self.cycles.read_count_and_time()?;
        Ok(Counted {
            instructions: scaled(&instructions),
            cycles: scaled(&cycles),
            time_ns: instructions.time_enabled.min(cycles.time_enabled),
        })
    }

    /// Why there are none, as in `n/a (…)`.
    pub fn missing(refused: &io::Error) -> String {
        match refused.raw_os_error() {
            Some(libc::ENOENT | libc::EOPNOTSUPP | libc::ENODEV | libc::ENXIO) => String::from(
                "n/a (the CPUs of this machine have no counters, or its host does not give them)",
            ),
            Some(libc::EACCES | libc::EPERM) => String::from(
                "n/a (perf_event_open is refused: kernel.perf_event_paranoid above 2, or a \
                 container's seccomp filter)",
            ),
            _ => format!("n/a (perf_event_open: {refused})"),
        }
    }
}

fn scaled(read: &perf_event::CountAndTime) -> u64 {
    match read.time_running {
        0 => 0,
        running if running >= read.time_enabled => read.count,
        running => {
            let whole = u128::from(read.count) * u128::from(read.time_enabled);
            u64::try_from(whole / u128::from(running)).unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use perf_event::CountAndTime;
    use perf_event::events::Software;

    use super::*;

    /// Two of the kernel's own counters, which any machine has: the time on a CPU, twice.
    fn clocks(thread: u32) -> io::Result<HardwareCounters> {
        HardwareCounters::of(
            thread,
            [Software::TASK_CLOCK, Software::TASK_CLOCK].map(Event::from),
        )
    }

    #[test]
    fn a_thread_is_counted_until_it_ends_and_nobody_else() {
        let (tell, hear) = channel();
        let (go, wait) = channel::<()>();
        let thread = std::thread::spawn(move || {
            // SAFETY: it takes and changes nothing.
            tell.send(unsafe { libc::gettid() } as u32).expect("heard");
            wait.recv().expect("told to go on");
            let begin = std::time::Instant::now();
            while begin.elapsed().as_millis() < 50 {}
        });
        let Ok(mut counters) = clocks(hear.recv().unwrap()) else {
            // Where the system refuses, the reason is all there is.
            go.send(()).unwrap();
            return thread.join().unwrap();
        };
        let before = counters.read().unwrap();
        go.send(()).unwrap();
        thread.join().unwrap();
        let after = counters.read().unwrap();
        assert!(after.instructions > before.instructions);
        // Both count the same time on a CPU, which is not that of this thread.
        let (one, other) = (after.instructions as f64, after.time_ns as f64);
        assert!((one / other - 1.0).abs() < 0.1, "{after:?}");
        assert_eq!(counters.read().unwrap(), after);
    }

    #[test]
    fn what_ran_for_a_part_of_the_time_is_extrapolated() {
        let read = |time_running| CountAndTime {
            count: 10,
            time_enabled: 100,
            time_running,
        };
        assert_eq!([100, 50, 0].map(|ns| scaled(&read(ns))), [10, 20, 0]);
    }

    #[test]
    fn of_a_thread_that_is_not_there_nothing_is_counted() {
        assert!(HardwareCounters::start(i32::MAX as u32).is_err());
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let said = |code| HardwareCounters::missing(&io::Error::from_raw_os_error(code));
        assert!(said(libc::ENOENT).contains("no counters"));
        assert!(said(libc::EACCES).contains("perf_event_paranoid"));
        assert!(said(libc::EMFILE).starts_with("n/a (perf_event_open: "));
    }
}
