//! The profiles of processes that have ended, of a recording of many.

use gilprof_core::Profile;

/// So many are kept one by one, and then merged.
const KEPT: usize = 16;

/// The profiles of processes that have ended, in the order of their ends.
#[derive(Debug, Default)]
pub(crate) struct EndedProfiles(Vec<Profile>);

impl EndedProfiles {
    pub(crate) fn add(&mut self, profile: Profile) {
        self.0.push(profile);
        if self.0.len() > KEPT
            && let Some(all) = self.merged_with([])
        {
            self.0 = vec![all];
        }
    }

    /// All of them and these as one; `None` where there is none.
    pub(crate) fn merged_with(&self, more: impl IntoIterator<Item = Profile>) -> Option<Profile> {
        let all: Vec<Profile> = self.0.iter().cloned().chain(more).collect();
        Profile::merge(&all).ok()
    }
}
