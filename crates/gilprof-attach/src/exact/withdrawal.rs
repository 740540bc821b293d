//! Taking the hooks out of a process.

use std::thread;
use std::time::{Duration, Instant};

use gilprof_code::Memory;
use gilprof_region::Progress;

use crate::error::Error;
use crate::exact::area::{Area, Note};
use crate::exact::candidates::{self, Candidate};
use crate::exact::errand::Errand;
use crate::exact::memory_file;
use crate::exact::remote::Remote;
use crate::exact::slots::{self, Patched};

/// How long a hook that is at work may take to leave.
const LEAVING: Duration = Duration::from_secs(2);
/// How long to wait for a thread that lets go of the GIL, where all sleep.
const LETTING_GO: Duration = Duration::from_millis(200);
/// And where one runs: by the clock, and by that of the process's CPU time, which goes slowly
/// where the CPUs are wanted by others; but not without an end.
const RUNNING: Duration = Duration::from_secs(2);
const RUNNING_CPU: Duration = Duration::from_secs(1);
const RUNNING_LONGEST: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_micros(100);

/// Clears away what one who was killed has left.
///
/// # Errors
/// [`Error::Refused`] where no thread could be borrowed, or the process has ended.
pub(crate) fn take_over(remote: &Remote, mut area: Area) -> Result<Area, Error> {
    let left = slots::noted(remote, &area)?;
    let is_recording = remote.word(area.current()) != Some(0);
    if !left.is_empty() || is_recording {
        silence(remote, &mut area)?;
        take_out(remote, &mut area, &left)?;
        memory_file::free(remote, &mut area)?;
    }
    for number in memory_file::left(remote.pid()) {
        let close = Errand::new().call(libc::SYS_close, &[number.into()]);
        area.run(remote, close)?;
    }
    Ok(area)
}

/// Stops the hooks from writing, but for those that are at it.
///
/// # Errors
/// [`Error::Refused`] where no thread could be borrowed, or the process has ended.
pub(crate) fn silence(remote: &Remote, area: &mut Area) -> Result<(), Error> {
    let idle = (Progress::Idle as u64).to_le_bytes();
    remote.write(area.order(), &idle)?;
    let issue = libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED as u64;
    let off = Errand::new()
        .store(area.current(), 0)
        .call(libc::SYS_membarrier, &[issue.into(), 0.into(), 0.into()])
        .note(area.place(Note::Results, 0));
    area.run(remote, off)?;
    if area.note(remote, Note::Results, 0)? != 0 {
        // No such call here. A processor writes its stores out within microseconds even
        // when nobody asks it to.
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Takes hooks that are silent out of the slots.
///
/// # Errors
/// [`Error::Refused`] where no thread could be borrowed, or the process has ended.
pub(crate) fn take_out(remote: &Remote, area: &mut Area, slots: &[Patched]) -> Result<(), Error> {
    let_go(remote, area)?;
    let hooked = slots::hooked(remote, slots);
    slots::write(remote, area, slots, &hooked, |slot| slot.original)?;
    slots::leave(remote, area, &[])?;
    wait_while(|| remote.word(area.outside()).is_some_and(|hooks| hooks != 0));
    Ok(())
}

/// Has a hook give up the code objects that stacks have kept alive. Where no thread lets go
/// of the GIL for a while, they stay; one that runs, or has no CPU yet, is given more time.
fn let_go(remote: &Remote, area: &Area) -> Result<(), Error> {
    let wanted = (Progress::LetGo as u64).to_le_bytes();
    remote.write(area.order(), &wanted)?;
    let is_asked = || remote.word(area.order()) == Some(Progress::LetGo as u64);
    wait_for(LETTING_GO, is_asked);
    if is_asked() && candidates::of(remote.pid()).iter().any(Candidate::runs) {
        wait_for_running(remote.pid(), is_asked);
    }
    if is_asked() {
        // One who has begun meanwhile is waited for, as any hook at work is.
        remote.write(area.order(), &(Progress::Idle as u64).to_le_bytes())?;
    }
    let letting_go = Some(Progress::LettingGo as u64);
    wait_while(|| remote.word(area.order()) == letting_go);
    Ok(())
}

/// Waits while a hook is at work, for a while.
pub(crate) fn wait_while(is_so: impl Fn() -> bool) {
    wait_for(LEAVING, is_so);
}

fn wait_for(time: Duration, is_so: impl Fn() -> bool) {
    wait_unless(|past| past >= time, is_so);
}

/// Waits for a process of which a thread runs, or would if it had a CPU.
fn wait_for_running(pid: u32, is_so: impl Fn() -> bool) {
    let began = cpu_time(pid);
    let has_run = || Some(cpu_time(pid)?.saturating_sub(began?));
    let is_over = |past| {
        let was_long = past >= RUNNING && has_run().is_none_or(|cpu| cpu >= RUNNING_CPU);
        was_long || past >= RUNNING_LONGEST
    };
    wait_unless(is_over, is_so);
}

fn wait_unless(is_over: impl Fn(Duration) -> bool, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while is_so() && !is_over(began.elapsed()) {
        thread::sleep(PAUSE);
    }
}

/// The CPU time of all threads of a process; `None` where the system does not tell.
fn cpu_time(pid: u32) -> Option<Duration> {
    let mut clock = 0;
    // SAFETY: `clock` is a place for the result.
    let failed = unsafe { libc::clock_getcpuclockid(pid.try_into().ok()?, &mut clock) };
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a place for the result.
    let told = failed == 0 && unsafe { libc::clock_gettime(clock, &mut time) } == 0;
    told.then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_computes_has_cpu_time_and_one_that_is_not_there_has_none() {
        let own = || cpu_time(std::process::id()).expect("Linux tells");
        let began = own();
        while own() == began {}
        assert!(own() > began);
        // Linux numbers no process so high.
        assert_eq!(cpu_time(1 << 22), None);
    }
}
