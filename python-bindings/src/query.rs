//! Queries.

use std::sync::Arc;

use arrow_array::{Float64Array, Int64Array, StringArray};
use gilprof::core::{self, By, SiteKind, State};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyTuple};

use crate::error::Result;
use crate::table::{Table, column};
use crate::text::{duration, known};

/// Asks a profile for rows; each verb gives a new query.
///
/// Without verbs: the waiting of each thread, most first.
#[pyclass(frozen, module = "gilprof")]
#[derive(Clone, Debug)]
pub(crate) struct Query {
    profile: Arc<core::Profile>,
    threads: Option<String>,
    gil: Option<u32>,
    between: Option<(u64, u64)>,
    state: Option<State>,
    kind: Option<SiteKind>,
    functions: Option<String>,
    files: Option<String>,
    by: Option<By>,
    top: Option<usize>,
}

impl Query {
    pub(crate) fn new(profile: &Arc<core::Profile>) -> Self {
        Query {
            profile: Arc::clone(profile),
            threads: None,
            gil: None,
            between: None,
            state: None,
            kind: None,
            functions: None,
            files: None,
            by: None,
            top: None,
        }
    }

    fn ask(&self) -> Result<core::Rows> {
        let mut query = self.profile.query();
        if let Some(pattern) = &self.threads {
            query = query.threads(pattern.as_str());
        }
        if let Some(gil) = self.gil {
            query = query.gil(gil);
        }
        if let Some((from_ns, to_ns)) = self.between {
            query = query.between(from_ns, to_ns);
        }
        if let Some(state) = self.state {
            query = query.state(state);
        }
        if let Some(kind) = self.kind {
            query = query.kind(kind);
        }
        if let Some(pattern) = &self.functions {
            query = query.functions(pattern.as_str());
        }
        if let Some(pattern) = &self.files {
            query = query.files(pattern.as_str());
        }
        if let Some(by) = self.by {
            query = query.by(by);
        }
        if let Some(top) = self.top {
            query = query.top(top);
        }
        Ok(query.rows()?)
    }
}

#[pymethods]
impl Query {
    /// Only threads whose name matches a shell pattern: "worker-*". Of waiting these
    /// are the waiters, of stacks those whose stacks they are: of blame the holders.
    #[pyo3(signature = (pattern, /))]
    fn threads(&self, pattern: String) -> Self {
        Query {
            threads: Some(pattern),
            ..self.clone()
        }
    }

    /// Only threads of one GIL.
    #[pyo3(signature = (index, /))]
    fn gil(&self, index: u32) -> Self {
        Query {
            gil: Some(index),
            ..self.clone()
        }
    }

    /// Only from one time to another, in ns since the recording's start; rounded
    /// outward to the edges of the recorded history.
    #[pyo3(signature = (from_ns, to_ns, /))]
    fn between(&self, from_ns: u64, to_ns: u64) -> Self {
        Query {
            between: Some((from_ns, to_ns)),
            ..self.clone()
        }
    }

    /// Which time to add up: "waiting", "holding" or "detached".
    #[pyo3(signature = (state, /))]
    fn state(&self, state: &str) -> Result<Self> {
        Ok(Query {
            state: Some(state.parse()?),
            ..self.clone()
        })
    }

    /// Answers from stacks: "blame" (the holder's, while others waited), "wait" (the
    /// waiter's), "hold" or "detached". Questions about code are answered from
    /// "blame", "hold" or "detached", as the state is, unless told.
    #[pyo3(signature = (kind, /))]
    fn kind(&self, kind: &str) -> Result<Self> {
        Ok(Query {
            kind: Some(kind.parse()?),
            ..self.clone()
        })
    }

    /// Only stacks whose innermost function's qualified name matches a shell pattern:
    /// "Pool.*".
    #[pyo3(signature = (pattern, /))]
    fn functions(&self, pattern: String) -> Self {
        Query {
            functions: Some(pattern),
            ..self.clone()
        }
    }

    /// Only stacks whose innermost function is in a file that matches a shell pattern:
    /// "*/json/*".
    #[pyo3(signature = (pattern, /))]
    fn files(&self, pattern: String) -> Self {
        Query {
            files: Some(pattern),
            ..self.clone()
        }
    }

    /// A row for each "thread", "holder", "gil" or "state"; or of the code for each
    /// "site" (a line), "function", "file", "module" or "native" (the C function).
    #[pyo3(signature = (by, /))]
    fn by(&self, by: &str) -> Result<Self> {
        Ok(Query {
            by: Some(by.parse()?),
            ..self.clone()
        })
    }

    /// Only the greatest `count` rows.
    #[pyo3(signature = (count, /))]
    fn top(&self, count: usize) -> Self {
        Query {
            top: Some(count),
            ..self.clone()
        }
    }

    /// The answer.
    fn rows(&self, py: Python<'_>) -> PyResult<Rows> {
        let answer = py.detach(|| self.ask())?;
        Rows::new(py, answer)
    }

    fn __repr__(&self) -> String {
        let mut text = String::from("<Query");
        let mut verb = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!(" {name}={value}"));
            }
        };
        verb("threads", self.threads.clone());
        verb("gil", self.gil.map(|gil| gil.to_string()));
        verb(
            "between",
            self.between.map(|(from, to)| format!("{from}..{to}")),
        );
        verb("state", self.state.map(|state| state.to_string()));
        verb("kind", self.kind.map(|kind| kind.to_string()));
        verb("functions", self.functions.clone());
        verb("files", self.files.clone());
        verb("by", self.by.map(|by| by.to_string()));
        verb("top", self.top.map(|top| top.to_string()));
        text + ">"
    }
}

