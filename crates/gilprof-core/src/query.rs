//! Questions to a profile: which threads, when, in which state, by what.

mod between;
mod by;
mod sites;
mod total;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::pattern::fits;
use crate::profile::Profile;
use crate::site::SiteKind;
use crate::state::State;
use crate::thread::Thread;

pub use by::By;

/// One row of an answer. Times are ns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The thread's name, the GIL's index, the state's word; or of code, the line as
    /// `function (file:line)`, the function as `function (file)`, the file, the module,
    /// and `(unknown)` where the stack is not known.
    pub key: String,
    /// The thread's id, or the GIL's index; `None` for a state and for code.
    pub id: Option<u64>,
    /// How many holds or waits; of stacks, how many samples; `None` where they are
    /// not counted: detached stretches, and parts of the recording's time.
    pub count: Option<u64>,
    /// Time in the state.
    pub total_ns: u64,
    /// Mean duration; `None` where `count` is or is zero, and for stacks: a sample is
    /// no hold and no wait.
    pub mean_ns: Option<f64>,
    /// Median duration; `None` where durations are not known one by one.
    pub p50_ns: Option<u64>,
    /// The duration that 99 of 100 do not exceed; `None` as for the median.
    pub p99_ns: Option<u64>,
    /// The longest duration; `None` where not known.
    pub max_ns: Option<u64>,
}

/// The answer to a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// Begin of the time they cover, in ns since the recording's start: that asked for,
    /// rounded down to where the recording's history was cut.
    pub from_ns: u64,
    /// End of the time they cover, rounded up likewise.
    pub to_ns: u64,
    /// The state they are about.
    pub state: State,
    /// The stacks that they add up; `None` where they are exact sums.
    pub kind: Option<SiteKind>,
    /// What they stand for.
    pub by: By,
    /// The rows, by descending total.
    pub rows: Vec<Row>,
}

/// A query in the making; see [`Profile::query`].
#[derive(Clone, Debug)]
pub struct Query<'p> {
    profile: &'p Profile,
    pattern: Option<String>,
    gil: Option<u32>,
    between: Option<(u64, u64)>,
    state: Option<State>,
    kind: Option<SiteKind>,
    functions: Option<String>,
    files: Option<String>,
    by: By,
    top: usize,
}

impl Profile {
    /// Asks for times and counts of some threads, by what they are grouped.
    ///
    /// ```
    /// use gilprof_core::{By, Profile, ProfileParts, State};
    ///
    /// let profile = Profile::assemble(ProfileParts::default());
    /// let rows = profile
    ///     .query()
    ///     .threads("worker-*")
    ///     .state(State::Waiting)
    ///     .by(By::Holder)
    ///     .top(10)
    ///     .rows()?;
    /// assert!(rows.rows.is_empty());
    /// # Ok::<(), gilprof_core::Error>(())
    /// ```
    pub fn query(&self) -> Query<'_> {
        Query {
            profile: self,
            pattern: None,
            gil: None,
            between: None,
            state: None,
            kind: None,
            functions: None,
            files: None,
            by: By::Thread,
            top: usize::MAX,
        }
    }
}

impl Query<'_> {
    /// Only threads whose name fits a shell pattern (`*`, `?`, `[a-z]`, `{a,b}`). Of
    /// waiting these are the waiters. Of stacks they are those whose stacks they are:
    /// of blame the holders.
    #[must_use]
    pub fn threads(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// Only threads of the GIL with this index.
    #[must_use]
    pub fn gil(mut self, index: u32) -> Self {
        self.gil = Some(index);
        self
    }

    /// Only what happened between two instants, in ns since the recording's start.
    /// Rounded outward to where the recording's history was cut; the answer says where.
    #[must_use]
    pub fn between(mut self, from_ns: u64, to_ns: u64) -> Self {
        self.between = Some((from_ns, to_ns));
        self
    }

    /// The state that is asked about: that of the kind of stacks, else waiting.
    #[must_use]
    pub fn state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// Answers from stacks of this kind. Without it, questions about code are answered
    /// from blame for waiting, from hold for holding and from detached for detached.
    #[must_use]
    pub fn kind(mut self, kind: SiteKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Only stacks whose innermost function has a qualified name that fits a shell
    /// pattern. A stack that is not known fits none.
    #[must_use]
    pub fn functions(mut self, pattern: impl Into<String>) -> Self {
        self.functions = Some(pattern.into());
        self
    }

    /// Only stacks whose innermost function is in a file that fits a shell pattern,
    /// in which `*` stands for folders too: `*/json/*`.
    #[must_use]
    pub fn files(mut self, pattern: impl Into<String>) -> Self {
        self.files = Some(pattern.into());
        self
    }

    /// What the rows stand for: threads unless told.
    #[must_use]
    pub fn by(mut self, by: By) -> Self {
        self.by = by;
        self
    }

    /// Only the rows with the largest totals.
    #[must_use]
    pub fn top(mut self, rows: usize) -> Self {
        self.top = rows;
        self
    }

    /// Answers.
    ///
    /// # Errors
    /// [`Error::NotRecorded`] where the question has no answer: a holder of anything
    /// but waiting, stacks of another state, of a part of the time or where there are
    /// none.
    /// [`Error::OutsideHistory`] for a time that is empty or not recorded.
    pub fn rows(&self) -> Result<Rows, Error> {
        self.check()?;
        let (from_ns, to_ns, mut rows) = match self.between {
            None => (0, self.profile.wall_ns(), total::rows(self)),
            Some((from, to)) => between::rows(self, from, to)?,
        };
        rows.retain(|row| row.total_ns > 0 || row.count.is_some_and(|count| count > 0));
        rows.sort_by(|a, b| b.total_ns.cmp(&a.total_ns).then_with(|| a.key.cmp(&b.key)));
        rows.truncate(self.top);
        Ok(Rows {
            from_ns,
            to_ns,
            state: self.asked_state(),
            kind: self.stacks(),
            by: self.by,
            rows,
        })
    }

    fn check(&self) -> Result<(), Error> {
        if self.by == By::Holder && self.asked_state() != State::Waiting {
            return Err(Error::NotRecorded {
                asked: format!("{} by holder", self.asked_state()),
                limit: String::from("apart: only waiting has a holder, ask for state waiting"),
            });
        }
        sites::check(self)
    }

    fn asked_state(&self) -> State {
        let of_kind = self.kind.map(SiteKind::state);
        self.state.or(of_kind).unwrap_or(State::Waiting)
    }

    /// The kind of stacks that the answer is made of; `None` where it is not.
    fn stacks(&self) -> Option<SiteKind> {
        let about_code = self.by.is_code() || self.functions.is_some() || self.files.is_some();
        let of_state = || about_code.then(|| SiteKind::of(self.asked_state()));
        self.kind.or_else(|| of_state().flatten())
    }

    /// The threads that the question is about.
    fn chosen(&self) -> impl Iterator<Item = &Thread> {
        self.profile
            .threads()
            .iter()
            .filter(|thread| self.gil.is_none_or(|gil| thread.gil == gil))
            .filter(|thread| {
                let pattern = self.pattern.as_deref();
                pattern.is_none_or(|pattern| fits(pattern, &thread.name))
            })
    }

    fn name(&self, id: u64) -> String {
        let thread = self.profile.thread(id);
        thread.map_or_else(|| format!("thread {id}"), |thread| thread.name.clone())
    }
}

#[cfg(test)]
mod tests;
