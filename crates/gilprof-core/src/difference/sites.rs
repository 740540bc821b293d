//! What was added to the sites of a profile.

use crate::frame::{Frame, FrameTable};
use crate::profile::ProfileParts;
use crate::site::{Site, SiteSums, renumbered};

/// The frames of both profiles, and the sites of the later one less their former
/// state: what had no more weight then is not in it. A site is the same if its stack
/// has the same frames, whatever their indexes.
pub(super) fn less(
    later: &mut ProfileParts,
    earlier: &mut ProfileParts,
    row_of: impl Fn(u64) -> u64,
) -> (Vec<Frame>, Vec<Site>) {
    let mut table = FrameTable::default();
    let mut take = |parts: &mut ProfileParts| {
        let places = table.extend(std::mem::take(&mut parts.frames));
        let sites = std::mem::take(&mut parts.sites).into_iter();
        sites.map(move |site| Site {
            stack: renumbered(&site.stack, &places),
            ..site
        })
    };
    let mut sums = SiteSums::default();
    take(later).for_each(|site| sums.add(site));
    take(earlier).for_each(|site| {
        sums.subtract(Site {
            thread: row_of(site.thread),
            ..site
        });
    });
    (table.into_frames(), sums.into_sites().collect())
}
