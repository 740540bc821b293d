//! Who made others wait in a stretch of time: less than a profile of it, and cheaper.

use gilprof_core::Frame;

use crate::engine::{engine, python};

/// Tells apart, from its begin on, who makes others wait. Any number of them may be open.
///
/// ```no_run
/// let window = gilprof::BlameWindow::begin();
/// // … Python runs …
/// if let Some(blamed) = window.and_then(gilprof::BlameWindow::end) {
///     println!("{:?} for {} ns", blamed.stack.first(), blamed.weight_ns);
/// }
/// ```
#[derive(Debug)]
pub struct BlameWindow {
    number: u64,
}

/// Who made others wait in a stretch of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blamed {
    /// The place whose code made others wait for longest: its functions, innermost first;
    /// empty where no stack was taken.
    pub stack: Vec<Frame>,
    /// The native functions that the innermost of them had called, innermost first; empty
    /// where they are not known or there were none.
    pub native: Vec<Frame>,
    /// The waiting of others in ns that this place caused, summed, as samples tell.
    pub weight_ns: u64,
    /// For how long in ns a hold kept others waiting in that time, at most; exact. Of one that
    /// had begun before, the part in that time.
    pub worst_hold_ns: u64,
}

impl BlameWindow {
    /// From now on; `None` where nothing is recorded. May be called with or without the GIL.
    pub fn begin() -> Option<Self> {
        gilprof_probe::region()?;
        let marks = engine().marks();
        let number = marks.begin().or_else(|| {
            // From now on, this process reads what is recorded.
            python().ok()?.detached(|| engine().followed()).ok()?;
            marks.begin()
        });
        number.map(|number| BlameWindow { number })
    }

    /// Who made others wait since; `None` where not all of the time was recorded.
    pub fn end(self) -> Option<Blamed> {
        let number = self.number;
        std::mem::forget(self);
        python()
            .ok()?
            .detached(|| engine().close_blame_window(number))
    }
}

impl Drop for BlameWindow {
    fn drop(&mut self) {
        // Nobody asks.
        engine().marks().give_up(self.number);
    }
}
