//! What threads do outside the GIL: I/O, sleep, locks, and native code in parallel.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Confidence, Evidence, Finding, FindingId};
use super::gauge::{Gauge, part_of, ratio};
use super::place::{Heaviest, is_named};
use super::queue::QUEUE;
use super::shares::{Shares, is_blocking_known};
use super::words::{duration, percent};
use crate::blocked::{Blocked, BlockedOn};
use crate::frame::Frame;
use crate::site::{Site, SiteKind};
use crate::state::State;
use crate::thread::Thread;

/// Of what threads do at all, blocked in I/O.
const MOSTLY: f64 = 0.50;
/// At an average instant so many threads are blocked in it.
const BLOCKED: f64 = 0.25;
/// Of what a thread is away, on a CPU: enough to say that it computes.
const COMPUTING: f64 = 0.05;
/// The program works: so many threads at an average instant.
const BUSY: f64 = 0.25;
/// A queue for a lock: how many threads wait for it at an average instant.
const LOCK_QUEUE: f64 = 0.25;
/// Somebody has the lock: so many of those that use it do not wait for it at an
/// average instant. All waiting is idling, for work that comes through a queue.
const LOCK_OWNER: f64 = 0.75;
/// And they were seen to wait for it so often, if that was looked at: where looks are rare, as
/// without a free CPU, each stands for a long time.
const LOCK_SEEN: u64 = 5;
/// Where they queue for the GIL as well, each was seen to wait for it so often, on average: a
/// single look may have come while that who has the lock waited for the GIL.
const LOCK_LOOKS: f64 = 2.0;
/// Native code outside the GIL: so many CPUs at an average instant.
const PARALLEL: f64 = 0.25;
/// That is bad news where threads queue for the GIL for a third of that time: where native
/// code leaves no CPU, those that have the GIL or are to get it wait for one, and others for them.
const QUEUED: f64 = 0.33;
/// For so long at a time, or it is the system's part of giving the GIL away.
const STRETCH_NS: u64 = 50_000;

/// Modules whose code waits to be given work: idle, not blocked.
const IDLE: [&str; 13] = [
    "threading",
    "queue",
    "selectors",
    "socketserver",
    "subprocess",
    "asyncio",
    "asyncio.base_events",
    "asyncio.events",
    "concurrent.futures.thread",
    "concurrent.futures._base",
    "multiprocessing.connection",
    "multiprocessing.pool",
    "gevent.hub",
];

/// Whether the innermost line is one that waits for work.
fn is_idle(frame: &Frame) -> bool {
    IDLE.contains(&frame.module().as_str()) || frame.function.ends_with("accept")
}

/// The blocked rows of one GIL's threads, outside of it.
pub(super) struct Outside<'p> {
    /// In I/O or asleep.
    pub(super) on_io: Vec<&'p Blocked>,
    on_locks: Vec<&'p Blocked>,
    serving: BTreeSet<u64>,
}

impl<'p> Outside<'p> {
    pub(super) fn of(gauge: &Gauge<'p>) -> Self {
        let rows = gauge.profile.blocked().iter();
        let own = || {
            rows.clone()
                .filter(|row| row.state == State::Detached && gauge.has(row.thread))
        };
        let asleep = never_back(gauge);
        let io = own().filter(|row| is_io(gauge, row) && !asleep.contains(&row.thread));
        let locks = own().filter(|row| row.lock.is_some() && !waits_for_work(gauge, row));
        Self {
            on_io: io.collect(),
            on_locks: locks.collect(),
            serving: own()
                .filter(|row| is_service(row))
                .map(|row| row.thread)
                .chain(selecting(gauge))
                .collect(),
        }
    }

    /// Its time in I/O or asleep, in ns.
    pub(super) fn io_ns(&self) -> u64 {
        weight(&self.on_io)
    }

    /// Whether the thread was seen to wait for whoever comes first.
    pub(super) fn is_serving(&self, thread: u64) -> bool {
        self.serving.contains(&thread)
    }
}

/// Beside threads that work, those that never came back to the GIL wait for something
/// that is not to happen, as the end of their parent process.
fn never_back(gauge: &Gauge<'_>) -> BTreeSet<u64> {
    let never = gauge
        .threads
        .iter()
        .filter(|thread| match gauge.profile.mode().counts() {
            true => thread.acquisitions == 0,
            false => thread.holding_ns == 0,
        });
    let never = never.map(|thread| thread.id);
    never
        .filter(|_| gauge.share(busy_ns(gauge)) >= BUSY)
        .collect()
}

