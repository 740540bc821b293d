//! Is it the GIL? One sentence, with its evidence.

mod evidence;

use serde::{Deserialize, Serialize};

use crate::gil::Gil;
use crate::profile::Profile;
use crate::thread::Thread;

/// Below this, nothing is said: one slow import can fill it.
const LEAST_WALL_NS: u64 = 50_000_000;
/// Below this, nothing is said: too few to tell a habit from an accident.
const LEAST_ACQUISITIONS: u64 = 20;
/// A queue: how many threads wait at an average instant.
const QUEUE: f64 = 0.25;
/// Nearly always held.
const SATURATED: f64 = 0.70;
/// How much of the time that threads wanted the GIL they waited for it.
const CONTENDED: f64 = 0.30;
/// Held, or on its way to the next holder.
const BUSY: f64 = 0.50;

/// What a verdict says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictId {
    /// Threads queue for a GIL that is hardly ever free.
    GilBound,
    /// Whatever makes the program slow, it is not waiting for the GIL.
    NotTheGil,
    /// Too little was seen to say anything.
    NothingYet,
}

impl VerdictId {
    /// The stable word for it: `gil-bound`, `not-the-gil` or `nothing-yet`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GilBound => "gil-bound",
            Self::NotTheGil => "not-the-gil",
            Self::NothingYet => "nothing-yet",
        }
    }
}

/// How far the numbers are from the edge of the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Close to it, or little was recorded.
    Low,
    /// Clear.
    Medium,
    /// Beyond doubt.
    High,
}

impl Confidence {
    /// The word for it: `low`, `medium` or `high`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// One number behind a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was measured.
    pub what: String,
    /// Its value, with its unit.
    pub value: String,
    /// What it says about the question.
    pub meaning: String,
}

/// Is it the GIL, and how is that known?
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it says, as a word that programs can test.
    pub id: VerdictId,
    /// What it says, as a sentence with its numbers and its actor.
    pub sentence: String,
    /// How far the numbers are from the edge of the rule.
    pub confidence: Confidence,
    /// The numbers behind it.
    pub evidence: Vec<Evidence>,
    /// What would change it; `None` where nothing needs to.
    pub advice: Option<String>,
}

impl Profile {
    /// Whether the GIL is the problem. Each GIL is judged by itself: holds of
    /// several are never added up.
    pub fn verdict(&self) -> Verdict {
        let acquisitions: u64 = self.gils().iter().map(|gil| gil.acquisitions).sum();
        if self.wall_ns() < LEAST_WALL_NS || acquisitions < LEAST_ACQUISITIONS {
            // A long hold is few acquisitions, and yet all that there is to say.
            if self.wall_ns() < LEAST_WALL_NS || self.waiting_ns() < LEAST_WALL_NS {
                return nothing_yet(self, acquisitions);
            }
        }
        let judged = self.gils().iter().map(|gil| Judged::of(self, gil));
        let worst = judged.max_by(|a, b| a.queue.total_cmp(&b.queue));
        match worst {
            Some(judged) if judged.is_gil_bound() => judged.gil_bound(),
            Some(judged) => judged.not_the_gil(),
            None => nothing_yet(self, acquisitions),
        }
    }
}

fn nothing_yet(profile: &Profile, acquisitions: u64) -> Verdict {
    Verdict {
        id: VerdictId::NothingYet,
        sentence: format!(
            "Nothing to say yet: {} recorded, the GIL was taken {acquisitions} times; \
             at least {} and {LEAST_ACQUISITIONS} times are needed.",
            duration(profile.wall_ns()),
            duration(LEAST_WALL_NS),
        ),
        confidence: Confidence::Low,
        evidence: Vec::new(),
        advice: Some(String::from(
            "record for longer, or while the program is busy",
        )),
    }
}

/// One GIL's numbers as the rules need them.
struct Judged<'p> {
    profile: &'p Profile,
    gil: &'p Gil,
    /// Threads that wait at an average instant.
    queue: f64,
    /// Part of the time that the GIL is held.
    held: f64,
    /// Waiting, as a part of waiting and holding.
    contention: f64,
    /// Part of the time that it is held or that somebody waits though it is free.
    busy: f64,
}

impl<'p> Judged<'p> {
    fn of(profile: &'p Profile, gil: &'p Gil) -> Self {
        // Its own time: in a merged profile each GIL has another.
        let wall = gil.holding_ns.saturating_add(gil.free_ns).max(1) as f64;
        let (waiting, holding) = (gil.waiting_ns as f64, gil.holding_ns as f64);
        let held = (holding / wall).min(1.0);
        Judged {
            profile,
            gil,
            queue: waiting / wall,
            held,
            contention: waiting / (waiting + holding).max(1.0),
            busy: held + (gil.handoff_ns as f64 / wall).min(1.0 - held),
        }
    }

