"""WSGI: what each request went through with the GIL.

    application = gilprof.wsgi.Middleware(application)

around any application: `app.wsgi_app = gilprof.wsgi.Middleware(app.wsgi_app)` for Flask,
`application = gilprof.wsgi.Middleware(get_wsgi_application())` for Django.
"""

from gilprof._requests import Request, Requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

    _Application = Callable[..., Iterable[bytes]]
    _Start = Callable[..., Any]

__all__ = ["Middleware", "Request"]


class Middleware:
    """Measures the requests of an application.

    header: add Server-Timing, with the numbers up to the first part of the answer. callback:
    is called with each Request when it is over. rate: which part of the requests is measured,
    as 0.1 or "10%". slow: from so much waiting on ("20ms") a request is logged as slow, with
    the line that made threads wait (logger `gilprof.requests`; once a second such a line is
    looked up).
    """

    def __init__(self, application: "_Application", **options: "Any") -> None:
        self._application = application
        self._requests = Requests(**options)

    def __call__(self, environ: "Dict[str, Any]", start_response: "_Start") -> "Iterable[bytes]":
        method, path = environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", "")
        request = self._requests.begin(environ, method, path)
        if request is None:
            return self._application(environ, start_response)
        head = _Head(self._requests, request, start_response)
        try:
            with request:
                parts = self._application(environ, head.said)
            # What is whole already is the server's to send, in its own way.
            is_whole = isinstance(parts, (list, tuple)) or _is_file(parts, environ)
            if is_whole:
                head.pass_on()
        except BaseException:
            self._requests.end(request)
            raise
        if is_whole:
            self._requests.end(request)
            return parts
        return _Parts(self._requests, request, head, parts)


def _is_file(parts: "Iterable[bytes]", environ: "Dict[str, Any]") -> bool:
    wrapper = environ.get("wsgi.file_wrapper")
    return isinstance(wrapper, type) and isinstance(parts, wrapper)


class _Head:
    """The status and the headers of an answer, which go out with its first part."""

    def __init__(self, requests: Requests, request: Request, start_response: "_Start") -> None:
        self._requests, self._request = requests, request
        self._start_response = start_response
        self._said: "Optional[Tuple[str, List[Tuple[str, str]], Tuple[Any, ...]]]" = None
        self._write: "Optional[Callable[[bytes], object]]" = None

    def said(
        self, status: str, headers: "List[Tuple[str, str]]", *error: "Any"
    ) -> "Callable[[bytes], object]":
        """What the application calls."""
        self._request.status = int(status.split(" ", 1)[0])
        is_out = self._write is not None
        self._said = (status, headers, error)
        if is_out:
            # The server decides whether it is too late for an error.
            self.pass_on()
        return self._write_now

    def _write_now(self, data: bytes) -> object:
        """The old way to answer: at once."""
        self.pass_on()
        return None if self._write is None else self._write(data)

    def pass_on(self) -> None:
        if self._said is None:
            return
        (status, headers, error), self._said = self._said, None
        if self._requests.header:
            headers = [*headers, ("Server-Timing", self._request.server_timing())]
        self._write = self._start_response(status, headers, *error)


class _Parts:
    """An answer in parts, each of which is measured while it is made."""

    def __init__(
        self, requests: Requests, request: Request, head: _Head, parts: "Iterable[bytes]"
    ) -> None:
        self._requests, self._request, self._head = requests, request, head
        self._parts = parts
        self._iterator: "Optional[Iterator[bytes]]" = None

    def __iter__(self) -> "Iterator[bytes]":
        return self

    def __next__(self) -> bytes:
        try:
            with self._request:
                if self._iterator is None:
                    self._iterator = iter(self._parts)
                part = next(self._iterator)
        finally:
            # Without any part there is an answer, too.
            self._head.pass_on()
        return part

    def close(self) -> None:
        try:
            if hasattr(self._parts, "close"):
                with self._request:
                    self._parts.close()
        finally:
            self._requests.end(self._request)
