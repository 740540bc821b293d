//! Starting and stopping.

use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use gilprof_code::{CodeLayout, FrameLayout};
use gilprof_core::CpuReading;
use gilprof_region::{Clock, Reading, Recording, Region, Slot, StackPlan, Writer};

use crate::active::{self, Active};
use crate::error::Error;
use crate::frames::Stacks;
use crate::gils::{self, TABLE};
use crate::interpreter::InterpreterOf;
use crate::module::Module;
use crate::python::{Attached, Python};
use crate::{calibrate, code_layout, cost, cpu, current, fork, frame_layout, hooks, patch};

/// Excludes those who start and stop from each other. Behind a pointer, so
/// that the child of a fork can leave a locked one behind.
static LOCK: AtomicPtr<Mutex<()>> = AtomicPtr::new(std::ptr::null_mut());

fn lock() -> MutexGuard<'static, ()> {
    let mut pointer = LOCK.load(SeqCst);
    if pointer.is_null() {
        let fresh = Box::into_raw(Box::new(Mutex::new(())));
        pointer = match LOCK.compare_exchange(pointer, fresh, SeqCst, SeqCst) {
            Ok(_) => fresh,
            Err(other) => {
                // SAFETY: nobody else has seen `fresh`.
                drop(unsafe { Box::from_raw(fresh) });
                other
            }
        };
    }
    // SAFETY: a pointer in LOCK comes from `Box::into_raw` and is never freed.
    let mutex: &'static Mutex<()> = unsafe { &*pointer };
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock may be held by a thread that the child does not have.
pub(crate) fn forget_lock_in_child() {
    LOCK.store(std::ptr::null_mut(), SeqCst);
}

/// A thread that exists when a recording starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownThread {
    /// The operating system's id.
    pub native_id: u32,
    /// Its name.
    pub name: String,
    /// What the system says of its time on a CPU before the recording, if it does.
    pub counted: Option<CpuReading>,
}

impl KnownThread {
    /// A thread of whose time on a CPU nothing is known yet.
    pub fn new(native_id: u32, name: impl Into<String>) -> Self {
        KnownThread {
            native_id,
            name: name.into(),
            counted: None,
        }
    }
}

/// What to record, and where to.
#[derive(Debug)]
pub struct Setup<'s> {
    /// An empty region. It is never freed: a hook may return long after the
    /// recording ended.
    pub region: &'static Region,
    /// The clock of all times.
    pub clock: Clock,
    /// Whether another process reads the region.
    pub shared: bool,
    /// After how many nanoseconds of a thread's holding, waiting, detached time,
    /// or of what it made others wait, its stack is taken; 0 for never.
    pub stack_every_ns: u64,
    /// The threads that Python knows of, so that one that never touches the
    /// GIL is in the profile too.
    pub threads: &'s [KnownThread],
}

/// Starts to record. The caller must not hold the GIL (see
/// [`Python::detached`]).
///
/// # Errors
/// [`Error::Running`] while another recording is on; [`Error::Unsupported`]
/// with the reason where this interpreter cannot be profiled. Then nothing is
/// patched.
pub fn start(python: &Python, setup: &Setup<'_>) -> Result<(), Error> {
    let _guard = lock();
    if active::recording().is_some() {
        return Err(Error::Running);
    }
    current::prepare()?;
    fork::prepare();
    // One that another process stops the hooks of needs no barrier, and may stand still now.
    if !setup.shared {
        active::prepare_turn_off();
    }
    // Before the GIL is taken: this runs for some tens of microseconds.
    cost::event_cost_ps(setup.clock);
    cost::reading_cost_ps(setup.clock);
    python.attached(|attached| start_attached(python, attached, setup))
}

fn start_attached(
    python: &Python,
    attached: &Attached<'_>,
    setup: &Setup<'_>,
) -> Result<(), Error> {
    if attached.is_free_threaded() {
        return Err(Error::unsupported(
            "this free-threaded Python runs with its GIL off: there is no GIL to profile; \
             PYTHON_GIL=1 or -X gil=1 switches it on",
        ));
    }
    gils::forget(0);
    install(python)?;
    let found = calibrate::calibrate(attached).and_then(|cond| {
        patch::verify()?;
        Ok(cond)
    });
    match found {
        Ok(cond) => {
            open(attached, python, setup, cond);
            Ok(())
        }
        Err(error) => {
            patch::restore()?;
            Err(error)
        }
    }
}

