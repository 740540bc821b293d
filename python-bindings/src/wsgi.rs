//! A request of a WSGI application, from the server's call to a whole answer. It is compiled, as
//! each request of a server pays for it.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyAny, PyDict, PyList, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};

use crate::request::Request;

/// An application whose requests are measured.
#[pyclass(frozen, module = "gilprof._native")]
#[derive(Debug)]
pub(crate) struct WsgiCalls {
    application: Py<PyAny>,
    /// What is to be done with requests (`gilprof._requests.Requests`).
    requests: Py<PyAny>,
    /// Makes what is iterated over in place of an answer in parts.
    parts: Py<PyAny>,
    /// Whether Server-Timing is added.
    header: bool,
    /// Whether each request is measured; else `requests` says which.
    each: bool,
    /// Whether somebody is told of requests that are over.
    told: bool,
    /// The process that is recorded for this; 0 where none is yet.
    recorded: AtomicU32,
}

#[pymethods]
impl WsgiCalls {
    #[new]
    #[pyo3(signature = (application, requests, parts, *, header, each, told))]
    fn new(
        application: Py<PyAny>,
        requests: Py<PyAny>,
        parts: Py<PyAny>,
        header: bool,
        each: bool,
        told: bool,
    ) -> Self {
        WsgiCalls {
            application,
            requests,
            parts,
            header,
            each,
            told,
            recorded: AtomicU32::new(0),
        }
    }

    fn __call__<'py>(
        &self,
        environ: &Bound<'py, PyAny>,
        start_response: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = environ.py();
        let application = self.application.bind(py);
        // A server has a dict for it (PEP 3333).
        let Ok(environ) = environ.cast::<PyDict>() else {
            return application.call1((environ, start_response));
        };
        let Some(request) = self.begin(environ)? else {
            return application.call1((environ, start_response));
        };
        let head = Head {
            request: request.clone().unbind(),
            start_response: start_response.clone().unbind(),
            header: self.header,
            said: None,
            write: None,
        };
        let head = Bound::new(py, head)?;
        match self.answer(environ, &request, &head) {
            Ok((parts, true)) => {
                self.end(&request)?;
                Ok(parts)
            }
            Ok((parts, false)) => {
                let wrapper = self.parts.bind(py);
                wrapper.call1((&self.requests, request, head, parts))
            }
            Err(error) => {
                // What the application raised is what the server hears of.
                if let Err(_untold) = self.end(&request) {}
                Err(error)
            }
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.application)?;
        visit.call(&self.requests)?;
        visit.call(&self.parts)
    }
}

impl WsgiCalls {
    /// The request, if it is to be measured.
    fn begin<'py>(&self, environ: &Bound<'py, PyDict>) -> PyResult<Option<Bound<'py, Request>>> {
        let py = environ.py();
        let known = |key| -> PyResult<Bound<'py, PyAny>> {
            let value = environ.get_item(key)?;
            Ok(value.unwrap_or_else(|| intern!(py, "").clone().into_any()))
        };
        let method = known(intern!(py, "REQUEST_METHOD"))?;
        let path = known(intern!(py, "PATH_INFO"))?;
        let key = intern!(py, "gilprof.request");
        let own = std::process::id();
        // What is seldom otherwise `requests` knows, and says.
        let is_usual = self.each
            && self.recorded.load(Relaxed) == own
            && !has_greenlets(py)?
            && !environ.contains(key)?;
        if is_usual {
            let request = Bound::new(py, Request::new(method.unbind(), path.unbind()))?;
            environ.set_item(key, &request)?;
            return Ok(Some(request));
        }
        let requests = self.requests.bind(py);
        let begun = requests.call_method1(intern!(py, "begin"), (environ, method, path))?;
        if begun.is_none() {
            return Ok(None);
        }
        self.recorded.store(own, Relaxed);
        Ok(Some(begun.cast_into()?))
    }

    /// What the application answers, and whether it is whole: then it is the server's to send,
    /// in its own way.
    fn answer<'py>(
        &self,
        environ: &Bound<'py, PyDict>,
        request: &Bound<'py, Request>,
        head: &Bound<'py, Head>,
    ) -> PyResult<(Bound<'py, PyAny>, bool)> {
        request.try_borrow_mut()?.begin_part();
        let parts = self.application.bind(environ.py()).call1((environ, head));
        request.try_borrow_mut()?.end_part();
        let parts = parts?;
        let is_whole = parts.is_instance_of::<PyList>()
            || parts.is_instance_of::<PyTuple>()
            || is_file(&parts, environ)?;
        if is_whole {
            Head::pass_on(head)?;
        }
        Ok((parts, is_whole))
    }

    fn end(&self, request: &Bound<'_, Request>) -> PyResult<()> {
        let py = request.py();
        if self.told {
            let requests = self.requests.bind(py);
            requests.call_method1(intern!(py, "end"), (request,))?;
        } else {
            request.try_borrow_mut()?.end();
        }
        Ok(())
    }
}

