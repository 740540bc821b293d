//! Tables for Arrow's PyCapsule interface.

use std::ffi::CStr;
use std::sync::Arc;

use arrow_array::ffi::FFI_ArrowSchema;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchIterator};
use arrow_schema::ArrowError;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use crate::error::damaged;

/// What the interface calls a stream of batches, and a schema.
const STREAM: &CStr = c"arrow_array_stream";
const SCHEMA: &CStr = c"arrow_schema";

/// A table that pandas, polars, DuckDB and pyarrow read through Arrow's PyCapsule
/// interface, as in `polars.DataFrame(table)`.
#[pyclass(frozen, module = "gilprof")]
#[derive(Debug)]
pub(crate) struct Table(RecordBatch);

impl Table {
    /// Columns of one length with their names.
    pub(crate) fn new(columns: Vec<(&'static str, ArrayRef)>) -> PyResult<Self> {
        // All may be null: which of them are not known differs from row to row.
        let columns = columns.into_iter();
        let columns = columns.map(|(name, column)| (name, column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns);
        Ok(Table(batch.map_err(broken)?))
    }
}

fn broken(error: ArrowError) -> PyErr {
    damaged(error.to_string())
}

#[pymethods]
impl Table {
    /// The names of the columns.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let schema = self.0.schema();
        PyTuple::new(py, schema.fields().iter().map(|field| field.name().clone()))
    }

    fn __len__(&self) -> usize {
        self.0.num_rows()
    }

    /// The rows as an Arrow stream. The types are not changed to those of
    /// `requested_schema`.
    #[pyo3(signature = (requested_schema = None))]
    pub(crate) fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // Its consumer may cast, the interface says.
        drop(requested_schema);
        let batches = RecordBatchIterator::new([Ok(self.0.clone())], self.0.schema());
        // Dropped with the capsule; one that was consumed has nothing left to release.
        let stream = FFI_ArrowArrayStream::new(Box::new(batches));
        PyCapsule::new_with_value(py, stream, STREAM)
    }

    /// The names and types of the columns.
    pub(crate) fn __arrow_c_schema__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let schema = FFI_ArrowSchema::try_from(self.0.schema().as_ref());
        PyCapsule::new_with_value(py, schema.map_err(broken)?, SCHEMA)
    }

    fn __repr__(&self) -> String {
        let columns = self.0.schema();
        let names: Vec<&str> = columns.fields().iter().map(|f| f.name().as_str()).collect();
        format!(
            "<Table rows={} columns={}>",
            self.__len__(),
            names.join(",")
        )
    }
}

/// A column of any values that an array can be made of.
pub(crate) fn column<A, T>(values: impl Iterator<Item = T>) -> ArrayRef
where
    A: arrow_array::Array + FromIterator<T> + 'static,
{
    Arc::new(values.collect::<A>())
}
