//! The spans that are open, by thread: one within another of its label adds nothing.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use gilprof_probe::{SpanStart, begin_span, end_span, is_recording};
use gilprof_region::Label;

use crate::engine::lock;

/// A span that has begun.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The thread that it has begun in.
    thread: u64,
    generation: u32,
    number: u64,
    /// All that this thread has open. Another thread takes a span from it that it ends.
    all: Arc<Mutex<Open>>,
}

/// The open spans of a thread in the order of their beginnings, in one recording.
#[derive(Debug, Default)]
struct Open {
    last: u64,
    spans: Vec<(u64, SpanStart)>,
}

/// What a thread knows of itself.
struct Own {
    thread: u64,
    generation: u32,
    all: Arc<Mutex<Open>>,
}

impl Own {
    fn new(generation: u32) -> Self {
        static THREADS: AtomicU64 = AtomicU64::new(0);
        Own {
            thread: THREADS.fetch_add(1, Relaxed),
            generation,
            all: Arc::default(),
        }
    }

    /// Another recording begins with nothing, be it in the child of a fork, where a
    /// thread that is not there may hold the lock.
    fn renew(&mut self, generation: u32) {
        if self.generation != generation {
            self.generation = generation;
            self.all = Arc::default();
        }
    }
}

thread_local!(static OWN: RefCell<Option<Own>> = const { RefCell::new(None) });

impl Opened {
    /// A span of the calling thread begins; `None` while nothing is recorded.
    #[inline]
    pub(crate) fn begin(label: &Label) -> Option<Self> {
        let begun = begin_span(label)?;
        // A thread that is ending may have lost what it knew.
        OWN.try_with(|own| {
            let mut own = own.borrow_mut();
            let own = own.get_or_insert_with(|| Own::new(begun.generation));
            own.renew(begun.generation);
            let number = lock(&own.all).push(begun);
            Opened {
                thread: own.thread,
                generation: own.generation,
                number,
                all: Arc::clone(&own.all),
            }
        })
        .ok()
    }

    pub(crate) fn is_of_this_thread(&self) -> bool {
        let own = |own: &RefCell<Option<Own>>| {
            own.borrow()
                .as_ref()
                .is_some_and(|own| own.thread == self.thread)
        };
        OWN.try_with(own).unwrap_or(false)
    }

    /// It is over and counts as so many. Called by the thread that it has begun in.
    pub(crate) fn end(self, spans: u64) {
        if is_recording(self.generation) {
            lock(&self.all).end(self.number, spans);
        }
    }

    /// It is over, and nobody knows what its thread went through.
    pub(crate) fn abandon(self) {
        if is_recording(self.generation) {
            lock(&self.all).remove(self.number);
        }
    }
}

impl Open {
    fn push(&mut self, begun: SpanStart) -> u64 {
        self.last += 1;
        self.spans.push((self.last, begun));
        self.last
    }

    /// The span of this number, and where it stood.
    fn remove(&mut self, number: u64) -> Option<(usize, SpanStart)> {
        let at = self.spans.iter().rposition(|(one, _)| *one == number)?;
        Some((at, self.spans.remove(at).1))
    }

    fn end(&mut self, number: u64, spans: u64) {
        let Some((at, begun)) = self.remove(number) else {
            return;
        };
        let same = |span: &(u64, SpanStart)| span.1.place == begun.place;
        if self.spans.iter().take(at).any(same) {
            return;
        }
        let now = end_span(&begun, spans);
        // One that had begun within it goes on: up to now, its time is counted.
        let next = self.spans.iter_mut().skip(at).find(|span| same(span));
        if let (Some(now), Some((_, next))) = (now, next) {
            *next = now;
        }
    }
}
