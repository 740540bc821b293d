//! The latest events of a recording, and the single holds and waits they tell.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::event::{Event, EventKind};
use crate::hold::Hold;
use crate::ledger::Ledger;
use crate::wait::Wait;

/// How many events share one piece of memory.
const CHUNK: usize = 4_096;

/// The latest events of a recording, as many as there is room for: older ones are
/// forgotten, and counted. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// The most events that are kept.
    room: usize,
    /// How many events there was no more room for.
    forgotten: u64,
    /// Of all GILs, the oldest first; of one GIL, in the order of its events.
    chunks: VecDeque<Arc<Chunk>>,
}

/// Events of one GIL, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Chunk {
    gil: u32,
    /// How many events were lost right before its first.
    lost: u64,
    events: Vec<Event>,
}

/// What happened to a GIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// An event.
    Event(Event),
    /// So many events were lost here.
    Lost(u64),
}

impl Timeline {
    /// Room for as many events as so many bytes hold.
    pub fn with_room(bytes: u64) -> Self {
        Self {
            room: (bytes as usize / size_of::<Event>()).max(CHUNK),
            ..Self::default()
        }
    }

    /// Adds the next event of a GIL.
    pub fn push(&mut self, gil: u32, event: Event) {
        let latest = self.chunks.back_mut();
        let open = latest.filter(|chunk| chunk.gil == gil && chunk.events.len() < CHUNK);
        match open {
            Some(chunk) => Arc::make_mut(chunk).events.push(event),
            None => self.open(gil, 0, vec![event]),
        }
    }

    /// Notes that events of a GIL were lost here.
    pub fn lost(&mut self, gil: u32, count: u64) {
        self.open(gil, count, Vec::new());
    }

    fn open(&mut self, gil: u32, lost: u64, events: Vec<Event>) {
        self.chunks.push_back(Arc::new(Chunk { gil, lost, events }));
        // A piece is never quite full: it counts as if it were.
        while self.chunks.len() > 1 && self.taken() > self.room {
            let oldest = self.chunks.pop_front();
            self.forgotten += oldest.map_or(0, |chunk| chunk.events.len() as u64);
        }
    }

    /// Events that what is kept takes the room of.
    fn taken(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    /// How many events are kept.
    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.events.len()).sum()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many events were forgotten: older ones that there was no more room for.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// What happened to which GIL: of each in the order in which it happened.
    pub fn moments(&self) -> impl Iterator<Item = (u32, Moment)> + '_ {
        self.chunks.iter().flat_map(|chunk| {
            let lost = (chunk.lost > 0).then_some(Moment::Lost(chunk.lost));
            let events = chunk.events.iter().copied().map(Moment::Event);
            let moments = lost.into_iter().chain(events);
            moments.map(|moment| (chunk.gil, moment))
        })
    }

    /// The holds and the waits whose begin and end are among the events, each by GIL
    /// and end.
    pub fn spans(&self) -> (Vec<Hold>, Vec<Wait>) {
        let mut ledgers: BTreeMap<u32, Ledger> = BTreeMap::new();
        for (gil, moment) in self.moments() {
            let ledger = ledgers.entry(gil).or_insert_with(|| Ledger::listing(gil));
            match moment {
                Moment::Event(event) => ledger.apply(event),
                Moment::Lost(count) => ledger.lost(count),
            }
        }
        let (mut holds, mut waits) = (Vec::new(), Vec::new());
        for spans in ledgers.into_values().map(Ledger::into_spans) {
            holds.extend(spans.holds);
            waits.extend(spans.waits);
        }
        (holds, waits)
    }

    /// Which row each thread went to that has ended and is folded into that of a group.
    pub fn folded(&self) -> BTreeMap<u64, u64> {
        let folds = self.moments().filter_map(|(_, moment)| match moment {
            Moment::Event(event) if event.kind == EventKind::Fold => {
                Some((event.thread.into(), event.time_ns))
            }
            _ => None,
        });
        folds.collect()
    }

    /// The events from `from_ns` on, and of those that were forgotten what `earlier`, a
    /// former state, had not seen.
    pub(crate) fn since(mut self, earlier: &Self, from_ns: u64) -> Self {
        let seen = earlier.forgotten + earlier.len() as u64;
        self.forgotten = self.forgotten.saturating_sub(seen);
        for chunk in &mut self.chunks {
            let begin = chunk.events.iter().position(|event| {
                // The others bear a duration or a number in place of a time.
                let timed = !matches!(event.kind, EventKind::SwitchWait | EventKind::Fold);
                timed && event.time_ns >= from_ns
            });
            let begin = begin.unwrap_or(chunk.events.len());
            if begin > 0 {
                let chunk = Arc::make_mut(chunk);
                chunk.events.drain(..begin);
                chunk.lost = 0;
            }
        }
        self.chunks.retain(|chunk| !chunk.events.is_empty());
        self
    }
}

#[cfg(test)]
mod tests;
