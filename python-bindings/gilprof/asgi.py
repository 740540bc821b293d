"""ASGI: what each request went through with the GIL.

    app = gilprof.asgi.Middleware(app)

around any application, or `app.add_middleware(gilprof.asgi.Middleware)` for Starlette and
FastAPI. Requests that share an event loop are not mixed up: each is measured while its own
code runs. What tasks and threads do that it starts is none of it.
"""

import functools

from gilprof._requests import Request, Requests

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Awaitable, Callable, Coroutine, Dict, Generator

    _Message = Dict[str, Any]
    _Receive = Callable[[], Awaitable[_Message]]
    _Send = Callable[[_Message], Awaitable[None]]

__all__ = ["Middleware", "Request"]


class Middleware:
    """Measures the HTTP requests of an application; other scopes pass. The options are those
    of gilprof.wsgi.Middleware; Server-Timing has the numbers up to the start of the answer."""

    def __init__(self, app: "Callable[..., Coroutine[Any, Any, None]]", **options: "Any") -> None:
        self._app = app
        self._requests = Requests(**options)

    async def __call__(self, scope: "Dict[str, Any]", receive: "_Receive", send: "_Send") -> None:
        request = None
        if scope["type"] == "http":
            request = self._requests.begin(scope, scope["method"], scope["path"])
        if request is None:
            await self._app(scope, receive, send)
            return
        try:
            await _Steps(self._app(scope, receive, self._sender(request, send)), request)
        finally:
            self._requests.end(request)

    def _sender(self, request: Request, send: "_Send") -> "_Send":
        async def sender(message: "_Message") -> None:
            if message["type"] == "http.response.start":
                request.status = message["status"]
                if self._requests.header:
                    timing = (b"server-timing", request.server_timing().encode())
                    message = {**message, "headers": [*message.get("headers", ()), timing]}
            await send(message)

        return sender


class _Steps:
    """A coroutine, of which each step is measured."""

    def __init__(self, coroutine: "Coroutine[Any, Any, None]", request: Request) -> None:
        self._coroutine, self._request = coroutine, request

    def __await__(self) -> "Generator[Any, Any, None]":
        step = functools.partial(self._coroutine.send, None)
        while True:
            try:
                with self._request:
                    awaited = step()
            except StopIteration:
                return
            try:
                step = functools.partial(self._coroutine.send, (yield awaited))
            except GeneratorExit:
                self._coroutine.close()
                raise
            except BaseException as error:
                step = functools.partial(self._coroutine.throw, error)
