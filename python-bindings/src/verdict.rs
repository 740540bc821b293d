//! What a profile comes down to.

use gilprof::core;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Whether the GIL is the problem, and what says so.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Verdict {
    /// "gil-bound", "not-the-gil" or "nothing-yet".
    id: &'static str,
    /// The verdict in plain English, with numbers.
    sentence: String,
    /// "high", "medium" or "low".
    confidence: &'static str,
    /// What the verdict stands on.
    evidence: Py<PyTuple>,
    /// What would change it; None where there is nothing to say.
    advice: Option<String>,
}

/// One fact that a verdict stands on.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Evidence {
    /// What was measured.
    what: String,
    /// What came out, with its unit.
    value: String,
    /// What that means.
    meaning: String,
}

impl Verdict {
    pub(crate) fn new(py: Python<'_>, verdict: core::Verdict) -> PyResult<Self> {
        let evidence = verdict.evidence.into_iter().map(|fact| Evidence {
            what: fact.what,
            value: fact.value,
            meaning: fact.meaning,
        });
        let evidence: Vec<Evidence> = evidence.collect();
        Ok(Verdict {
            id: verdict.id.as_str(),
            sentence: verdict.sentence,
            confidence: verdict.confidence.as_str(),
            evidence: PyTuple::new(py, evidence)?.unbind(),
            advice: verdict.advice,
        })
    }
}

#[pymethods]
impl Verdict {
    fn __str__(&self) -> &str {
        &self.sentence
    }

    fn __repr__(&self) -> String {
        format!("<Verdict {} {:?}>", self.id, self.sentence)
    }
}

#[pymethods]
impl Evidence {
    fn __repr__(&self) -> String {
        format!(
            "<Evidence {}: {} ({})>",
            self.what, self.value, self.meaning
        )
    }
}
