//! What was added to the sampled rows of a profile.

use crate::blocked::Blocked;
use crate::frame::{Frame, FrameTable};
use crate::profile::ProfileParts;
use crate::sampled::{Sampled, Sums};
use crate::site::Site;

/// The frames of both profiles, and the sampled rows of the later one less their former
/// state: what had no more weight then is not among them.
#[derive(Debug)]
pub(super) struct Added {
    pub(super) frames: Vec<Frame>,
    pub(super) sites: Vec<Site>,
    pub(super) blocked: Vec<Blocked>,
}

impl Added {
    /// Rows are the same if their stacks have the same frames, whatever their indexes.
    pub(super) fn between(
        later: &mut ProfileParts,
        earlier: &mut ProfileParts,
        row_of: impl Fn(u64) -> u64,
    ) -> Self {
        let mut table = FrameTable::default();
        let now = table.extend(std::mem::take(&mut later.frames));
        let then = table.extend(std::mem::take(&mut earlier.frames));
        Added {
            frames: table.into_frames(),
            sites: less(
                (std::mem::take(&mut later.sites), &now),
                (std::mem::take(&mut earlier.sites), &then),
                &row_of,
            ),
            blocked: less(
                (std::mem::take(&mut later.blocked), &now),
                (std::mem::take(&mut earlier.blocked), &then),
                &row_of,
            ),
        }
    }
}

/// Rows, and the indexes that frames have now.
type Rows<'p, R> = (Vec<R>, &'p [u32]);

fn less<R: Sampled>(
    (later, now): Rows<'_, R>,
    (earlier, then): Rows<'_, R>,
    row_of: impl Fn(u64) -> u64,
) -> Vec<R> {
    let mut sums = Sums::new();
    for row in later {
        sums.add(row.renumbered(now));
    }
    for row in earlier {
        sums.subtract(row.renumbered(then).of_thread(&row_of));
    }
    sums.into_rows().collect()
}