/// Whether what it waits for is not a lock but an item of a `queue.SimpleQueue`, which
/// pools of threads are given their work by.
fn waits_for_work(gauge: &Gauge<'_>, row: &Blocked) -> bool {
    let mut native = gauge.profile.frames_at(&row.native);
    native.any(|frame| {
        frame.function.starts_with("_queue_SimpleQueue_get") || frame.file.starts_with("_queue.")
    })
}

/// Threads whose Python code asks which of several things comes first.
fn selecting(gauge: &Gauge<'_>) -> impl Iterator<Item = u64> {
    let sites = gauge.sites(SiteKind::Detached, |_| true);
    let selecting = sites.filter(|site| {
        let leaf = gauge.profile.stack(site).next();
        leaf.is_some_and(|frame| frame.module() == "selectors")
    });
    selecting.map(|site| site.thread)
}

fn weight(rows: &[&Blocked]) -> u64 {
    rows.iter()
        .fold(0, |sum, row| sum.saturating_add(row.weight_ns))
}

/// Waiting for whoever comes first: an event loop, or a listening socket.
fn is_service(row: &Blocked) -> bool {
    row.on == Some(BlockedOn::Events) || row.call.starts_with("accept")
}

fn is_io(gauge: &Gauge<'_>, row: &Blocked) -> bool {
    match row.on {
        Some(BlockedOn::Socket) => !is_service(row),
        Some(BlockedOn::Sleep | BlockedOn::Pipe | BlockedOn::File) => true,
        // A socket with a timeout is polled before it is read.
        Some(BlockedOn::Events) => {
            matches!(row.call.as_str(), "poll" | "ppoll") && {
                let line = gauge.line(gauge.sites(SiteKind::Detached, |id| id == row.thread));
                line.is_some_and(|line| !is_idle(line.frame))
            }
        }
        Some(BlockedOn::Lock | BlockedOn::Device | BlockedOn::Child | BlockedOn::Signal) | None => {
            false
        }
    }
}

/// Threads are blocked in I/O or asleep.
pub(super) fn io_bound(gauge: &Gauge<'_>, _shares: &Shares<'_>) -> Option<Finding> {
    match is_blocking_known(gauge) {
        true => known_io(gauge),
        false => likely_io(gauge),
    }
}

fn known_io(gauge: &Gauge<'_>) -> Option<Finding> {
    let outside = Outside::of(gauge);
    let io_ns = outside.io_ns();
    let threads: BTreeSet<u64> = outside.on_io.iter().map(|row| row.thread).collect();
    let mut calls = BTreeMap::<String, u64>::new();
    for row in &outside.on_io {
        let sum = calls.entry(described(row)).or_default();
        *sum = sum.saturating_add(row.weight_ns);
    }
    let (what, what_ns) = calls.into_iter().max_by_key(|(_, ns)| *ns)?;
    let samples = outside.on_io.iter().map(|row| row.samples).sum();
    let line = gauge.line(waiting_sites(gauge, |id| threads.contains(&id)));
    let mut finding = io(gauge, io_ns, &what, line, samples)?;
    finding.evidence.push(Evidence::new(
        "blocked in",
        what,
        format!("{} of that time", percent(ratio(what_ns, io_ns))),
    ));
    Some(finding)
}

/// Where nobody looked: by the lines of Python that threads came back to.
fn likely_io(gauge: &Gauge<'_>) -> Option<Finding> {
    let line = gauge.line(waiting_sites(gauge, |_| true))?;
    let locks = Outside::of(gauge).on_locks;
    let blocked = |thread: &Thread| {
        let sites = waiting_sites(gauge, |id| id == thread.id);
        let away_ns = sites.fold(0_u64, |sum, site| sum.saturating_add(site.weight_ns));
        // As far as anybody looked, a lock is no I/O.
        let locks = locks.iter().filter(|row| row.thread == thread.id);
        let locked_ns = locks.fold(0_u64, |sum, row| sum.saturating_add(row.weight_ns));
        let away_ns = away_ns.saturating_sub(locked_ns);
        let cpu_ns = thread.detached_cpu_ns.unwrap_or(0);
        // Who computes there and seldom gives the CPU up waits rather for a CPU.
        let computes = ratio(cpu_ns, away_ns) >= COMPUTING
            && thread.involuntary_switches > thread.voluntary_switches;
        match computes {
            true => 0,
            false => away_ns.saturating_sub(cpu_ns),
        }
    };
    let (io_ns, samples) = (gauge.sum(blocked), line.samples);
    let mut finding = io(gauge, io_ns, "calls that release it", Some(line), samples)?;
    let why = gauge
        .profile
        .blocked_missing()
        .unwrap_or("n/a (too few looks at the threads)");
    finding.evidence.push(Evidence::new(
        "blocked in",
        why,
        "the line of Python is what is known",
    ));
    finding.confidence = Confidence::Low;
    Some(finding)
}

