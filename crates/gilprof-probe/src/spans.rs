//! Spans of the calling thread: what it went through between two moments, added to the
//! sums of a label.

use gilprof_region::{Label, Reading, SpanPlace};

use crate::active::{self, Active};
use crate::current;
use crate::probe::is_running;

/// The calling thread at the begin of a span.
#[derive(Clone, Copy, Debug)]
pub struct SpanStart {
    /// Which recording it belongs to.
    pub generation: u32,
    /// Where the sums of its label are.
    pub place: SpanPlace,
    at_ns: u64,
    /// Its sums; `None` before its first event.
    sums: Option<Reading>,
}

/// Begins a span of the calling thread, in some tens of nanoseconds; `None` while nothing
/// is recorded.
#[inline]
pub fn begin_span(label: &Label) -> Option<SpanStart> {
    // What is counted as a hook at work costs more than that.
    if !is_running() {
        return None;
    }
    active::outside(|active| start(active, active.region.span_place(label)))
}

/// Whether what is recorded now is the recording of this generation.
pub fn is_recording(generation: u32) -> bool {
    active::outside(|active| active.generation == generation) == Some(true)
}

fn start(active: &Active, place: SpanPlace) -> SpanStart {
    let sums = sums(active);
    SpanStart {
        generation: active.generation,
        place,
        at_ns: sums.map_or_else(|| active.clock.now_ns(), |sums| sums.at_ns),
        sums,
    }
}

fn sums(active: &Active) -> Option<Reading> {
    let slot = current::slot(active.generation)?;
    active.region.own_reading(slot, || active.clock.now_ns())
}

/// Adds to the sums of its label what the calling thread went through since it has begun,
/// and counts that as so many spans: none for a part of one. Gives back where one begins
/// that goes on from here. `None`, and nothing is added, where that recording is over, or
/// where the thread is in no row of it.
pub fn end_span(begun: &SpanStart, spans: u64) -> Option<SpanStart> {
    let ended = active::outside(|active| {
        if active.generation != begun.generation {
            return None;
        }
        let now = start(active, begun.place);
        active
            .region
            .add_spans(begun.place, spans, &now.since(begun)?);
        Some(now)
    });
    ended.flatten()
}

impl SpanStart {
    fn since(&self, earlier: &SpanStart) -> Option<Reading> {
        let now = self.sums?;
        let Some(then) = earlier.sums else {
            // It had not wanted the GIL yet: all that it did with it came later.
            let wall_ns = now.at_ns.saturating_sub(earlier.at_ns);
            let wanted_ns = now.holding_ns.saturating_add(now.waiting_ns);
            return Some(Reading {
                at_ns: wall_ns,
                detached_ns: wall_ns.saturating_sub(wanted_ns),
                ..now
            });
        };
        Some(now.since(&then))
    }
}
