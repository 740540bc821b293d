"""WSGI: what each request went through with the GIL.

    application = gilprof.wsgi.Middleware(application)

around any application: `app.wsgi_app = gilprof.wsgi.Middleware(app.wsgi_app)` for Flask,
`application = gilprof.wsgi.Middleware(get_wsgi_application())` for Django.
"""

from gilprof._requests import Request, Requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, Iterator, Optional

    from gilprof._native import Head

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
        self._requests = Requests(**options)
        self._measured = self._requests.measured(application, _Parts)

    def __call__(self, environ: "Dict[str, Any]", start_response: "_Start") -> "Iterable[bytes]":
        return self._measured(environ, start_response)


class _Parts:
    """An answer in parts, each of which is measured while it is made."""

    def __init__(
        self, requests: Requests, request: Request, head: "Head", parts: "Iterable[bytes]"
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
