//! Spans: what happened while threads did something that has a label, summed by label.
//!
//! A label has a place in a table of a fixed size. It is found by its key and linear
//! probing, and taken by a compare-exchange of the key, so threads find and take places at
//! once and none of them waits for another. What finds no place counts for the last one.

use std::collections::BTreeMap;

use gilprof_core::SpanRow;

use crate::label::{Label, OTHERS, text_of};
use crate::reading::Reading;
use crate::region::Region;
use crate::sync::{AtomicU32, AtomicU64, Ordering, Ordering::Relaxed, fence};

/// How many labels have a place, the last of which is that of all others.
pub const LABELS: usize = 256;

/// Where the sums of a label are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanPlace(u16);

impl SpanPlace {
    pub(crate) fn index(self) -> usize {
        self.0.into()
    }
}

/// Labels and their sums, in place. All zero is empty.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct SpanTable {
    keys: [AtomicU64; LABELS - 1],
    cells: [SpanCell; LABELS],
}

/// The same, of any size. There is a cell more than there are keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spans<'t> {
    keys: &'t [AtomicU64],
    cells: &'t [SpanCell],
}

/// One label and its sums.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct SpanCell {
    /// The words of its label, the last of them with [`WRITTEN`] once they are there.
    label: [AtomicU64; 8],
    /// How many have begun to add to the sums, and how many are done with it.
    begun: AtomicU32,
    done: AtomicU32,
    spans: AtomicU64,
    holding_ns: AtomicU64,
    waiting_ns: AtomicU64,
    detached_ns: AtomicU64,
    caused_ns: AtomicU64,
    acquisitions: AtomicU64,
    waits: AtomicU64,
}

/// In the byte of the last word that no label reaches.
const WRITTEN: u64 = 1 << 63;

impl SpanTable {
    fn spans(&self) -> Spans<'_> {
        Spans::new(&self.keys, &self.cells)
    }
}

impl<'t> Spans<'t> {
    pub(crate) fn new(keys: &'t [AtomicU64], cells: &'t [SpanCell]) -> Self {
        Spans { keys, cells }
    }

    /// The place of the label; a new one where it has none yet.
    // Must not allocate.
    pub(crate) fn place(&self, label: &Label) -> SpanPlace {
        let last = self.keys.len();
        let found = match label.is_others() {
            true => None,
            false => {
                let first = label.key() as usize % last;
                let mut places = (first..last).chain(0..first);
                places.find(|&place| self.is_of(place, label))
            }
        };
        SpanPlace(found.unwrap_or(last) as u16)
    }

    /// Whether the place is that of the label, which it becomes if it was free.
    fn is_of(&self, place: usize, label: &Label) -> bool {
        let (Some(key), Some(cell)) = (self.keys.get(place), self.cells.get(place)) else {
            return false;
        };
        let mut taken = key.load(Relaxed);
        if taken == 0 {
            match key.compare_exchange(0, label.key(), Relaxed, Relaxed) {
                Ok(_) => {
                    cell.name(label);
                    return true;
                }
                Err(other) => taken = other,
            }
        }
        taken == label.key() && cell.may_be(label)
    }

    /// Adds what happened in a span.
    // Must not allocate.
    pub(crate) fn add(&self, place: SpanPlace, spans: u64, spent: &Reading) {
        if let Some(cell) = self.cells.get(place.index()) {
            cell.add(spans, spent);
        }
    }

    /// A row a label.
    pub(crate) fn rows(&self) -> Vec<SpanRow> {
        let mut rows: BTreeMap<String, SpanRow> = BTreeMap::new();
        // The pages of places that were never taken are not touched.
        let taken = self.keys.iter().map(|key| key.load(Relaxed) != 0);
        let cells = taken.chain([true]).zip(self.cells);
        for (_, cell) in cells.filter(|(taken, _)| *taken) {
            let row = cell.row();
            if row.spans == 0 && row.wall_ns == 0 {
                continue;
            }
            match rows.get_mut(&row.label) {
                Some(sum) => sum.add(&row),
                None => {
                    rows.insert(row.label.clone(), row);
                }
            }
        }
        rows.into_values().collect()
    }
}

impl SpanCell {
    fn name(&self, label: &Label) {
        let [rest @ .., last] = &self.label;
        let words = label.words();
        for (place, word) in rest.iter().zip(words) {
            place.store(word, Relaxed);
        }
        // Pairs with the acquire load in `words`.
        last.store(words[7] | WRITTEN, Ordering::Release);
    }