fn io(
    gauge: &Gauge<'_>,
    io_ns: u64,
    what: &str,
    line: Option<Heaviest<'_>>,
    samples: u64,
) -> Option<Finding> {
    let share = ratio(io_ns, io_ns.saturating_add(busy_ns(gauge)));
    if share < MOSTLY || gauge.share(io_ns) < BLOCKED {
        return None;
    }
    let place = line
        .as_ref()
        .map_or_else(String::new, |line| format!(" at {}", line.frame));
    let mut evidence = gauge.evidence();
    evidence.push(Evidence::new(
        "blocked in I/O or asleep",
        duration(io_ns),
        format!("{} of all that threads do or wait for", percent(share)),
    ));
    evidence.extend(line.map(|line| line.evidence("the time outside the GIL")));
    Some(Finding {
        id: FindingId::IoBound,
        sentence: format!(
            "I/O-bound, not the GIL: {:.1} threads at any time are blocked in {what}{place}; \
             the GIL is held {} of the time.",
            gauge.share(io_ns),
            percent(gauge.held()),
        ),
        confidence: gauge.sampled(share / MOSTLY * 1.5, samples),
        evidence,
        advice: Some(String::from(
            "make that I/O faster or ask for less of it; more threads, or asyncio, let more of \
             it wait at a time",
        )),
        // Where the GIL is held, its turn has not come.
        cost_ns: part_of(io_ns, 1.0 - gauge.held()),
    })
}

/// What threads do that is no I/O.
fn busy_ns(gauge: &Gauge<'_>) -> u64 {
    gauge.sum(|thread| {
        let parts = [
            thread.holding_ns,
            thread.waiting_ns,
            thread.detached_cpu_ns.unwrap_or(0),
        ];
        parts.into_iter().fold(0, u64::saturating_add)
    })
}

fn described(row: &Blocked) -> String {
    let call = row.call.as_str();
    let what = match row.on {
        Some(BlockedOn::Socket) if call.starts_with("rec") || call.starts_with("read") => {
            "socket reads"
        }
        Some(BlockedOn::Socket) if call.starts_with("send") || call.starts_with("write") => {
            "socket writes"
        }
        Some(BlockedOn::Socket | BlockedOn::Events) => "sockets",
        Some(BlockedOn::Sleep) => "sleeps",
        Some(BlockedOn::Pipe) => "pipes",
        Some(BlockedOn::File) => "files",
        _ => "calls",
    };
    format!("{what} ({call})")
}

/// The sites that threads which pass came back to, but for those that wait for work.
fn waiting_sites<'p>(
    gauge: &Gauge<'p>,
    passes: impl Fn(u64) -> bool,
) -> impl Iterator<Item = &'p Site> {
    let sites = gauge.sites(SiteKind::Detached, passes);
    sites.filter(|site| {
        let leaf = gauge.profile.stack(site).next();
        leaf.is_some_and(|frame| !is_idle(frame))
    })
}

/// One lock, and who waited for it.
struct Lock<'p> {
    rows: Vec<&'p Blocked>,
    threads: BTreeSet<u64>,
}

/// Threads queue for a lock that is not the GIL.
pub(super) fn lock_bound(gauge: &Gauge<'_>, _shares: &Shares<'_>) -> Option<Finding> {
    let mut locks = BTreeMap::<u64, Lock<'_>>::new();
    for row in Outside::of(gauge).on_locks {
        let lock = locks.entry(row.lock?).or_insert_with(|| Lock {
            rows: Vec::new(),
            threads: BTreeSet::new(),
        });
        lock.rows.push(row);
        lock.threads.insert(row.thread);
    }
    let queues = locks.into_values().filter(|lock| is_queue(gauge, lock));
    let lock = queues.max_by_key(|lock| weight(&lock.rows))?;
    Some(queue_for(gauge, &lock))
}

/// Whether several wait for it while somebody has it.
fn is_queue(gauge: &Gauge<'_>, lock: &Lock<'_>) -> bool {
    let waited_ns = weight(&lock.rows);
    let count = lock.threads.len() as f64;
    let lives_ns = gauge.sum(|thread| match lock.threads.contains(&thread.id) {
        true => thread.lifetime_ns,
        false => 0,
    });
    let most_ns = lives_ns as f64 * (1.0 - LOCK_OWNER / count);
    let is_idle = lock_line(gauge, lock).is_some_and(|line| is_idle(line.frame));
    let looks = lock.rows.iter().map(|row| row.samples).sum::<u64>();
    count >= 2.0
        && (looks >= LOCK_SEEN || !is_blocking_known(gauge))
        && (gauge.queue() < QUEUE || looks as f64 >= LOCK_LOOKS * count)
        && gauge.share(waited_ns) >= LOCK_QUEUE
        && waited_ns as f64 <= most_ns
        && (!is_idle || library(gauge, lock).is_some())
}

