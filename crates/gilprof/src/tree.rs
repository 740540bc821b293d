//! A recording of a process and of all that it and they have started.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gilprof_attach::{Process, Target, Tree};
use gilprof_core::{Profile, ProfileParts};

use crate::ended::EndedProfiles;
use crate::engine::lock;
use crate::error::Error;
use crate::own_thread::OwnThread;
use crate::source::Source;

/// How often the tree is looked at. A process is recorded from its second look on: one that
/// has just been forked may be about to become another program.
const LOOK: Duration = Duration::from_millis(100);

/// Of so many processes it is told why they are not recorded.
const TOLD: usize = 8;

/// Begins to record one process.
type Begin = dyn Fn(u32) -> Result<Box<dyn Source>, Error> + Send;

/// A recording of a process and of all that it and they have started, those that start later
/// among them. Processes without a Python in them are passed over.
///
/// ```no_run
/// use gilprof::{Attachment, Options, ProcessTree, Source};
///
/// let exact = |pid| Ok(Box::new(Attachment::to(pid, Options::default())?) as Box<dyn Source>);
/// let tree = ProcessTree::of(4242, exact)?;
/// std::thread::sleep(std::time::Duration::from_secs(10));
/// for process in tree.stop()?.processes() {
///     println!("{} {}", process.pid, process.program);
/// }
/// # Ok::<(), gilprof::Error>(())
/// ```
#[derive(Debug)]
pub struct ProcessTree {
    members: Arc<Mutex<Members>>,
    stopped: Arc<AtomicBool>,
    watcher: Option<OwnThread<()>>,
}

impl ProcessTree {
    /// Begins to record the tree below a process; `begin` records one of them. A thread of
    /// this process looks for new ones.
    ///
    /// # Errors
    /// [`Error::is_refused`] with the reason where none of the processes there are can be
    /// recorded, [`Error::is_option`] where `begin` says so.
    pub fn of(
        root: u32,
        begin: impl Fn(u32) -> Result<Box<dyn Source>, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let mut watch = Watch {
            tree: Tree::of(root),
            fresh: Vec::new(),
            begin: Box::new(begin),
            members: Arc::default(),
        };
        watch.look();
        let first = watch.attach();
        let members = Arc::clone(&watch.members);
        if lock(&members).running.is_empty() {
            return Err(first.unwrap_or_else(|| nobody(root)));
        }
        let stopped = Arc::new(AtomicBool::new(false));
        let watcher = {
            let stopped = Arc::clone(&stopped);
            OwnThread::spawn("gilprof-tree", move || watch.go_on(&stopped))
        };
        let watcher = watcher.map_err(|source| Error::Os {
            what: "start the thread that looks for processes".into(),
            source,
        })?;
        Ok(ProcessTree {
            members,
            stopped,
            watcher: Some(watcher),
        })
    }

    /// Whether all the processes have ended.
    pub fn has_ended(&self) -> bool {
        lock(&self.members).is_over
    }

    /// The profile of all the processes from the start to now; none is stopped.
    pub fn snapshot(&self) -> Profile {
        lock(&self.members).snapshot()
    }

    /// Ends the recording and gives the profile of all of it, with a row for each process.
    ///
    /// # Errors
    /// [`Error::is_refused`] where the hooks could be taken out of none of the processes.
    pub fn stop(mut self) -> Result<Profile, Error> {
        self.end_watcher();
        lock(&self.members).stop()
    }

    fn end_watcher(&mut self) {
        self.stopped.store(true, SeqCst);
        if let Some(watcher) = self.watcher.take() {
            watcher.unpark();
            watcher.join();
        }
    }
}

impl Drop for ProcessTree {
    fn drop(&mut self) {
        self.end_watcher();
    }
}

fn nobody(root: u32) -> Error {
    gilprof_attach::Error::Refused(format!(
        "neither process {root} nor one that it has started has a Python in it"
    ))
    .into()
}

/// Looks for processes that come and go.
struct Watch {
    tree: Tree,
    /// Those that were not there at the look before.
    fresh: Vec<Process>,
    begin: Box<Begin>,
    members: Arc<Mutex<Members>>,
}

