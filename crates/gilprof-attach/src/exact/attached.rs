//! A recording of a process that runs already, by hooks that are put into it.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use gilprof_code::Memory;
use gilprof_region::{Clock, Order, Progress, Region};
use nix::fcntl::{Flock, FlockArg};

use crate::error::Error;
use crate::exact::area::{Area, Note};
use crate::exact::errand::Errand;
use crate::exact::functions::Functions;
use crate::exact::payload::Payload;
use crate::exact::remote::Remote;
use crate::exact::slots::{self, Patched};
use crate::exact::{books, memory_file, withdrawal};
use crate::modules::{Module, Modules};
use crate::setup::Setup;

/// A process that is being recorded, until [`Attached::detach`] is called or this is
/// dropped. If its owner is killed, the hooks cease to record after ten seconds, and the
/// next one to attach takes over.
#[derive(Debug)]
pub struct Attached {
    remote: Remote,
    area: Area,
    region: Arc<Region>,
    clock: Clock,
    slots: Vec<Patched>,
    is_over: bool,
    /// Keeps others away.
    _lock: Flock<File>,
}

impl Attached {
    /// Puts the hooks into a process and starts to record. No code of the program's is
    /// called for that, and none of its threads stands still for more than the time of a
    /// few system calls.
    ///
    /// # Errors
    /// [`Error::Refused`] with the reason; then the process is as it was, but for some
    /// pages of its own that may be left.
    pub fn to(pid: u32, setup: &Setup) -> Result<Self, Error> {
        let payload = Payload::embedded()?;
        let lock = lock(pid)?;
        let modules = Modules::of(pid).map_err(|error| gone(pid, &error))?;
        let python = interpreter(pid, &modules)?;
        let functions = Functions::of(&modules);
        let resolve = |name: &str| functions.address(name);
        let remote = Remote::open(pid)?;
        let found = Area::find(&remote, &payload, resolve)?;
        let found = found
            .map(|area| withdrawal::take_over(&remote, area))
            .transpose()?;
        let planned = slots::plan(&remote, python, &functions)?;
        let mut area = match found {
            Some(area) => area,
            None => Area::make(&remote, &payload, resolve)?,
        };
        let slots: Vec<_> = planned.iter().map(|slot| slot.with(&area)).collect();
        slots::leave(&remote, &area, &slots)?;
        let (file, number) = memory_file::make(&remote, &mut area, &slots, setup.sizes)?;
        let region = Region::in_file(file.as_fd(), setup.sizes).map_err(no_region)?;
        let region = Arc::new(region);
        let clock = setup.clock.unwrap_or_else(Clock::detect);
        books::prepare(&region, pid, clock, setup);
        order(&remote, &area, &region, &modules, setup)?;
        let errand = Errand::new().call(libc::SYS_close, &[number.into()]);
        let errand = slots::fill(errand, &slots, |slot| slot.hook);
        area.run(&remote, slots::close(errand, &slots))?;
        Ok(Attached {
            remote,
            area,
            region,
            clock,
            slots,
            is_over: false,
            _lock: lock,
        })
    }

