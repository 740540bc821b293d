//! A ring of events: one writer that never waits, any number of readers.
//!
//! The writer overwrites the oldest event when the ring is full. Each reader
//! keeps its own position, so it can be in another process with a read-only
//! view, can die at any moment, and knows exactly how many events it missed.
//! It copies many events before it looks at where the writer is: that is in the
//! writer's hottest cache line, which each look takes from it.
//!
//! The protocol is a sequence lock with the head as its sequence: H.-J. Boehm,
//! "Can seqlocks get along with programming language memory models?" (MSPC 2012).

use gilprof_core::Event;

use crate::sync::{AtomicU64, Ordering, fence};

/// Where the next event goes: counts every event ever posted to the ring.
pub(crate) type Head = AtomicU64;

/// How many events a reader copies at once.
const BATCH: usize = if cfg!(loom) { 2 } else { 64 };

/// One event as it lies in the ring.
#[derive(Debug)]
#[repr(C)]
pub struct Entry([AtomicU64; 2]);

impl Entry {
    #[cfg(any(test, loom))]
    pub(crate) fn empty() -> Self {
        Entry([AtomicU64::new(0), AtomicU64::new(0)])
    }
}

/// A ring in place: its head and its entries, whose number is a power of two.
#[derive(Clone, Copy, Debug)]
pub struct Ring<'a> {
    head: &'a Head,
    entries: &'a [Entry],
}

impl<'a> Ring<'a> {
    pub(crate) fn new(head: &'a Head, entries: &'a [Entry]) -> Self {
        debug_assert!(entries.len().is_power_of_two());
        Ring { head, entries }
    }

    /// How many events were ever posted.
    pub fn posted(&self) -> u64 {
        // Pairs with the release store in `post`.
        self.head.load(Ordering::Acquire)
    }

    /// Where the event with this number lies; always there, since the number
    /// of entries is a power of two.
    #[inline(always)]
    fn entry(&self, position: u64) -> Option<&Entry> {
        let mask = self.entries.len().wrapping_sub(1);
        self.entries.get(position as usize & mask)
    }

    /// Appends an event. One writer at a time: the caller holds the GIL's mutex.
    // Must not allocate.
    #[inline(always)]
    pub(crate) fn post(&self, event: Event) {
        let position = self.head.load(Ordering::Relaxed);
        // Whoever sees one of the words below also sees the head of the last
        // post; pairs with the acquire fence in `copy`.
        fence(Ordering::Release);
        let words = event.to_words();
        if let Some(entry) = self.entry(position) {
            entry.0[0].store(words[0], Ordering::Relaxed);
            entry.0[1].store(words[1], Ordering::Relaxed);
        }
        // Pairs with the acquire load in `posted`.
        self.head.store(position + 1, Ordering::Release);
    }

    /// Copies the words from `position` on; false if they may be overwritten.
    fn copy(&self, position: u64, into: &mut [[u64; 2]]) -> bool {
        for (at, words) in (position..).zip(into) {
            if let Some(entry) = self.entry(at) {
                *words = [
                    entry.0[0].load(Ordering::Relaxed),
                    entry.0[1].load(Ordering::Relaxed),
                ];
            }
        }
        // Pairs with the release fence in `post`.
        fence(Ordering::Acquire);
        let head = self.head.load(Ordering::Relaxed);
        // The entry at `head` is being written now: it overwrites `head - len`.
        position + self.entries.len() as u64 > head
    }
}

/// A reader's place in a ring.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    position: u64,
    /// The events from `position` on that are copied already end here.
    copied_until: u64,
    /// The last copied ones, as many as there are, at the end.
    copied: [[u64; 2]; BATCH],
}

impl Default for Cursor {
    fn default() -> Self {
        Cursor::at(0)
    }
}

/// What [`Cursor::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next event.
    Event(Event),
    /// This many events were overwritten before they were read, or are not
    /// events at all (a corrupt ring).
    Lost(u64),
}

impl Cursor {
    /// A place in a ring by the number of events before it.
    pub fn at(position: u64) -> Self {
        Cursor {
            position,
            copied_until: position,
            copied: [[0; 2]; BATCH],
        }
    }

    /// How many events the reader has passed, read or lost.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next event before `limit`, or how many of them are lost; `None` at
    /// the limit. `limit` comes from [`Ring::posted`].
    #[inline]
    pub fn next(&mut self, ring: &Ring<'_>, limit: u64) -> Option<Next> {
        if self.position >= limit {
            return None;
        }
        if self.position == self.copied_until && !self.copy(ring, limit) {
            return Some(Next::Lost(self.skip(ring)));
        }
        let left = (self.copied_until - self.position) as usize;
        let words = self.copied.get(BATCH.wrapping_sub(left))?;
        self.position += 1;
        Some(Event::from_words(*words).map_or(Next::Lost(1), Next::Event))
    }

    /// Copies the next events; false if they are lost.
    fn copy(&mut self, ring: &Ring<'_>, limit: u64) -> bool {
        let wanted = limit - self.position;
        let count = wanted.min(ring.entries.len() as u64).min(BATCH as u64);
        let is_whole = match self.copied.get_mut(BATCH - count as usize..) {
            Some(into) => ring.copy(self.position, into),
            None => false,
        };
        if is_whole {
            self.copied_until = self.position + count;
        }
        is_whole
    }

    /// Jumps to where at least half of the ring is left before the writer
    /// comes round again; says how many events that passes over.
    fn skip(&mut self, ring: &Ring<'_>) -> u64 {
        let half = ring.entries.len() as u64 / 2;
        let target = ring.posted().saturating_sub(half).max(self.position + 1);
        let lost = target - self.position;
        *self = Cursor::at(target);
        lost
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use gilprof_core::EventKind;

    use super::*;

    fn event(n: u64) -> Event {
        Event {
            time_ns: n,
            thread: n as u32,
            slot: 0,
            kind: EventKind::Acquire,
            flags: 0,
        }
    }

    fn entries(n: usize) -> Vec<Entry> {
        (0..n).map(|_| Entry::empty()).collect()
    }

    #[test]
    fn a_reader_that_keeps_up_sees_every_event_in_order() {
        let (head, entries) = (Head::new(0), entries(4));
        let ring = Ring::new(&head, &entries);
        let mut cursor = Cursor::default();
        for n in 0..100 {
            ring.post(event(n));
            assert_eq!(
                cursor.next(&ring, ring.posted()),
                Some(Next::Event(event(n)))
            );
        }
        assert_eq!(cursor.next(&ring, ring.posted()), None);
    }

    #[test]
    fn events_read_and_events_lost_add_up_to_events_posted() {
        let (head, entries) = (Head::new(0), entries(8));
        let ring = Ring::new(&head, &entries);
        let mut cursor = Cursor::default();
        (0..21).for_each(|n| ring.post(event(n)));
        let (mut read, mut lost) = (0, 0);
        while let Some(next) = cursor.next(&ring, ring.posted()) {
            match next {
                Next::Event(_) => read += 1,
                Next::Lost(n) => lost += n,
            }
        }
        assert_eq!(read + lost, 21);
        assert!(read > 0 && lost > 0);
    }
}
