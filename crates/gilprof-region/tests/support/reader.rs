//! All that a reader does with a region: for the tests and the fuzz target.

use gilprof_region::{Clock, Cursor, Cut, LABEL_BYTES, Region};

/// Reads everything there is. Whatever the bytes are, it must end.
pub(crate) fn read_all(region: &Region) {
    let cut = Cut::take(region, &Clock::monotonic(), Some(1_000));
    for (gil, &posted) in (0..).zip(&cut.posted) {
        if let Some(ring) = region.ring(gil) {
            let mut cursor = Cursor::default();
            // More than any ring of the tests holds.
            (0..4_096).find(|_| cursor.next(&ring, posted).is_none());
        }
    }
    for row in region.spans() {
        assert!(row.label.len() <= LABEL_BYTES && !row.label.is_empty());
    }
    let _ = (region.recording(), region.refusal(), region.phase());
}
