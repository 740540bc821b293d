//! The files in memory that a process's recording of itself may be in.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::process::Process;

/// What such a file is called (`Region::shared`), as the kernel shows it.
const NAME: &str = "/memfd:gilprof (deleted)";

/// Opens, to be read only, each file in memory of gilprof's that a process has open, or the
/// one that started it: `gilprof run` keeps there what it reads. Which is whose, they say.
pub fn memory_files(pid: u32) -> impl Iterator<Item = File> {
    let parent = Process::of(pid).ok().map(|process| process.parent());
    let processes = [Some(pid), parent].into_iter().flatten();
    processes.flat_map(open_files).filter_map(open_if_ours)
}

fn open_files(pid: u32) -> impl Iterator<Item = PathBuf> {
    let listed = fs::read_dir(format!("/proc/{pid}/fd")).ok();
    listed.into_iter().flatten().flatten().map(|one| one.path())
}

fn open_if_ours(path: PathBuf) -> Option<File> {
    let is_ours = fs::read_link(&path).is_ok_and(|target| target.as_os_str() == NAME);
    is_ours.then(|| File::open(path).ok()).flatten()
}