    /// Whether a cell with the key of this label is its own. While its label is being
    /// written, which takes some nanoseconds, the key alone tells.
    fn may_be(&self, label: &Label) -> bool {
        self.words().is_none_or(|words| words == label.words())
    }

    /// The words of the label; `None` before they are written.
    fn words(&self) -> Option<[u64; 8]> {
        // Pairs with the release store in `name`.
        let last = self.label[7].load(Ordering::Acquire);
        (last & WRITTEN != 0).then(|| {
            core::array::from_fn(|i| match i {
                7 => last & !WRITTEN,
                i => self.label[i].load(Relaxed),
            })
        })
    }

    // Must not allocate.
    fn add(&self, spans: u64, spent: &Reading) {
        self.begun.fetch_add(1, Relaxed);
        // Pairs with the acquire fence in `row`: whoever sees a sum that is added to from
        // here on also sees that it was begun.
        fence(Ordering::Release);
        let sums = [
            (&self.spans, spans),
            (&self.holding_ns, spent.holding_ns),
            (&self.waiting_ns, spent.waiting_ns),
            (&self.detached_ns, spent.detached_ns),
            (&self.caused_ns, spent.caused_ns),
            (&self.acquisitions, spent.acquisitions),
            (&self.waits, spent.waits),
        ];
        for (sum, more) in sums {
            if more != 0 {
                sum.fetch_add(more, Relaxed);
            }
        }
        // Pairs with the acquire load in `row`.
        self.done.fetch_add(1, Ordering::Release);
    }

    /// Retried while spans end; the last try is taken as it is.
    fn row(&self) -> SpanRow {
        const TRIES: usize = 1_000;
        let whole = (0..TRIES).find_map(|_| self.try_whole_row());
        let row = whole.unwrap_or_else(|| self.any_row());
        SpanRow {
            label: self.text(),
            ..row
        }
    }

    /// The sums without a label; `None` where a span has ended meanwhile.
    pub(crate) fn try_whole_row(&self) -> Option<SpanRow> {
        // Pairs with the release in `add`.
        let done = self.done.load(Ordering::Acquire);
        let row = self.any_row();
        // Pairs with the release fence in `add`.
        fence(Ordering::Acquire);
        (self.begun.load(Relaxed) == done).then_some(row)
    }

    fn any_row(&self) -> SpanRow {
        let states = [&self.holding_ns, &self.waiting_ns, &self.detached_ns];
        let [holding_ns, waiting_ns, detached_ns] = states.map(|sum| sum.load(Relaxed));
        SpanRow {
            label: String::new(),
            spans: self.spans.load(Relaxed),
            // A thread is in exactly one state at any time.
            wall_ns: holding_ns
                .saturating_add(waiting_ns)
                .saturating_add(detached_ns),
            holding_ns,
            waiting_ns,
            detached_ns,
            caused_ns: self.caused_ns.load(Relaxed),
            acquisitions: self.acquisitions.load(Relaxed),
            waits: self.waits.load(Relaxed),
        }
    }

    /// The label; that of all others where it is not written, or is no text.
    fn text(&self) -> String {
        let text = self.words().and_then(text_of);
        text.unwrap_or_else(|| OTHERS.into())
    }
}

impl Region {
    /// The place of the label; a new one where it has none yet, or that of all others
    /// where there is none left.
    // Must not allocate.
    pub fn span_place(&self, label: &Label) -> SpanPlace {
        self.span_table().spans().place(label)
    }

    /// Adds what happened in so many spans, or in a part of one where that is none, to
    /// the sums of their label.
    // Must not allocate.
    pub fn add_spans(&self, place: SpanPlace, spans: u64, spent: &Reading) {
        self.span_table().spans().add(place, spans, spent);
    }

    /// What happened in spans, a row a label. Spans that have not ended are in no row.
    pub fn spans(&self) -> Vec<SpanRow> {
        self.span_table().spans().rows()
    }
}

