//! The CPU time that no hook sees: of threads that stay away from the GIL.

use gilprof_core::{CpuReading, CpuSource, Ended, Stretch};
use gilprof_os::Watch;
use gilprof_region::{Cut, Region, Unread};

use crate::numbers::Numbers;

/// A shorter absence is not looked up: a thread's next event tells of it.
const ABSENCE_NS: u64 = 1_000_000;

/// The reason why nothing is known where nobody asked in time.
const TOO_SHORT: &str = "the program ended before it could be looked up";

/// What Linux knows of the threads of a recording.
#[derive(Debug, Default)]
pub(crate) struct OnCpu {
    watch: Option<Watch>,
    numbers: Numbers,
}

impl OnCpu {
    /// Follows the threads that have done nothing since the recording began.
    pub(crate) fn follow(&mut self, region: &Region) {
        let pid = region.recording().pid;
        let watch = self.watch.get_or_insert_with(|| Watch::new(pid));
        let threads = region.untouched().into_iter();
        let here = threads.filter_map(|own| self.numbers.here(pid, own));
        watch.follow(&here.collect::<Vec<u32>>());
    }

    /// Closes the files that following takes, until it goes on.
    pub(crate) fn pause(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.pause();
        }
    }

    pub(crate) fn source(&self) -> CpuSource {
        match &self.watch {
            Some(watch) => watch.source().clone(),
            None => CpuSource::None(TOO_SHORT.into()),
        }
    }

    /// Completes the rows of threads that are away from the GIL.
    pub(crate) fn complete(&mut self, cut: &mut Cut, region: &Region, ended: Ended) {
        // The threads of a process that is no more have left their last readings.
        let lives = matches!(ended, Ended::Running | Ended::Stopped);
        if lives {
            self.follow(region);
        }
        let Some(watch) = &self.watch else {
            return;
        };
        let pid = region.recording().pid;
        for unread in &cut.unread {
            if let Some(row) = cut.threads.get_mut(unread.row)
                && let Some(own) = row.native_id
                && let Some(here) = self.numbers.here(pid, own)
                && let Some(now) = reading(watch, (pid, here), unread, lives)
            {
                row.add_on_cpu_detached(Stretch {
                    holding_ns: unread.holding_ns,
                    detached_ns: unread.detached_ns,
                    counted: now.since(unread.last),
                });
            }
        }
    }
}

fn reading(
    watch: &Watch,
    (pid, native_id): (u32, u32),
    unread: &Unread,
    lives: bool,
) -> Option<CpuReading> {
    if let Some(followed) = watch.reading(native_id) {
        return Some(followed);
    }
    if !lives || unread.detached_ns < ABSENCE_NS {
        return None;
    }
    Some(CpuReading {
        cpu_ns: gilprof_os::cpu_ns(pid, native_id)?,
        ..unread.last
    })
}