impl Watch {
    fn go_on(mut self, stopped: &AtomicBool) {
        while !stopped.load(SeqCst) {
            std::thread::park_timeout(LOOK);
            let due = std::mem::take(&mut self.fresh);
            self.look();
            let gone = |process: &Process| !process.is_the_same();
            self.fresh.retain(|process| !gone(process));
            for process in due.iter().filter(|process| !gone(process)) {
                if stopped.load(SeqCst) {
                    return;
                }
                self.record(process);
            }
        }
    }

    /// What has changed since the look before.
    fn look(&mut self) {
        // What cannot be listed now is found at the next look.
        let Ok(changes) = self.tree.look() else {
            return;
        };
        let mut members = lock(&self.members);
        for process in &changes.ended {
            members.end(process.pid());
        }
        self.fresh.extend(changes.started);
        members.is_over = members.running.is_empty() && self.tree.is_empty();
    }

    /// Records all that are there at the start; gives back the first reason why one cannot
    /// be.
    fn attach(&mut self) -> Option<Error> {
        let all = std::mem::take(&mut self.fresh);
        let refused = all.iter().filter_map(|process| self.record(process));
        refused.collect::<Vec<Error>>().into_iter().next()
    }

    fn record(&self, process: &Process) -> Option<Error> {
        let pid = process.pid();
        let is_python = Target::of(pid).is_ok_and(|target| target.is_python());
        if !is_python {
            return None;
        }
        // This takes a while: nobody is to wait for it.
        match (self.begin)(pid) {
            Ok(source) => {
                lock(&self.members).running.insert(pid, source);
                None
            }
            Err(error) => {
                // One that has ended meanwhile is no loss.
                if process.is_the_same() {
                    lock(&self.members).refuse(process, &error);
                }
                Some(error)
            }
        }
    }
}

/// The processes of the tree that are recorded, and what is known of the others.
#[derive(Debug, Default)]
struct Members {
    running: BTreeMap<u32, Box<dyn Source>>,
    ended: EndedProfiles,
    notes: Vec<String>,
    /// Of how many more there is no note.
    untold: usize,
    is_over: bool,
}

impl Members {
    fn end(&mut self, pid: u32) {
        if let Some(source) = self.running.remove(&pid) {
            self.settle(pid, source);
        }
    }

    fn settle(&mut self, pid: u32, source: Box<dyn Source>) -> Option<Error> {
        match source.stop() {
            Ok(profile) => {
                self.ended.add(profile);
                None
            }
            Err(error) => {
                self.note(format!("what process {pid} did is lost: {error}"));
                Some(error)
            }
        }
    }

    fn refuse(&mut self, process: &Process, error: &Error) {
        let name = process.name();
        self.note(format!(
            "process {} ({name}) was not recorded: {error}",
            process.pid()
        ));
    }

    fn note(&mut self, note: String) {
        match self.notes.len() {
            ..TOLD => self.notes.push(note),
            _ => self.untold += 1,
        }
    }

    fn snapshot(&self) -> Profile {
        let running = self.running.values().map(|source| source.snapshot());
        let all = self.ended.merged_with(running);
        self.noted(all.unwrap_or_else(|| Profile::assemble(ProfileParts::default())))
    }

    fn stop(&mut self) -> Result<Profile, Error> {
        let running = std::mem::take(&mut self.running).into_iter();
        let failed: Vec<Error> = running
            .filter_map(|(pid, source)| self.settle(pid, source))
            .collect();
        match (self.ended.merged_with([]), failed.into_iter().next()) {
            (None, Some(error)) => Err(error),
            (None, None) => Ok(self.snapshot()),
            (Some(profile), _) => Ok(self.noted(profile)),
        }
    }

    fn noted(&self, profile: Profile) -> Profile {
        let mut parts = profile.into_parts();
        parts.notes.extend(self.notes.iter().cloned());
        if self.untold > 0 {
            parts
                .notes
                .push(format!("{} more processes were not recorded", self.untold));
        }
        Profile::assemble(parts)
    }
}
