"""What requests of a web service go through with the GIL: the part that WSGI and ASGI share."""

import json
import logging
import random
import sys
import time

import gilprof
from gilprof import _platform
from gilprof._limits import culprit, place
from gilprof._per_process import PerProcess
from gilprof._units import duration_ns, ratio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterable, List, Optional, Union

if TYPE_CHECKING or _platform.unsupported() is None:
    from gilprof._native import Request
else:
    from gilprof._unsupported import Request

__all__ = ["KEY", "Request", "Requests"]

#: Slow requests and callbacks that fail are told here.
log = logging.getLogger("gilprof.requests")
#: Under this key (wsgi.rs has it, too) inner middlewares find that an outer one measures.
KEY = "gilprof.request"
#: Why greenlets have no numbers of their own.
_GREENLETS = (
    "requests in greenlets, as gevent's, are not measured: they take turns in one thread, whose "
    "numbers are of all of them; gilprof.profile() and `gilprof attach` tell what the thread does"
)
#: Who is to blame is asked no oftener: it costs about as much as a request does.
_BLAMED_NS = 1_000_000_000


class Requests:
    """What a middleware does with the requests that it sees."""

    def __init__(
        self,
        *,
        header: bool = True,
        callback: "Optional[Callable[[Request], object]]" = None,
        rate: "Union[float, str]" = 1.0,
        slow: "Optional[str]" = None,
    ) -> None:
        if callback is not None and not callable(callback):
            raise gilprof.OptionError(f"callback: {callback!r} is not allowed: a function")
        self.header = bool(header)
        self._callback = callback
        self._rate = ratio("rate", rate)
        self._slow_ns = None if slow is None else duration_ns("slow", slow)
        self._missing = _platform.unsupported()
        if self._missing is not None:
            log.warning("requests are not measured: %s", self._missing)
        #: Since it was asked last who is to blame.
        self._window = PerProcess()
        self._blamed_at = 0
        self._said: "List[str]" = []

    def measured(
        self, application: "Callable[..., Iterable[bytes]]", parts: "Callable[..., Any]"
    ) -> "Callable[..., Iterable[bytes]]":
        """A WSGI application whose requests are measured. `parts` makes what is iterated over in
        place of an answer in parts."""
        if self._missing is not None:
            return application
        from gilprof._native import WsgiCalls

        is_told = self._slow_ns is not None or self._callback is not None
        is_each = self._rate >= 1
        return WsgiCalls(application, self, parts, header=self.header, each=is_each, told=is_told)

    def begin(self, known: "Any", method: str, path: str) -> "Optional[Request]":
        """The request, if it is to be measured. `known` is what is known of it already: what
        an outer middleware left there, too."""
        if self._missing is not None:
            return None
        if "greenlet" in sys.modules and _shares_its_thread():
            self._say_once(_GREENLETS)
            return None
        if KEY in known:
            self._say_once("two middlewares measure the same requests: the inner one does not")
            return None
        if self._rate < 1 and random.random() >= self._rate:
            return None
        if not self._window.has_begun():
            self._start()
        request = known[KEY] = Request(method, path)
        return request

    def end(self, request: Request) -> None:
        """The request is over: it is told to who wants to know."""
        request.end()
        if self._slow_ns is not None and request.waiting_ns >= self._slow_ns:
            request.blame = self._blame()
            told = request.to_dict()
            log.warning("slow by the GIL: %s", json.dumps(told), extra={"gilprof": told})
        if self._callback is not None:
            try:
                self._callback(request)
            except Exception:
                log.exception("the callback for requests failed")

    def _start(self) -> None:
        """Records this process from its first request on: a server may fork before."""
        try:
            self._window.begin()
        except gilprof.Error as error:
            self._missing = str(error)
            log.warning("requests are not measured: %s", error)

    def _blame(self) -> "Optional[str]":
        """Who made threads wait most since this was asked last; None if that was just now."""
        now = time.monotonic_ns()
        if now - self._blamed_at < _BLAMED_NS:
            return None
        self._blamed_at = now
        last = self._window.renew()
        site = None if last is None else culprit(last)
        return None if site is None else place(site)

    def _say_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.append(sentence)
            log.warning(sentence)


def _shares_its_thread() -> bool:
    """Whether other requests may run in this thread before this one is over. A greenlet that is
    not its thread's first may be switched away from at any call, and so may the first one where
    gevent has replaced what blocks."""
    # Another thread may be in the middle of importing them.
    current = getattr(sys.modules.get("greenlet"), "getcurrent", None)
    if current is None:
        return False
    if current().parent is not None:
        return True
    patched = getattr(sys.modules.get("gevent.monkey"), "is_module_patched", None)
    return patched is not None and bool(patched("threading"))