fn install(python: &Python) -> Result<(), Error> {
    let module = Module::around(python.save_thread_address())
        .ok_or_else(|| Error::unsupported("no loaded module contains PyEval_SaveThread"))?;
    let installed = hooks::all().iter().try_for_each(|hook| {
        let slots = module.slots(hook.name);
        if slots.is_empty() {
            return Err(Error::unsupported(format!(
                "{} does not call {} through a relocation slot",
                module.path(),
                hook.name.to_string_lossy()
            )));
        }
        slots
            .into_iter()
            .try_for_each(|slot| patch::install(&module, slot, hook.real, hook.hook))
    });
    if installed.is_err() {
        patch::restore()?;
    }
    installed
}

/// A number for a recording, unlike that of any other of this process and of those it was
/// forked from. Never 0.
// Must not allocate.
pub(crate) fn next_generation() -> u32 {
    static GENERATION: AtomicU32 = AtomicU32::new(0);
    GENERATION.fetch_add(1, SeqCst).wrapping_add(1).max(1)
}

/// Opens the books with this thread as the holder, and lets the hooks write.
fn open(attached: &Attached<'_>, python: &Python, setup: &Setup<'_>, cond: usize) {
    let generation = next_generation();
    let now_ns = setup.clock.now_ns();
    let interval_us = attached.switch_interval_us().unwrap_or(0);
    let recording = Recording {
        pid: std::process::id(),
        clock: setup.clock,
        started_ns: now_ns,
        started_unix_ns: unix_ns(),
        switch_interval_ns: interval_us * 1_000,
        event_cost_ps: cost::event_cost_ps(setup.clock),
        reading_cost_ps: cost::reading_cost_ps(setup.clock),
        python: python.version(),
        cpus: cpus(),
    };
    setup.region.start(&recording);
    let stacks = prepare_stacks(attached, python, setup, cond);
    let interpreters = InterpreterOf::find(attached);
    for thread in setup.threads {
        let KnownThread {
            native_id,
            name,
            counted,
        } = thread;
        setup.region.adopt(*native_id, now_ns, name, *counted);
    }
    begin_with_holder(setup.region, generation, now_ns);
    if let Some(cell) = setup.region.gil(0) {
        TABLE[0].set(cond, cell);
    }
    active::turn_on(Active {
        region: setup.region,
        clock: setup.clock,
        generation,
        shared: setup.shared,
        stacks,
        interpreters,
        recording,
    });
}

/// Everything else works without stacks: their absence is noted, no more.
fn prepare_stacks(
    attached: &Attached<'_>,
    python: &Python,
    setup: &Setup<'_>,
    cond: usize,
) -> Option<Stacks> {
    if setup.stack_every_ns == 0 {
        setup.region.miss_stacks("n/a (option stacks is 0)");
        return None;
    }
    match layouts(attached) {
        Ok((layout, code)) => {
            setup.region.take_stacks(&StackPlan {
                every_ns: setup.stack_every_ns,
                gil_address: cond as u64,
                frame_layout: layout.to_words(),
                code_layout: code.to_words(),
            });
            Some(Stacks {
                layout,
                this_thread_state: python.this_thread_state(),
            })
        }
        Err(reason) => {
            setup.region.miss_stacks(&format!("n/a ({reason})"));
            None
        }
    }
}

/// The layouts of this interpreter, learned at the first start.
fn layouts(attached: &Attached<'_>) -> Result<(FrameLayout, CodeLayout), String> {
    static LEARNED: OnceLock<(FrameLayout, CodeLayout)> = OnceLock::new();
    if let Some(&learned) = LEARNED.get() {
        return Ok(learned);
    }
    let learned = (
        frame_layout::discover(attached)?,
        code_layout::code_layout(attached).map_err(|error| error.to_string())?,
    );
    Ok(*LEARNED.get_or_init(|| learned))
}

