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

/// How long a hook that is at work may take to leave, or a thread that runs to let go of
/// the GIL.
const LEAVING: Duration = Duration::from_secs(2);
/// How long to wait for a thread that lets go of the GIL, where all sleep.
const LETTING_GO: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_micros(100);

/// Clears away what one who was killed has left.
///
/// # Errors
/// [`Error::Refused`] where no thread could be borrowed, or the process has ended.
pub(crate) fn take_over(remote: &Remote, mut area: Area) -> Result<Area, Error> {
    let left = slots::noted(remote, &area)?;
    let is_recording = remote.word(area.current()) != Some(0);
    if !left.is_empty() || is_recording {
        silence(remote, &mut area, &left)?;
        memory_file::free(remote, &mut area)?;
    }
    for number in memory_file::left(remote.pid()) {
        let close = Errand::new().call(libc::SYS_close, &[number.into()]);
        area.run(remote, close)?;
    }
    Ok(area)
}

/// Stops the hooks from writing, and takes them out of the slots.
///
/// # Errors
/// [`Error::Refused`] where no thread could be borrowed, or the process has ended.
pub(crate) fn silence(remote: &Remote, area: &mut Area, slots: &[Patched]) -> Result<(), Error> {
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
        wait_while(is_asked);
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
    let began = Instant::now();
    while is_so() && began.elapsed() < time {
        thread::sleep(PAUSE);
    }
}
