//! The rows of a profile as Python objects.

use std::collections::HashMap;

use gilprof::core;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error::damaged;
use crate::rows::{Blame, Gil, Hold, SpanRow, Thread};
use crate::site::{Blocked, Frame, Site};

/// The rows as Python objects, made when the first of them is asked for.
pub(crate) struct Tables {
    pub(crate) threads: Py<PyTuple>,
    pub(crate) gils: Py<PyTuple>,
    pub(crate) blame: Py<PyTuple>,
    pub(crate) holds: Py<PyTuple>,
    pub(crate) spans: Py<PyTuple>,
    by_id: HashMap<u64, Py<Thread>>,
    frames: Vec<Py<Frame>>,
}

impl Tables {
    pub(crate) fn new(py: Python<'_>, profile: &core::Profile) -> PyResult<Self> {
        let counts = profile.mode().counts();
        let counted = |count: u64| counts.then_some(count);
        let threads = profile.threads().iter();
        let threads = threads.map(|row| Thread::new(py, row, counts));
        let threads: Vec<Py<Thread>> = threads.collect::<PyResult<_>>()?;
        let by_id = threads.iter().map(|t| (t.get().id, t.clone_ref(py)));
        let by_id: HashMap<u64, Py<Thread>> = by_id.collect();
        let thread = |id| known_thread(py, &by_id, id);
        let blame = profile.blame().iter().map(|row| {
            Ok(Blame {
                waiter: thread(row.waiter)?,
                holder: thread(row.holder)?,
                gil: row.gil,
                waiting_ns: row.waiting_ns,
                waits: counted(row.waits),
                longest_ns: counted(row.longest_ns),
            })
        });
        let holds = profile.holds().iter().map(|row| {
            Ok(Hold {
                thread: thread(row.thread)?,
                gil: row.gil,
                start_ns: row.start_ns,
                duration_ns: row.duration_ns,
                waiters_start: row.waiters_start,
                waiters_max: row.waiters_max,
                waiter_time_ns: row.waiter_time_ns,
                contended_ns: row.contended_ns,
                requested: row.requested,
            })
        });
        let spans = profile.spans().iter().map(|row| Ok(SpanRow::from(row)));
        let gils = profile.gils().iter().map(|row| Gil::new(py, row, counts));
        let frames = profile.frames().iter();
        let frames = frames.map(|frame| Py::new(py, Frame::from(frame)));
        Ok(Tables {
            blame: tuple(py, blame)?,
            holds: tuple(py, holds)?,
            spans: tuple(py, spans)?,
            gils: tuple(py, gils)?,
            threads: tuple(py, threads.iter().map(|thread| Ok(thread.clone_ref(py))))?,
            by_id,
            frames: frames.collect::<PyResult<_>>()?,
        })
    }

    pub(crate) fn thread(&self, py: Python<'_>, id: u64) -> PyResult<Py<Thread>> {
        known_thread(py, &self.by_id, id)
    }

    pub(crate) fn site(&self, py: Python<'_>, site: &core::Site) -> PyResult<Site> {
        let thread = known_thread(py, &self.by_id, site.thread)?;
        let stack = self.stack(py, &site.stack)?;
        let native = self.stack(py, &site.native)?;
        Ok(Site::new(site, thread, stack, native))
    }

    pub(crate) fn blocked(&self, py: Python<'_>, row: &core::Blocked) -> PyResult<Blocked> {
        let thread = known_thread(py, &self.by_id, row.thread)?;
        Ok(Blocked::new(row, thread, self.stack(py, &row.native)?))
    }

    fn stack(&self, py: Python<'_>, stack: &[u32]) -> PyResult<Vec<Py<Frame>>> {
        let frame = |&index: &u32| {
            let frame = self.frames.get(index as usize);
            let frame = frame.ok_or_else(|| damaged(format!("no frame has index {index}")));
            frame.map(|frame| frame.clone_ref(py))
        };
        stack.iter().map(frame).collect()
    }
}

fn known_thread(py: Python<'_>, by_id: &HashMap<u64, Py<Thread>>, id: u64) -> PyResult<Py<Thread>> {
    let found = by_id.get(&id);
    let found = found.ok_or_else(|| damaged(format!("no thread has id {id}")));
    found.map(|thread| thread.clone_ref(py))
}

fn tuple<'py, T: IntoPyObject<'py>>(
    py: Python<'py>,
    rows: impl Iterator<Item = PyResult<T>>,
) -> PyResult<Py<PyTuple>> {
    let rows: Vec<T> = rows.collect::<PyResult<_>>()?;
    Ok(PyTuple::new(py, rows)?.unbind())
}