/// The line at which its threads were away for longest.
fn lock_line<'p>(gauge: &Gauge<'p>, lock: &Lock<'_>) -> Option<Heaviest<'p>> {
    gauge.line(gauge.sites(SiteKind::Detached, |id| lock.threads.contains(&id)))
}

/// The library whose lock it is, if it is none of Python's.
fn library<'p>(gauge: &Gauge<'p>, lock: &Lock<'p>) -> Option<&'p Frame> {
    let row = lock.rows.iter().max_by_key(|row| row.weight_ns)?;
    let mut native = gauge.profile.frames_at(&row.native);
    native.find(|frame| {
        let own = ["libc", "libpthread", "ld-", "libpython", "python", "[vdso]"];
        is_named(frame)
            && !frame.file.is_empty()
            && !own.iter().any(|name| frame.file.starts_with(name))
    })
}

fn queue_for(gauge: &Gauge<'_>, lock: &Lock<'_>) -> Finding {
    let waited_ns = weight(&lock.rows);
    let line = lock_line(gauge, lock);
    let whose = match library(gauge, lock) {
        Some(frame) => format!("a lock in {} ({})", frame.file, frame.function),
        None => String::from("a lock of the program"),
    };
    let place = line
        .as_ref()
        .map_or_else(String::new, |line| format!(" at {}", line.frame));
    let samples = lock.rows.iter().map(|row| row.samples).sum();
    let mut evidence = gauge.evidence();
    evidence.push(Evidence::new(
        "waiting for that lock",
        duration(waited_ns),
        format!("by {} threads, outside the GIL", lock.threads.len()),
    ));
    evidence.push(Evidence::new("the lock", whose.clone(), "by who calls it"));
    evidence.extend(line.map(|line| line.evidence("the time outside the GIL")));
    Finding {
        id: FindingId::LockBound,
        sentence: format!(
            "Lock-bound, not the GIL: {:.1} of {} threads at any time wait for {whose}{place}.",
            gauge.share(waited_ns),
            lock.threads.len(),
        ),
        confidence: gauge.sampled(gauge.share(waited_ns) / LOCK_QUEUE, samples),
        evidence,
        advice: Some(String::from(
            "hold that lock for less: keep I/O and computing out of it, or split it; threads \
             that queue for it gain nothing by a free GIL",
        )),
        cost_ns: part_of(waited_ns, 1.0 - gauge.held()),
    }
}

/// Native code runs in parallel, with the GIL released.
pub(super) fn parallel_native(gauge: &Gauge<'_>, _shares: &Shares<'_>) -> Option<Finding> {
    let long = |thread: &Thread| {
        let cpu_ns = thread.detached_cpu_ns.unwrap_or(0);
        // Where it is not counted how often it came back, by how often it was blocked.
        let stretches = match gauge.profile.mode().counts() {
            true => thread.acquisitions,
            false => thread.voluntary_switches.unwrap_or(0),
        };
        match cpu_ns / stretches.max(1) >= STRETCH_NS {
            true => cpu_ns,
            false => 0,
        }
    };
    let parallel_ns = gauge.sum(long);
    let holding_ns = gauge.sum(|thread| thread.holding_cpu_ns.unwrap_or(0));
    let is_queue = gauge.queue() >= QUEUE && ratio(gauge.gil.waiting_ns, parallel_ns) >= QUEUED;
    if gauge.share(parallel_ns) < PARALLEL || parallel_ns < holding_ns || is_queue {
        return None;
    }
    let most = gauge.top(long)?;
    let line = gauge.line(gauge.sites(SiteKind::Detached, |id| id == most.id));
    let place = line
        .as_ref()
        .map_or_else(String::new, |line| format!(", at {}", line.frame));
    let mut evidence = gauge.evidence();
    evidence.push(Evidence::new(
        "on a CPU outside the GIL",
        duration(parallel_ns),
        format!("beside {} with it", duration(holding_ns)),
    ));
    evidence.extend(line.map(|line| line.evidence("the time outside the GIL")));
    Some(Finding {
        id: FindingId::ParallelNative,
        sentence: format!(
            "Not the GIL: native code keeps {:.1} CPUs busy with the GIL released{place}; the \
             GIL is held {} of the time.",
            gauge.share(parallel_ns),
            percent(gauge.held()),
        ),
        confidence: gauge.confidence(gauge.share(parallel_ns) / PARALLEL),
        evidence,
        advice: None,
        cost_ns: 0,
    })
}
