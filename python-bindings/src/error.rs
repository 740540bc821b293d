//! Errors become the exceptions of `gilprof._errors`.

use std::path::Path;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

mod python {
    //! The classes, imported when the first of them is raised.
    pyo3::import_exception!(gilprof._errors, Error);
    pyo3::import_exception!(gilprof._errors, UnsupportedError);
    pyo3::import_exception!(gilprof._errors, OptionError);
    pyo3::import_exception!(gilprof._errors, NotRunningError);
    pyo3::import_exception!(gilprof._errors, FormatError);
    pyo3::import_exception!(gilprof._errors, AttachError);
}

/// An error on its way to Python.
#[derive(Debug)]
pub(crate) struct Failure(gilprof::Error);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl<E: Into<gilprof::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure(error.into())
    }
}

impl From<Failure> for PyErr {
    fn from(Failure(error): Failure) -> PyErr {
        let text = error.to_string();
        match &error {
            error if error.is_unsupported() => python::UnsupportedError::new_err(text),
            error if error.is_option() => python::OptionError::new_err(text),
            error if error.is_refused() => python::AttachError::new_err(text),
            gilprof::Error::NotRunning => python::NotRunningError::new_err(text),
            gilprof::Error::Profile(error) => profile_error(error, text),
            _ => python::Error::new_err(text),
        }
    }
}

fn profile_error(error: &gilprof::core::Error, text: String) -> PyErr {
    use gilprof::core::Error::{Invalid, Malformed, NewerFormat, UnknownWord};
    match error {
        NewerFormat { .. } | Malformed(_) | Invalid { .. } => python::FormatError::new_err(text),
        UnknownWord { .. } => python::OptionError::new_err(text),
        _ => python::Error::new_err(text),
    }
}

/// A file that is not a profile, with its name.
pub(crate) fn in_file(path: &Path, Failure(error): Failure) -> PyErr {
    python::FormatError::new_err(format!("{}: {error}", path.display()))
}

/// What the system said about a file, as the subclass of OSError that Python
/// has for it.
pub(crate) fn file_error(path: &Path, error: &std::io::Error) -> PyErr {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    PyOSError::new_err((
        error.raw_os_error(),
        text.to_owned(),
        path.as_os_str().to_owned(),
    ))
}

/// What only a recording that has ended has.
pub(crate) fn still_running(text: &'static str) -> PyErr {
    python::NotRunningError::new_err(text)
}

/// An argument outside of what is allowed.
pub(crate) fn not_allowed(text: String) -> PyErr {
    python::OptionError::new_err(text)
}

/// A profile that contradicts itself.
pub(crate) fn damaged(text: String) -> PyErr {
    python::FormatError::new_err(text)
}