    /// What is recorded.
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.remote.pid()
    }

    /// Whether the process lives still.
    pub fn is_alive(&self) -> bool {
        is_alive(self.remote.pid())
    }

    /// How far the hooks have come; `None` where the process has ended.
    pub fn progress(&self) -> Option<Progress> {
        Progress::from_word(self.remote.word(self.area.order())?)
    }

    /// Shows the hooks that somebody still reads. To be called every few seconds.
    pub fn show_up(&self) {
        self.region.show_up(self.clock.now_ns());
    }

    /// The longest time that one of the process's threads stood still so far.
    pub fn longest_pause(&self) -> Duration {
        self.area.longest_pause()
    }

    /// Puts hooks back that the process's dynamic linker has overwritten while it resolved
    /// a call that was under way when they were installed. To be called once, a moment
    /// after the start.
    ///
    /// # Errors
    /// [`Error::Refused`] where no thread could be borrowed, or the process has ended.
    pub fn verify(&mut self) -> Result<(), Error> {
        let lost = slots::overwritten(&self.remote, &self.slots);
        if lost.is_empty() {
            return Ok(());
        }
        for slot in &mut self.slots {
            let found = lost.iter().find(|lost| lost.address == slot.address);
            *slot = found.copied().unwrap_or(*slot);
        }
        slots::leave(&self.remote, &self.area, &self.slots)?;
        slots::write(&self.remote, &mut self.area, &lost, &lost, |slot| slot.hook)
    }

    /// Ends the recording: the slots are as they were, and nothing writes to the region any
    /// more, which stays readable here.
    ///
    /// # Errors
    /// [`Error::Refused`] where no thread could be borrowed. What is left in the process
    /// then passes every call on, and the next one to attach clears it away.
    pub fn detach(mut self) -> Result<Arc<Region>, Error> {
        self.end()?;
        Ok(Arc::clone(&self.region))
    }

    fn end(&mut self) -> Result<(), Error> {
        self.is_over = true;
        let pid = self.remote.pid();
        let silenced = self.silence();
        // What threads do while the hooks are taken out, which can take seconds, none has seen.
        self.region.stop(self.clock.now_ns());
        match silenced.and_then(|()| self.take_out()) {
            // A process that has ended has no slots.
            Err(_) if !is_alive(pid) => Ok(()),
            ended => ended,
        }
    }

    fn silence(&mut self) -> Result<(), Error> {
        if !self.region.call_off() {
            // A hook has taken it up: it is about to start, or has done so.
            let starting =
                |progress| matches!(progress, Some(Progress::Wanted | Progress::Starting));
            withdrawal::wait_while(|| starting(self.progress()));
        }
        withdrawal::silence(&self.remote, &mut self.area)?;
        withdrawal::wait_while(|| self.region.is_entered());
        Ok(())
    }

    fn take_out(&mut self) -> Result<(), Error> {
        withdrawal::take_out(&self.remote, &mut self.area, &self.slots)?;
        memory_file::free(&self.remote, &mut self.area)
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        if !self.is_over {
            // Nobody is left to be told; see `detach`.
            let _ = self.end();
        }
    }
}

fn lock(pid: u32) -> Result<Flock<File>, Error> {
    let file = File::open(format!("/proc/{pid}/stat")).map_err(|error| gone(pid, &error))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| {
        Error::refused(format!(
            "another gilprof is attached to process {pid}; stop that first"
        ))
    })
}

fn gone(pid: u32, error: &std::io::Error) -> Error {
    Error::refused(format!("process {pid} cannot be looked at: {error}"))
}

fn no_region(error: gilprof_region::Error) -> Error {
    Error::refused(error.to_string())
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z ") && !stat.contains(") X "))
}

fn interpreter(pid: u32, modules: &Modules) -> Result<&Module, Error> {
    let found = modules.exporting("PyEval_SaveThread");
    found.map(|(module, _)| module).ok_or_else(|| {
        Error::refused(format!(
            "process {pid} is not a Python process (no module exports PyEval_SaveThread)"
        ))
    })
}

/// Writes the order that the first hook is to obey.
fn order(
    remote: &Remote,
    area: &Area,
    region: &Region,
    modules: &Modules,
    setup: &Setup,
) -> Result<(), Error> {
    let generation = area.note(remote, Note::Generation, 0)? + 1;
    area.leave(remote, Note::Generation, 0, generation)?;
    let state = modules.exporting("PyGILState_GetThisThreadState");
    let order = Order {
        generation: (generation as u32).max(1),
        region: area.note(remote, Note::Region, 0)?,
        bytes: region.sizes().bytes() as u64,
        gil: setup.gil.unwrap_or(0),
        this_thread_state: state.map_or(0, |(_, symbol)| symbol.address),
        interpreter: setup.interpreter.unwrap_or(0),
    };
    let place = area.order();
    remote.write(place, order.to_words().map(u64::to_le_bytes).as_flattened())?;
    remote.write(place, &(Progress::Wanted as u64).to_le_bytes())
}