#[cfg(all(test, loom))]
impl SpanCell {
    pub(crate) fn empty() -> Self {
        let zero = || AtomicU64::new(0);
        SpanCell {
            label: core::array::from_fn(|_| zero()),
            begun: AtomicU32::new(0),
            done: AtomicU32::new(0),
            spans: zero(),
            holding_ns: zero(),
            waiting_ns: zero(),
            detached_ns: zero(),
            caused_ns: zero(),
            acquisitions: zero(),
            waits: zero(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::region::Sizes;

    fn spent(holding_ns: u64) -> Reading {
        Reading {
            at_ns: holding_ns + 3,
            holding_ns,
            waiting_ns: 2,
            detached_ns: 1,
            caused_ns: 7,
            acquisitions: 1,
            waits: 1,
        }
    }

    fn region() -> Region {
        let sizes = Sizes::new(1, 1 << 10).expect("small sizes are allowed");
        Region::private(sizes).expect("a region can be made")
    }

    fn add(region: &Region, text: &str, holding_ns: u64) {
        let place = region.span_place(&Label::new(text));
        region.add_spans(place, 1, &spent(holding_ns));
    }

    fn counts(region: &Region) -> Vec<(String, u64)> {
        let rows = region.spans().into_iter();
        rows.map(|row| (row.label, row.spans)).collect()
    }

    #[test]
    fn sums_are_those_of_the_label() {
        let region = region();
        add(&region, "load", 100);
        add(&region, "save", 10);
        add(&region, "load", 50);
        let rows = region.spans();
        assert_eq!(rows.len(), 2);
        let expected = SpanRow {
            label: "load".into(),
            spans: 2,
            wall_ns: 156,
            holding_ns: 150,
            waiting_ns: 4,
            detached_ns: 2,
            caused_ns: 14,
            acquisitions: 2,
            waits: 2,
        };
        assert_eq!(rows[0], expected);
        assert_eq!(rows[1].label, "save");
    }

    #[test]
    fn a_label_that_nothing_has_ended_in_has_no_row() {
        let region = region();
        region.span_place(&Label::new("open"));
        assert!(counts(&region).is_empty());
    }

    #[test]
    fn labels_that_find_no_place_are_summed_as_others() {
        let region = region();
        let texts: Vec<String> = (0..LABELS + 44).map(|n| format!("label {n:03}")).collect();
        texts.iter().for_each(|text| add(&region, text, 1));
        let counts = counts(&region);
        assert_eq!(counts.len(), LABELS);
        assert_eq!(counts[0], (OTHERS.into(), 45));
        assert!(counts[1..].iter().all(|(_, spans)| *spans == 1));
        // Those that have a place keep it.
        texts[..LABELS - 1]
            .iter()
            .for_each(|text| add(&region, text, 1));
        assert_eq!(self::counts(&region)[0], (OTHERS.into(), 45));
    }

    #[test]
    fn two_labels_with_one_key_have_two_places() {
        let region = region();
        let label = Label::new("mine");
        let table = region.span_table();
        let first = label.key() as usize % (LABELS - 1);
        table.keys[first].store(label.key(), Relaxed);
        table.cells[first].name(&Label::new("other"));
        let place = region.span_place(&label);
        assert_ne!(place.index(), first);
        assert_eq!(region.span_place(&label), place);
    }

    #[test]
    fn threads_that_take_the_same_labels_at_once_lose_none() {
        const ROUNDS: u64 = 200;
        let region = region();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..ROUNDS {
                        (0..40).for_each(|n| add(&region, &format!("label {n}"), 1));
                    }
                });
            }
        });
        let counts = counts(&region);
        assert_eq!(counts.len(), 40);
        assert!(
            counts.iter().all(|(_, spans)| *spans == 4 * ROUNDS),
            "{counts:?}"
        );
    }

    #[test]
    fn a_thread_that_was_killed_while_it_added_keeps_no_reader_for_ever() {
        let region = region();
        add(&region, "load", 100);
        let place = region.span_place(&Label::new("load"));
        let cell = &region.span_table().cells[place.index()];
        cell.begun.fetch_add(1, Relaxed);
        cell.holding_ns.fetch_add(5, Relaxed);
        let row = &region.spans()[0];
        assert_eq!((row.spans, row.wall_ns), (1, 108));
    }

    #[test]
    fn what_another_process_wrote_and_is_no_label_counts_for_the_others() {
        let region = region();
        add(&region, "load", 1);
        let place = region.span_place(&Label::new("load"));
        let cell = &region.span_table().cells[place.index()];
        cell.label[0].store(u64::MAX, Relaxed);
        assert_eq!(counts(&region), [(OTHERS.into(), 1)]);
    }
}
