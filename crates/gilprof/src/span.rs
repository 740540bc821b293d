//! Labels for what threads do.

use std::marker::PhantomData;

use gilprof_probe::is_running;
use gilprof_region::Label;

use crate::opened::Opened;

/// Labels what the calling thread does until the guard is dropped. The profile then has a
/// row for the label: [`Profile::spans`](crate::Profile::spans).
///
/// While nothing is recorded this does nothing, in some nanoseconds. What a recording has
/// begun or ended in the middle of adds nothing either. Text beyond 63 bytes is cut off,
/// and a recording tells 255 labels apart: so a label is the kind of a thing (`GET /users`)
/// and not its number.
///
/// ```
/// fn load() {
///     let _span = gilprof::span("load");
///     // … what the thread does until here …
/// }
/// # load();
/// ```
#[must_use = "what is labelled ends when the guard is dropped"]
pub fn span(label: &str) -> Span {
    let opened = match is_running() {
        true => Opened::begin(&Label::new(label)),
        false => None,
    };
    Span {
        opened,
        stays_here: PhantomData,
    }
}

/// A span of the thread that it is in; it ends when this is dropped.
#[derive(Debug)]
pub struct Span {
    opened: Option<Opened>,
    /// A thread can tell what it went through itself, and no other can.
    stays_here: PhantomData<*const ()>,
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(opened) = self.opened.take() {
            opened.end(1);
        }
    }
}

/// Spans of one label that are begun and ended by hand, by any threads, several at a time:
/// for bindings to other languages, which have no guards.
#[derive(Debug, Default)]
pub struct Spans {
    label: Option<Label>,
    opened: Vec<Opened>,
    /// How many have begun while nothing was recorded.
    unrecorded: u64,
}

impl Spans {
    /// One begins, in the calling thread. What they are called is asked for once, when
    /// there is a recording.
    pub fn begin<T: AsRef<str>>(&mut self, label: impl FnOnce() -> T) {
        if !is_running() {
            self.unrecorded += 1;
            return;
        }
        let asked = || Label::new(label().as_ref());
        match Opened::begin(self.label.get_or_insert_with(asked)) {
            Some(opened) => self.opened.push(opened),
            None => self.unrecorded += 1,
        }
    }

    /// The last one that the calling thread has begun ends. Where it has begun none, the
    /// first one of another thread ends and adds nothing.
    pub fn end(&mut self) {
        self.close(1);
    }

    /// As [`Spans::end`], but it will go on, beginning anew: it is not counted yet.
    pub fn pause(&mut self) {
        self.close(0);
    }

    fn close(&mut self, spans: u64) {
        if let Some(at) = self.opened.iter().rposition(Opened::is_of_this_thread) {
            self.opened.remove(at).end(spans);
        } else if self.unrecorded > 0 {
            self.unrecorded -= 1;
        } else if !self.opened.is_empty() {
            self.opened.remove(0).abandon();
        }
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        self.opened.drain(..).for_each(Opened::abandon);
    }
}
