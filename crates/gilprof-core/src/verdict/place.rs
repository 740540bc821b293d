//! Where in the code: the heaviest lines and native functions of some sites.

use std::collections::BTreeMap;

use super::finding::Evidence;
use super::gauge::{Gauge, ratio};
use super::words::percent;
use crate::frame::Frame;
use crate::site::{Site, SiteKind};

/// A frame with the weight of the sites it stands for.
pub(super) struct Heaviest<'p> {
    pub(super) frame: &'p Frame,
    pub(super) weight_ns: u64,
    /// Of all these sites, also those where it is not known.
    pub(super) all_ns: u64,
    pub(super) samples: u64,
}

impl Heaviest<'_> {
    pub(super) fn share(&self) -> f64 {
        ratio(self.weight_ns, self.all_ns)
    }

    /// A row of evidence; `of` says what the share is one of.
    pub(super) fn evidence(&self, of: &str) -> Evidence {
        let what = match self.share() > 0.5 {
            true => "most of it at",
            false => "the largest part at",
        };
        Evidence::new(
            what,
            self.frame.to_string(),
            format!("{} of {of}", percent(self.share())),
        )
    }
}

/// Native functions that only pass a call on: below them is the one to name.
const PASSING_ON: [&str; 22] = [
    "_PyEval",
    "PyEval",
    "_PyFunction",
    "PyObject_Call",
    "_PyObject_",
    "PyObject_Vectorcall",
    "PyVectorcall",
    "_PyVectorcall",
    "cfunction_",
    "method_vectorcall",
    "vectorcall_",
    "object_vacall",
    "slot_",
    "wrap_",
    "wrapper_",
    "PyNumber_",
    "PySequence_",
    "binary_",
    "sequence_",
    "do_call",
    "call_function",
    "type_call",
];

/// Whether the native function is known by its name.
pub(super) fn is_named(frame: &Frame) -> bool {
    !frame.function.is_empty() && !frame.function.starts_with('(')
}

impl<'p> Gauge<'p> {
    /// The sites of a kind whose thread is one of this GIL's and passes.
    pub(super) fn sites(
        &self,
        kind: SiteKind,
        passes: impl Fn(u64) -> bool,
    ) -> impl Iterator<Item = &'p Site> {
        let sites = self.profile.sites_of(kind).iter();
        sites.filter(move |site| self.has(site.thread) && passes(site.thread))
    }

    /// The innermost line of Python with the most weight.
    pub(super) fn line(&self, sites: impl Iterator<Item = &'p Site>) -> Option<Heaviest<'p>> {
        let leaf = |site| self.profile.stack(site).next();
        self.heaviest(sites, |site| {
            leaf(site).filter(|frame| !frame.file.is_empty())
        })
    }

    /// The native function with the most weight that the line of Python called.
    pub(super) fn function(&self, sites: impl Iterator<Item = &'p Site>) -> Option<Heaviest<'p>> {
        self.heaviest(sites, |site| self.called(&site.native))
    }

    /// Of native frames, innermost first, the outermost that does something itself.
    pub(super) fn called(&self, native: &'p [u32]) -> Option<&'p Frame> {
        let frames: Vec<&Frame> = self.profile.frames_at(native).collect();
        let named = frames.iter().rev().find(|frame| {
            let function = frame.function.as_str();
            is_named(frame) && !PASSING_ON.iter().any(|name| function.starts_with(name))
        });
        named.or(frames.first()).copied()
    }

    fn heaviest(
        &self,
        sites: impl Iterator<Item = &'p Site>,
        frame_of: impl Fn(&'p Site) -> Option<&'p Frame>,
    ) -> Option<Heaviest<'p>> {
        let mut frames = BTreeMap::<&Frame, (u64, u64)>::new();
        let mut all_ns = 0_u64;
        for site in sites {
            all_ns = all_ns.saturating_add(site.weight_ns);
            if let Some(frame) = frame_of(site) {
                let (weight_ns, samples) = frames.entry(frame).or_default();
                *weight_ns = weight_ns.saturating_add(site.weight_ns);
                *samples = samples.saturating_add(site.samples);
            }
        }
        let heaviest = frames
            .into_iter()
            .max_by_key(|(_, (weight_ns, _))| *weight_ns)?;
        let (frame, (weight_ns, samples)) = heaviest;
        Some(Heaviest {
            frame,
            weight_ns,
            all_ns,
            samples,
        })
    }

    /// The line at which holds of threads that pass caused the most waiting, or why
    /// it is not known.
    pub(super) fn blamed_line(&self, passes: impl Fn(u64) -> bool) -> Vec<Evidence> {
        self.heaviest_line(self.sites(SiteKind::Blame, passes))
    }

    /// The line of these sites that caused the most waiting, or why it is not known; and
    /// where that is in a library, the line of the program's own that got there.
    pub(super) fn heaviest_line(&self, sites: impl Iterator<Item = &'p Site>) -> Vec<Evidence> {
        let sites: Vec<&Site> = sites.collect();
        let Some(line) = self.line(sites.iter().copied()) else {
            return vec![Evidence::new(
                "the line",
                self.profile.stacks_missing().unwrap_or("n/a (no samples)"),
                "stacks tell it where they are recorded",
            )];
        };
        let caller = self.caller(&sites, line.frame);
        let caller = caller.map(|caller| {
            let share = percent(ratio(caller.weight_ns, line.weight_ns));
            let of = format!("{share} of that; the innermost line outside of libraries");
            Evidence::new("called from", caller.frame.to_string(), of)
        });
        let line = line.evidence("the waiting");
        [line].into_iter().chain(caller).collect()
    }

    /// Of sites whose innermost line is this one of a library, the line outside of libraries
    /// with the most weight.
    fn caller(&self, sites: &[&'p Site], line: &Frame) -> Option<Heaviest<'p>> {
        if !line.is_of_library() {
            return None;
        }
        let sites = sites.iter().copied();
        let here = sites.filter(|site| self.profile.stack(site).next() == Some(line));
        self.heaviest(here, |site| {
            let mut stack = self.profile.stack(site);
            stack.find(|frame| !frame.is_of_library() && !frame.file.starts_with('<'))
        })
    }
}
