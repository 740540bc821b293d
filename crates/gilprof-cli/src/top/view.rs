//! What was seen of a process by one look.

use std::sync::Arc;

use gilprof::{Finding, Profile};

use super::trend::Trend;

/// Which time is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// From the look before to this one.
    Window,
    /// From the start of the recording to this look.
    Total,
}

/// A profile, and what it says.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) profile: Profile,
    pub(crate) verdict: Finding,
}

impl Seen {
    fn of(profile: Profile) -> Arc<Self> {
        let verdict = profile.verdict();
        Arc::new(Seen { profile, verdict })
    }
}

/// What was seen of a process by one look, and what had been before.
#[derive(Clone, Debug)]
pub(crate) struct View {
    total: Arc<Seen>,
    window: Arc<Seen>,
    trend: Trend,
    has_ended: bool,
}

impl View {
    /// The first look.
    pub(crate) fn first(profile: Profile) -> Self {
        let mut trend = Trend::new();
        trend.note(&profile);
        let seen = Seen::of(profile);
        View {
            total: Arc::clone(&seen),
            window: seen,
            trend,
            has_ended: false,
        }
    }

    /// Another look, at the whole recording up to now.
    ///
    /// # Errors
    /// Where the profile is not of the same recording: then nothing has changed.
    pub(crate) fn look(&mut self, profile: Profile) -> Result<(), gilprof::core::Error> {
        let window = profile.difference(&self.total.profile)?;
        self.trend.note(&profile);
        // Of no time at all there is nothing to see.
        if window.wall_ns() > 0 {
            self.window = Seen::of(window);
        }
        self.total = Seen::of(profile);
        Ok(())
    }

    /// Says that the process has ended.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    pub(crate) fn of(&self, scope: Scope) -> &Seen {
        match scope {
            Scope::Window => &self.window,
            Scope::Total => &self.total,
        }
    }

    pub(crate) fn trend(&self) -> &Trend {
        &self.trend
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::contended;

    fn after(wall_ns: u64, waiting_ns: u64) -> Profile {
        let mut parts = contended().into_parts();
        parts.wall_ns = wall_ns;
        parts.threads[0].waiting_ns = waiting_ns;
        Profile::assemble(parts)
    }

    #[test]
    fn a_window_is_what_came_since_the_look_before() {
        let mut view = View::first(after(1_000, 300));
        view.look(after(3_000, 700)).unwrap();
        let window = &view.of(Scope::Window).profile;
        assert_eq!((window.wall_ns(), window.waiting_ns()), (2_000, 400));
        assert_eq!(view.of(Scope::Total).profile.wall_ns(), 3_000);
    }

    #[test]
    fn a_look_at_the_same_instant_leaves_the_window_as_it_was() {
        let mut view = View::first(after(1_000, 300));
        view.look(after(3_000, 700)).unwrap();
        view.look(after(3_000, 700)).unwrap();
        assert_eq!(view.of(Scope::Window).profile.wall_ns(), 2_000);
    }

    #[test]
    fn a_profile_of_another_recording_changes_nothing() {
        let mut view = View::first(after(1_000, 300));
        let mut other = after(3_000, 700).into_parts();
        other.recording = "another".into();
        view.look(Profile::assemble(other)).unwrap_err();
        assert_eq!(view.of(Scope::Total).profile.wall_ns(), 1_000);
    }
}