    fn is_gil_bound(&self) -> bool {
        let starved = self.contention >= CONTENDED && self.busy >= BUSY;
        self.queue >= QUEUE && (self.held >= SATURATED || starved)
    }

    /// The thread of this GIL with the largest such number.
    fn top(&self, part: impl Fn(&Thread) -> u64) -> Option<&'p Thread> {
        let threads = self.profile.threads().iter();
        let own =
            threads.filter(|thread| thread.gil == self.gil.index && thread.pid == self.gil.pid);
        own.filter(|thread| part(thread) > 0)
            .max_by_key(|thread| part(thread))
    }

    fn gil_bound(&self) -> Verdict {
        let culprit = self.top(|thread| thread.caused_ns);
        let who = culprit.map_or_else(String::new, |thread| {
            format!(
                "; {} held it for {} of the waiting",
                name(thread),
                duration(thread.caused_ns)
            )
        });
        Verdict {
            id: VerdictId::GilBound,
            sentence: format!(
                "GIL-bound: on average {:.1} threads wait for a GIL that is held {} of the time{who}.",
                self.queue,
                percent(self.held),
            ),
            confidence: self.confidence(self.queue / QUEUE),
            evidence: self.evidence(),
            advice: Some(self.advice()),
        }
    }

    fn advice(&self) -> String {
        let longest = self.top(|thread| thread.hold.max_ns().unwrap_or(0));
        let long = longest.filter(|thread| {
            let limit = self.profile.switch_interval_ns().saturating_mul(10);
            thread.hold.max_ns().is_some_and(|max| max > limit.max(1))
        });
        match long {
            Some(thread) => format!(
                "{} keeps the GIL for up to {}: look for native code there that does not \
                 release it; other work can move to processes, to subinterpreters with a GIL \
                 of their own (3.12+) or to a free-threaded build (3.13+)",
                name(thread),
                duration(thread.hold.max_ns().unwrap_or(0)),
            ),
            None => String::from(
                "move the work to processes, to subinterpreters with a GIL of their own \
                 (3.12+) or to a free-threaded build (3.13+); more threads will only wait more",
            ),
        }
    }

    fn not_the_gil(&self) -> Verdict {
        let lone = self.top(|thread| thread.holding_ns);
        let alone = lone.filter(|thread| {
            self.held >= SATURATED && thread.holding_ns as f64 >= 0.9 * self.gil.holding_ns as f64
        });
        let sentence = match alone {
            Some(thread) => format!(
                "Not the GIL: {} does all the work; it holds the GIL {} of the time and \
                 nobody queues for it.",
                name(thread),
                percent(self.held),
            ),
            None => format!(
                "Not the GIL: it is held {} of the time, and threads wait for it {} of the \
                 time that they want it; {} of their lives they are outside of it, blocked or \
                 in native code.",
                percent(self.held),
                percent(self.contention),
                percent(self.detached()),
            ),
        };
        let distance = QUEUE / self.queue.max(1e-9);
        Verdict {
            id: VerdictId::NotTheGil,
            sentence,
            confidence: self.confidence(distance),
            evidence: self.evidence(),
            advice: alone.map(|_| {
                String::from(
                    "the GIL is free for other threads to ask for; make this thread's work \
                     faster, or give it to several processes",
                )
            }),
        }
    }

    fn detached(&self) -> f64 {
        let threads = || self.profile.threads().iter();
        let lifetime: u64 = threads().map(|thread| thread.lifetime_ns).sum();
        let detached: u64 = threads().map(|thread| thread.detached_ns).sum();
        detached as f64 / lifetime.max(1) as f64
    }

    /// `distance`: how many times over the rule's limit.
    fn confidence(&self, distance: f64) -> Confidence {
        match (self.profile.wall_ns() >= 10 * LEAST_WALL_NS, distance) {
            (true, 2.0..) => Confidence::High,
            (_, 1.3..) => Confidence::Medium,
            _ => Confidence::Low,
        }
    }
}

fn name(thread: &Thread) -> String {
    match thread.name.is_empty() {
        true => format!("thread {}", thread.native_id.map_or(thread.id, u64::from)),
        false => thread.name.clone(),
    }
}

fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

/// Three significant digits with a unit that fits.
fn duration(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    match value {
        100.0.. => format!("{value:.0} {unit}"),
        10.0.. => format!("{value:.1} {unit}"),
        _ => format!("{value:.2} {unit}"),
    }
}

#[cfg(test)]
mod tests;