/// The answer to a query: a sequence of rows, greatest total first.
#[pyclass(frozen, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Rows {
    /// Begin of the time it covers, in ns since the recording's start.
    #[pyo3(get)]
    from_ns: u64,
    /// End of the time it covers, in ns since the recording's start.
    #[pyo3(get)]
    to_ns: u64,
    /// The state the times were spent in.
    #[pyo3(get)]
    state: &'static str,
    /// The stacks that the rows add up: "blame", "wait", "hold" or "detached"; None
    /// where they are exact sums.
    #[pyo3(get)]
    kind: Option<&'static str>,
    /// What each row stands for.
    #[pyo3(get)]
    by: &'static str,
    rows: Py<PyTuple>,
}

impl Rows {
    fn new(py: Python<'_>, answer: core::Rows) -> PyResult<Self> {
        let rows: Vec<Row> = answer.rows.into_iter().map(Row::from).collect();
        Ok(Rows {
            from_ns: answer.from_ns,
            to_ns: answer.to_ns,
            state: answer.state.as_str(),
            kind: answer.kind.map(SiteKind::as_str),
            by: answer.by.as_str(),
            rows: PyTuple::new(py, rows)?.unbind(),
        })
    }
}

impl Rows {
    fn table(&self, py: Python<'_>) -> PyResult<Table> {
        let rows = self.rows.bind(py).iter();
        let rows = rows.map(|row| Ok(row.cast::<Row>()?.clone().unbind()));
        let all: Vec<Py<Row>> = rows.collect::<PyResult<_>>()?;
        let rows = || all.iter().map(Py::get);
        let signed = |value: Option<u64>| value.map(|value| value as i64);
        let numbers = |part: fn(&Row) -> Option<u64>| {
            column::<Int64Array, _>(rows().map(|row| signed(part(row))))
        };
        Table::new(vec![
            (
                "key",
                column::<StringArray, _>(rows().map(|row| Some(row.key.as_str()))),
            ),
            ("id", numbers(|row| row.id)),
            ("count", numbers(|row| row.count)),
            ("total_ns", numbers(|row| Some(row.total_ns))),
            (
                "mean_ns",
                column::<Float64Array, _>(rows().map(|row| row.mean_ns)),
            ),
            ("p50_ns", numbers(|row| row.p50_ns)),
            ("p99_ns", numbers(|row| row.p99_ns)),
            ("max_ns", numbers(|row| row.max_ns)),
        ])
    }
}

#[pymethods]
impl Rows {
    /// Each row as a dict.
    fn to_dicts<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let rows = self.rows.bind(py).iter();
        rows.map(|row| row.cast::<Row>()?.get().to_dict(py))
            .collect()
    }

    /// The rows as an Arrow stream, for pandas, polars, DuckDB or pyarrow. The types are
    /// not changed to those of `requested_schema`.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        self.table(py)?.__arrow_c_stream__(py, requested_schema)
    }

    /// The names and types of the columns.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        self.table(py)?.__arrow_c_schema__(py)
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.rows.bind(py).len()
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.rows.bind(py).as_any().get_item(index)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.rows.bind(py).as_any().try_iter()?.into_any())
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        format!("<Rows {} by {}: {}>", self.state, self.by, self.__len__(py))
    }
}

/// One row of an answer. Times are ns; what is not known is None.
#[pyclass(frozen, get_all, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Row {
    /// The thread's name, the GIL's index, the state's word or the code.
    key: String,
    /// The thread's id, or the GIL's index.
    id: Option<u64>,
    /// How many holds or waits; of stacks, how many samples. This and the durations
    /// are None where not known: of stacks, of detached time, of a part of the time.
    count: Option<u64>,
    /// Time in the state.
    total_ns: u64,
    /// Mean duration.
    mean_ns: Option<f64>,
    /// Median duration.
    p50_ns: Option<u64>,
    /// The duration that 99 of 100 do not exceed.
    p99_ns: Option<u64>,
    /// The longest duration.
    max_ns: Option<u64>,
}

impl From<core::Row> for Row {
    fn from(row: core::Row) -> Self {
        Row {
            key: row.key,
            id: row.id,
            count: row.count,
            total_ns: row.total_ns,
            mean_ns: row.mean_ns,
            p50_ns: row.p50_ns,
            p99_ns: row.p99_ns,
            max_ns: row.max_ns,
        }
    }
}

#[pymethods]
impl Row {
    /// The row as a dict.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(py);
        dict.set_item("key", &self.key)?;
        dict.set_item("id", self.id)?;
        dict.set_item("count", self.count)?;
        dict.set_item("total_ns", self.total_ns)?;
        dict.set_item("mean_ns", self.mean_ns)?;
        dict.set_item("p50_ns", self.p50_ns)?;
        dict.set_item("p99_ns", self.p99_ns)?;
        dict.set_item("max_ns", self.max_ns)?;
        Ok(dict)
    }

    fn __repr__(&self) -> String {
        format!(
            "<Row {:?} total={} p50={} p99={} max={}>",
            self.key,
            duration(self.total_ns),
            known(self.p50_ns),
            known(self.p99_ns),
            known(self.max_ns),
        )
    }
}
