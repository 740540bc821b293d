//! `with gilprof.span("label"):` and `@gilprof.span("label")`

use gilprof::Spans;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyAny, PyString};

use crate::error::not_allowed;

/// Labels what threads do in a block, or in a function: the profile has a row for the label.
/// It may be used again, nested, and by several threads at once.
#[pyclass(module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Span {
    label: Py<PyString>,
    spans: Spans,
}

/// Labels a block of code, `with gilprof.span("load"): …`, or a function,
/// `@gilprof.span("load")`: what the thread that runs it goes through with the GIL meanwhile
/// is added to the label's row, profile.spans. While nothing is recorded it does nothing.
#[pyfunction]
#[pyo3(signature = (label, /))]
pub(crate) fn span(label: &Bound<'_, PyAny>) -> PyResult<Span> {
    let Ok(text) = label.cast::<PyString>() else {
        let value = label.repr()?;
        return Err(PyTypeError::new_err(format!(
            "label: {value} is not allowed: a string, as in gilprof.span(\"load\")"
        )));
    };
    if text.is_empty()? {
        let said = "label: '' is not allowed: a string that says something";
        return Err(not_allowed(said.into()));
    }
    Ok(Span {
        label: text.clone().unbind(),
        spans: Spans::default(),
    })
}

#[pymethods]
impl Span {
    /// What it is called.
    #[getter]
    fn label(&self, py: Python<'_>) -> Py<PyString> {
        self.label.clone_ref(py)
    }

    fn __enter__(mut this: PyRefMut<'_, Self>) -> PyRefMut<'_, Self> {
        let py = this.py();
        let Span { label, spans } = &mut *this;
        spans.begin(|| label.bind(py).to_string_lossy());
        this
    }

    fn __exit__(
        &mut self,
        _kind: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) {
        self.spans.end();
    }

    /// It ends for now, and is not counted yet: it goes on with the next __enter__().
    fn _pause(&mut self) {
        self.spans.pause();
    }

    /// Labels each call of a function. Of a coroutine or a generator, what it does itself
    /// is labelled, and not what its thread does before it goes on.
    #[pyo3(signature = (function, /))]
    fn __call__<'py>(
        this: Bound<'py, Self>,
        function: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let labelled = this.py().import("gilprof._spans")?.getattr("labelled")?;
        labelled.call1((this, function))
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<Span {}>", self.label.bind(py).repr()?))
    }
}
