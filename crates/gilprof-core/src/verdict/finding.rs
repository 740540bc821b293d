//! What a rule says.

use serde::{Deserialize, Serialize};

/// What a finding says, as a word that programs can test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingId {
    /// Threads queue for a GIL that is held nearly all the time by Python code.
    GilBound,
    /// A native function keeps the GIL for long stretches.
    NativeHold,
    /// The GIL is held by threads that are blocked.
    BlockedHold,
    /// A thread waits about a switch interval each time it comes back to the GIL,
    /// because another never lets go by itself.
    Convoy,
    /// Time is lost between a release and the next take.
    HandOff,
    /// Others wait while garbage is collected.
    Gc,
    /// More threads than the GIL can feed: they only wait more.
    TooManyThreads,
    /// Too little CPU, not the GIL.
    CpuStarved,
    /// One thread does all the work, and nobody else asks for the GIL.
    SingleThreaded,
    /// Threads are blocked in I/O or asleep, outside the GIL.
    IoBound,
    /// Threads queue for a lock of the program or of a library.
    LockBound,
    /// The GIL is busy starting and ending threads.
    ThreadChurn,
    /// Subinterpreters that share a GIL do not see each other's drop requests.
    StarvedInterpreter,
    /// Native code runs in parallel with the GIL released.
    ParallelNative,
    /// This Python has no GIL, or has it switched off.
    NoGil,
    /// Whatever makes the program slow, no rule has anything to say.
    NotTheGil,
    /// Too little was seen to say anything.
    NothingYet,
}

impl FindingId {
    /// The stable word for it, as in `gil-bound`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GilBound => "gil-bound",
            Self::NativeHold => "native-hold",
            Self::BlockedHold => "blocked-hold",
            Self::Convoy => "convoy",
            Self::HandOff => "hand-off",
            Self::Gc => "gc",
            Self::TooManyThreads => "too-many-threads",
            Self::CpuStarved => "cpu-starved",
            Self::SingleThreaded => "single-threaded",
            Self::IoBound => "io-bound",
            Self::LockBound => "lock-bound",
            Self::ThreadChurn => "thread-churn",
            Self::StarvedInterpreter => "starved-interpreter",
            Self::ParallelNative => "parallel-native",
            Self::NoGil => "no-gil",
            Self::NotTheGil => "not-the-gil",
            Self::NothingYet => "nothing-yet",
        }
    }

    /// Whether it says that threads lose time to the GIL.
    pub fn is_gil(self) -> bool {
        match self {
            Self::GilBound
            | Self::NativeHold
            | Self::BlockedHold
            | Self::Convoy
            | Self::HandOff
            | Self::Gc
            | Self::TooManyThreads
            | Self::ThreadChurn
            | Self::StarvedInterpreter => true,
            Self::CpuStarved
            | Self::SingleThreaded
            | Self::IoBound
            | Self::LockBound
            | Self::ParallelNative
            | Self::NoGil
            | Self::NotTheGil
            | Self::NothingYet => false,
        }
    }
}

/// How far the numbers are from the edge of the rule, and how much was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Close to the edge, little was recorded, or part of it is not known.
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

/// One number behind a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was measured.
    pub what: String,
    /// Its value, with its unit; `n/a (…)` where it is not known.
    pub value: String,
    /// What it says about the question.
    pub meaning: String,
}

impl Evidence {
    pub(super) fn new(what: &str, value: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            value: value.into(),
            meaning: meaning.into(),
        }
    }
}

/// Something worth knowing about the GIL in a program, and how it is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it says, as a word that programs can test.
    pub id: FindingId,
    /// What it says, as a sentence with its numbers and its actor.
    pub sentence: String,
    /// How far the numbers are from the edge of the rule.
    pub confidence: Confidence,
    /// The numbers behind it.
    pub evidence: Vec<Evidence>,
    /// What would change it; `None` where nothing needs to.
    pub advice: Option<String>,
    /// What it costs, in ns of threads' time, by which findings are ordered; 0 for
    /// good news. An estimate: see `docs/verdict.md`.
    pub cost_ns: u64,
}
