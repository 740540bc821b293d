//! Loom models of what is lock-free. Run by `RUSTFLAGS="--cfg loom" cargo test
//! -p gilprof-region --lib --release models`, in a target directory of its own.

use gilprof_core::{Event, EventKind};
use loom::sync::Arc;
use loom::thread;

use crate::label::Label;
use crate::reading::Reading;
use crate::ring::{Cursor, Entry, Head, Next, Ring};
use crate::spans::{SpanCell, Spans};
use crate::sync::{AtomicU64, Ordering, fence};

/// An event whose two words agree with each other.
fn event(n: u64) -> Event {
    Event {
        time_ns: n,
        thread: n as u32,
        slot: n as u16,
        kind: EventKind::Acquire,
        flags: 0,
    }
}

struct Shared {
    head: Head,
    entries: Vec<Entry>,
}

fn shared(len: usize) -> Arc<Shared> {
    Arc::new(Shared {
        head: Head::new(0),
        entries: (0..len).map(|_| Entry::empty()).collect(),
    })
}

#[test]
fn a_reader_never_sees_half_of_an_event_and_misses_none_uncounted() {
    const EVENTS: u64 = 3;
    loom::model(|| {
        let shared = shared(2);
        let writer = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let ring = Ring::new(&writer.head, &writer.entries);
            (0..EVENTS).for_each(|n| ring.post(event(n + 1)));
        });
        let ring = Ring::new(&shared.head, &shared.entries);
        let mut cursor = Cursor::default();
        let mut passed = 0;
        let mut read = || {
            while let Some(next) = cursor.next(&ring, ring.posted()) {
                match next {
                    Next::Event(found) => {
                        passed += 1;
                        assert_eq!(found, event(passed));
                    }
                    Next::Lost(count) => passed += count,
                }
            }
        };
        read();
        thread.join().unwrap();
        read();
        assert_eq!(passed, EVENTS);
    });
}

/// The planted bug: a writer that publishes before it writes.
#[test]
#[should_panic(expected = "torn")]
fn the_model_finds_a_writer_that_publishes_too_early() {
    loom::model(|| {
        let words = Arc::new((AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)));
        let writer = Arc::clone(&words);
        let thread = thread::spawn(move || {
            writer.2.store(1, Ordering::Release);
            writer.0.store(7, Ordering::Relaxed);
            writer.1.store(7, Ordering::Relaxed);
        });
        if words.2.load(Ordering::Acquire) == 1 {
            let pair = (
                words.0.load(Ordering::Relaxed),
                words.1.load(Ordering::Relaxed),
            );
            assert_eq!(pair, (7, 7), "torn");
        }
        thread.join().unwrap();
    });
}

/// The sequence of a GIL's cell, as `GilCell::enter`, `leave` and `Cut` use it.
struct Books {
    sequence: AtomicU64,
    holding: AtomicU64,
    free: AtomicU64,
}

fn book(books: &Books, n: u64) {
    let sequence = books.sequence.load(Ordering::Relaxed) | 1;
    books.sequence.store(sequence, Ordering::Relaxed);
    fence(Ordering::Release);
    books.holding.store(n, Ordering::Relaxed);
    books.free.store(n, Ordering::Relaxed);
    books.sequence.store(sequence + 1, Ordering::Release);
}

#[test]
fn sums_read_between_two_equal_even_numbers_belong_together() {
    loom::model(|| {
        let books = Arc::new(Books {
            sequence: AtomicU64::new(0),
            holding: AtomicU64::new(0),
            free: AtomicU64::new(0),
        });
        let writer = Arc::clone(&books);
        let thread = thread::spawn(move || {
            book(&writer, 1);
            book(&writer, 2);
        });
        let before = books.sequence.load(Ordering::Acquire);
        let sums = (
            books.holding.load(Ordering::Relaxed),
            books.free.load(Ordering::Relaxed),
        );
        fence(Ordering::Acquire);
        let after = books.sequence.load(Ordering::Relaxed);
        if before == after && before % 2 == 0 {
            assert_eq!(sums.0, sums.1);
        }
        thread.join().unwrap();
    });
}

/// Threads that end push themselves; whoever books takes them all.
#[test]
fn no_ended_thread_is_lost_between_two_that_push_and_one_that_takes() {
    loom::model(|| {
        let inbox = Arc::new((AtomicU64::new(0), [AtomicU64::new(0), AtomicU64::new(0)]));
        let pushers: Vec<_> = (0..2)
            .map(|slot| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || {
                    let pushed =
                        inbox
                            .0
                            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |first| {
                                inbox.1[slot].store(first, Ordering::Relaxed);
                                Some(slot as u64 + 1)
                            });
                    assert!(pushed.is_ok());
                })
            })
            .collect();
        let take = || {
            let mut taken = 0;
            let mut code = inbox.0.swap(0, Ordering::Acquire);
            while let Some(slot) = code.checked_sub(1) {
                taken += 1;
                code = inbox.1[slot as usize].load(Ordering::Relaxed);
            }
            taken
        };
        let first = take();
        pushers
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(first + take(), 2);
    });
}

/// A table of two labels and the others.
struct Labelled {
    keys: [AtomicU64; 2],
    cells: [SpanCell; 3],
}

impl Labelled {
    fn empty() -> Arc<Self> {
        Arc::new(Labelled {
            keys: core::array::from_fn(|_| AtomicU64::new(0)),
            cells: core::array::from_fn(|_| SpanCell::empty()),
        })
    }

    fn spans(&self) -> Spans<'_> {
        Spans::new(&self.keys, &self.cells)
    }

    fn add(&self, label: &str, ns: u64) {
        let spans = self.spans();
        let place = spans.place(&Label::new(label));
        let spent = Reading {
            holding_ns: ns,
            waiting_ns: ns,
            ..Reading::default()
        };
        spans.add(place, 1, &spent);
    }
}

#[test]
fn two_threads_that_look_for_one_label_at_once_find_one_place() {
    loom::model(|| {
        let table = Labelled::empty();
        let other = Arc::clone(&table);
        let thread = thread::spawn(move || other.spans().place(&Label::new("a")));
        let place = table.spans().place(&Label::new("a"));
        assert_eq!(thread.join().unwrap(), place);
        assert_ne!(table.spans().place(&Label::new("b")), place);
    });
}

#[test]
fn two_threads_that_take_places_at_once_take_two() {
    loom::model(|| {
        let table = Labelled::empty();
        let other = Arc::clone(&table);
        let thread = thread::spawn(move || other.spans().place(&Label::new("a")));
        let place = table.spans().place(&Label::new("b"));
        assert_ne!(thread.join().unwrap(), place);
    });
}

#[test]
fn who_reads_while_a_span_is_added_sees_all_of_it_or_nothing() {
    loom::model(|| {
        let table = Labelled::empty();
        table.add("a", 1);
        let writer = Arc::clone(&table);
        let place = table.spans().place(&Label::new("a"));
        let thread = thread::spawn(move || writer.add("a", 2));
        if let Some(row) = table.cells[place.index()].try_whole_row() {
            let whole = (row.spans, row.holding_ns, row.waiting_ns);
            assert!([(1, 1, 1), (2, 3, 3)].contains(&whole), "torn: {whole:?}");
        }
        thread.join().unwrap();
    });
}
