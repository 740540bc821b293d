//! What a profile comes down to.

use gilprof::core;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// Something worth knowing about the GIL in a program, and how it is known.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Finding {
    /// A word that programs can test, as in "gil-bound": docs/verdict.md has them all.
    id: &'static str,
    /// What it says in plain English, with its numbers and its actor.
    sentence: String,
    /// "high", "medium" or "low".
    confidence: &'static str,
    /// What it stands on.
    evidence: Py<PyTuple>,
    /// What would change it; None where there is nothing to say.
    advice: Option<String>,
    /// What it costs in threads' time, by which findings are ordered; 0 for good news.
    cost_ns: u64,
}

/// One fact that a finding stands on.
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

impl Finding {
    pub(crate) fn new(py: Python<'_>, finding: core::Finding) -> PyResult<Self> {
        let evidence = finding.evidence.into_iter().map(|fact| Evidence {
            what: fact.what,
            value: fact.value,
            meaning: fact.meaning,
        });
        let evidence: Vec<Evidence> = evidence.collect();
        Ok(Finding {
            id: finding.id.as_str(),
            sentence: finding.sentence,
            confidence: finding.confidence.as_str(),
            evidence: PyTuple::new(py, evidence)?.unbind(),
            advice: finding.advice,
            cost_ns: finding.cost_ns,
        })
    }
}

#[pymethods]
impl Finding {
    fn __str__(&self) -> &str {
        &self.sentence
    }

    fn __repr__(&self) -> String {
        format!("<Finding {} {:?}>", self.id, self.sentence)
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
