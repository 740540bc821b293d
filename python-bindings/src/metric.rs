//! Metrics, as monitoring systems want them.

use gilprof::metrics::{Family, Histogram, Point, Value};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// A metric with its points.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Metric {
    /// Its name, as in "python_gil_wait_seconds". Prometheus adds _total to that of a counter.
    name: &'static str,
    /// What it means.
    help: &'static str,
    /// "seconds", or None where its numbers are counts.
    unit: Option<&'static str>,
    /// "counter", "gauge" or "histogram".
    kind: &'static str,
    /// Its points, no two of them with the same labels.
    points: Py<PyTuple>,
}

impl Metric {
    pub(crate) fn new(py: Python<'_>, family: Family) -> PyResult<Self> {
        let points = family.points.into_iter().map(MetricPoint);
        Ok(Metric {
            name: family.name,
            help: family.help,
            unit: family.unit,
            kind: family.kind.as_str(),
            points: PyTuple::new(py, points.collect::<Vec<_>>())?.unbind(),
        })
    }
}

#[pymethods]
impl Metric {
    fn __repr__(&self) -> String {
        format!("<Metric {} {}>", self.name, self.kind)
    }
}

/// A number as Python has it.
#[derive(IntoPyObject)]
enum Number {
    Count(u64),
    Seconds(f64),
}

/// One value of a metric, and what it is of.
#[pyclass(frozen, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct MetricPoint(Point);

impl MetricPoint {
    fn histogram(&self) -> Option<&Histogram> {
        match &self.0.value {
            Value::Histogram(histogram) => Some(histogram),
            _ => None,
        }
    }
}

#[pymethods]
impl MetricPoint {
    /// What it is of, as pairs of a name and a value: (("interpreter", "0"),). Empty where
    /// there is one point only.
    #[getter]
    fn labels<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let pairs = self
            .0
            .labels
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        PyTuple::new(py, pairs.collect::<Vec<_>>())
    }

    /// The value: a count, or seconds. None in a histogram.
    #[getter]
    fn value(&self) -> Option<Number> {
        match self.0.value {
            Value::Count(count) => Some(Number::Count(count)),
            Value::Seconds(seconds) => Some(Number::Seconds(seconds)),
            Value::Histogram(_) => None,
        }
    }

    /// The sum of the durations in a histogram, in seconds; None in others.
    #[getter]
    fn sum(&self) -> Option<f64> {
        self.histogram().map(Histogram::sum_seconds)
    }

    /// Of a histogram, each edge in seconds, the last one infinite, and how many durations do
    /// not exceed it; None in others. Those within 1.6 % below an edge may be missing there.
    #[getter]
    fn buckets(&self) -> Option<Vec<(f64, u64)>> {
        Some(self.histogram()?.cumulative().collect())
    }

    fn __repr__(&self) -> String {
        let labels = self.0.labels.iter();
        let labels: Vec<String> = labels
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        let value = match &self.0.value {
            Value::Count(count) => count.to_string(),
            Value::Seconds(seconds) => format!("{seconds}"),
            Value::Histogram(histogram) => format!("{} durations", histogram.count()),
        };
        format!("<MetricPoint{} {value}>", labels.concat())
    }
}