/// Whether requests may share their thread.
fn has_greenlets(py: Python<'_>) -> PyResult<bool> {
    static SYS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let import = || Ok::<_, PyErr>(py.import("sys")?.into_any().unbind());
    let sys = SYS.get_or_try_init(py, import)?.bind(py);
    sys.getattr(intern!(py, "modules"))?
        .contains(intern!(py, "greenlet"))
}

/// Whether the answer is a file for the server to send.
fn is_file(parts: &Bound<'_, PyAny>, environ: &Bound<'_, PyDict>) -> PyResult<bool> {
    let Some(wrapper) = environ.get_item(intern!(parts.py(), "wsgi.file_wrapper"))? else {
        return Ok(false);
    };
    match wrapper.cast::<PyType>() {
        Ok(wrapper) => parts.is_instance(wrapper),
        Err(_function) => Ok(false),
    }
}

/// The status and the headers of an answer, which go out with its first part: this is the
/// `start_response` of the application.
#[pyclass(module = "gilprof._native")]
#[derive(Debug)]
pub(crate) struct Head {
    request: Py<Request>,
    start_response: Py<PyAny>,
    header: bool,
    /// What was said and is not passed on yet: status, headers, and an error if there is one.
    said: Option<(Py<PyAny>, Py<PyAny>, Py<PyTuple>)>,
    /// What the server has given back.
    write: Option<Py<PyAny>>,
}

#[pymethods]
impl Head {
    #[pyo3(signature = (status, headers, *error))]
    fn __call__<'py>(
        this: &Bound<'py, Self>,
        status: Bound<'py, PyAny>,
        headers: Bound<'py, PyAny>,
        error: Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let is_out = {
            let mut head = this.try_borrow_mut()?;
            head.request.bind(this.py()).try_borrow_mut()?.status = code(&status);
            head.said = Some((status.unbind(), headers.unbind(), error.unbind()));
            head.write.is_some()
        };
        if is_out {
            // The server decides whether it is too late for an error.
            Head::pass_on(this)?;
        }
        this.getattr(intern!(this.py(), "write"))
    }

    /// The old way to answer: at once.
    fn write<'py>(
        this: &Bound<'py, Self>,
        data: Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Head::pass_on(this)?;
        let write = this
            .try_borrow()?
            .write
            .as_ref()
            .map(|it| it.clone_ref(this.py()));
        write
            .map(|write| write.bind(this.py()).call1((data,)))
            .transpose()
    }

    /// Says it to the server, where there is something to say.
    fn pass_on(this: &Bound<'_, Self>) -> PyResult<()> {
        let py = this.py();
        let (said, start_response, timing) = {
            let mut head = this.try_borrow_mut()?;
            let Some(said) = head.said.take() else {
                return Ok(());
            };
            let mut request = head.request.bind(py).try_borrow_mut()?;
            let timing = head.header.then(|| request.server_timing());
            (said, head.start_response.clone_ref(py), timing)
        };
        let (status, headers, error) = said;
        let headers = match timing {
            None => headers.into_bound(py),
            Some(timing) => {
                // It is the application's, which may say the same once more.
                let all = py
                    .get_type::<PyList>()
                    .call1((headers,))?
                    .cast_into::<PyList>()?;
                all.append((intern!(py, "Server-Timing"), timing))?;
                all.into_any()
            }
        };
        let arguments = [status.into_bound(py), headers]
            .into_iter()
            .chain(error.bind(py));
        let arguments = PyTuple::new(py, arguments.collect::<Vec<_>>())?;
        let write = start_response.bind(py).call1(arguments)?;
        this.try_borrow_mut()?.write = Some(write.unbind());
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.start_response)?;
        visit.call(&self.write)?;
        if let Some((status, headers, error)) = &self.said {
            visit.call(status)?;
            visit.call(headers)?;
            visit.call(error)?;
        }
        Ok(())
    }

    fn __clear__(&mut self) {
        self.said = None;
        self.write = None;
    }
}

/// The number that a status begins with.
fn code(status: &Bound<'_, PyAny>) -> Option<u32> {
    let status: String = status.extract().ok()?;
    status.split(' ').next()?.parse().ok()
}