/// Gives up what the stacks of a recording that has been stopped hold on to,
/// once they were read. The caller must not hold the GIL.
pub fn let_go(python: &Python, region: &Region) {
    python.let_go(region.stacks().codes());
}

/// No hook writes yet, so this thread may, though it is not under the mutex.
fn begin_with_holder(region: &Region, generation: u32, now_ns: u64) {
    let Some(writer) = first_gil(region, now_ns) else {
        return;
    };
    writer.cell().enter();
    // SAFETY: the call has no preconditions.
    let native_id = unsafe { libc::gettid() } as u32;
    let slot = writer.admit(native_id, now_ns).unwrap_or(Slot::NONE);
    current::set_slot(generation, slot);
    writer.acquire(slot, now_ns);
    writer.book_cpu(slot, cpu::read(), 0);
    writer.cell().leave();
}

/// Opens the books in the child of a fork, where nothing else runs.
pub(crate) fn start_books(region: &Region, recording: &Recording, now_ns: u64) {
    region.start(&Recording {
        pid: std::process::id(),
        started_ns: now_ns,
        started_unix_ns: unix_ns(),
        ..*recording
    });
    first_gil(region, now_ns);
}

/// The main GIL's books, in a region that no hook writes to yet.
// Must not allocate.
pub(crate) fn first_gil(region: &Region, now_ns: u64) -> Option<Writer<'_>> {
    let writer = Writer::new(region, region.new_gil()?)?;
    writer.cell().enter();
    writer.born(now_ns);
    writer.cell().leave();
    Some(writer)
}

/// CPUs that this process may use; 0 where not known.
fn cpus() -> u32 {
    let cpus = std::thread::available_parallelism();
    cpus.map_or(0, |count| u32::try_from(count.get()).unwrap_or(u32::MAX))
}

fn unix_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

/// Stops recording and puts back what was in the slots. When it returns, no
/// hook writes to the region any more, though threads may still be inside of
/// one. Gives back the time at which the books were closed, or `None` if
/// nothing was recorded. Needs no GIL.
///
/// # Errors
/// [`Error::Os`] where a slot's page could not be made writable; the hooks
/// that stay pass every call on.
pub fn stop() -> Result<Option<u64>, Error> {
    let _guard = lock();
    let Some(active) = active::recording() else {
        return Ok(None);
    };
    let (region, clock) = (active.region, active.clock);
    active::turn_off();
    let now_ns = clock.now_ns();
    region.stop(now_ns);
    gils::forget(0);
    patch::restore()?;
    Ok(Some(now_ns))
}

/// Whether the hooks record, in this process.
pub fn is_running() -> bool {
    active::recording().is_some()
}

/// Puts hooks back that the dynamic linker overwrote while it resolved a call
/// that was under way when they were installed.
///
/// # Errors
/// [`Error::Os`] where a slot's page could not be made writable.
pub fn verify() -> Result<(), Error> {
    let _guard = lock();
    match active::recording() {
        Some(_) => patch::verify(),
        None => Ok(()),
    }
}

/// The region that is recorded into, in this process.
pub fn region() -> Option<&'static Region> {
    active::outside(|active| active.region)
}

/// The sums of the calling thread and of the whole process, up to now.
#[derive(Clone, Copy, Debug)]
pub struct Readings {
    /// Which recording they belong to; readings of two cannot be compared.
    pub generation: u32,
    /// The calling thread; `None` before its first event, or without a slot.
    pub thread: Option<Reading>,
    /// All threads.
    pub process: Reading,
}

/// Reads the sums of the calling thread and of the process, in some tens of
/// nanoseconds; `None` while nothing is recorded.
pub fn readings() -> Option<Readings> {
    active::outside(|active| {
        let slot = current::slot(active.generation);
        let process = active.region.process_reading(|| active.clock.now_ns());
        Readings {
            generation: active.generation,
            thread: slot.and_then(|slot| active.region.own_reading(slot, || process.at_ns)),
            process,
        }
    })
}

/// Gives the calling thread its name in the recording that is on.
pub fn name_this_thread(name: &str) {
    active::outside(|active| {
        let slot = current::slot(active.generation)?;
        active.region.thread(slot)?.name().write(name.bytes());
        Some(())
    });
}
