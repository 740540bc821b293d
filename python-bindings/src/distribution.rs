//! Distributions of durations.

use gilprof::core;
use pyo3::prelude::*;

use crate::error::not_allowed;
use crate::text::known;

/// How often durations of each size were seen, in logarithmic buckets.
///
/// Count, total, least and greatest are exact; quantiles are within 1 %.
#[pyclass(frozen, eq, module = "gilprof")]
#[derive(Debug, PartialEq)]
pub(crate) struct Distribution(core::Distribution);

impl Distribution {
    pub(crate) fn new(py: Python<'_>, inner: &core::Distribution) -> PyResult<Py<Self>> {
        Py::new(py, Distribution(inner.clone()))
    }
}

#[pymethods]
impl Distribution {
    /// How many durations there are.
    #[getter]
    fn count(&self) -> u64 {
        self.0.count()
    }

    /// Their sum.
    #[getter]
    fn total_ns(&self) -> u64 {
        self.0.total_ns()
    }

    /// The least; None where there is none.
    #[getter]
    fn min_ns(&self) -> Option<u64> {
        self.0.min_ns()
    }

    /// The greatest; None where there is none.
    #[getter]
    fn max_ns(&self) -> Option<u64> {
        self.0.max_ns()
    }

    /// The mean; None where there is none.
    #[getter]
    fn mean_ns(&self) -> Option<f64> {
        self.0.mean_ns()
    }

    /// The duration in ns that a share `q` (0.0 to 1.0) of the durations does
    /// not exceed, within 1 %; None where there is none.
    fn quantile(&self, q: f64) -> PyResult<Option<u64>> {
        if !(0.0..=1.0).contains(&q) {
            return Err(not_allowed(format!(
                "quantile {q} is not allowed: 0.0 to 1.0"
            )));
        }
        Ok(self.0.quantile(q))
    }

    /// The buckets that are not empty, ascending: (least ns, greatest ns, count).
    fn buckets(&self) -> Vec<(u64, u64, u64)> {
        self.0.buckets().collect()
    }

    fn __repr__(&self) -> String {
        format!(
            "<Distribution count={} p50={} p99={} max={}>",
            self.0.count(),
            known(self.0.quantile(0.5)),
            known(self.0.quantile(0.99)),
            known(self.0.max_ns()),
        )
    }
}
