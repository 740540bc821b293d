"""start, stop, snapshot and profile.

Everybody who starts has a session of their own; all of them share one recording
of the process, which ends with the last of them.
"""

import threading

from gilprof import _platform
from gilprof._errors import NotRunningError, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Callable, Dict, List, Optional, Tuple, Type, TypeVar, Union

    from gilprof._native import Exporter, Profile, Session

    _Option = Union[int, str]
    _Opened = TypeVar("_Opened", Exporter, Session)
    _Result = TypeVar("_Result")

_lock = threading.RLock()
#: Sessions of start(), innermost last.
_started: "List[Session]" = []
#: Sessions that are open, those of profile() and of exporters included.
_open: "List[Union[Exporter, Session]]" = []
_prepared = False


def start(**options: "_Option") -> None:
    """Starts to record this process.

    If it is being recorded already, the recording is shared, and stop() gives the
    part from here on. Every start() needs its stop().

    Options: threads (how many threads can have a row at a time), ring (how many
    events are kept for the reader, a power of two), clock ("auto" or "monotonic"),
    stacks (after how much of a thread's time its stack is taken: "1ms", or "off"),
    timeline (how many of the latest events are kept for tables: "64MB", or "off"),
    counters ("hardware": the CPUs count each thread's instructions and cycles, where the
    machine has such counters; or "off").
    """
    session = open_session(options)
    _started.append(session)


def stop() -> "Profile":
    """Ends what the latest start() began, and gives its profile."""
    try:
        session = _started.pop()
    except IndexError:
        raise NotRunningError(
            "gilprof was not started: call gilprof.start() before gilprof.stop()"
        ) from None
    return close_session(session)


def snapshot() -> "Profile":
    """The profile of the recording that is on, from its first start() to now.

    Nobody is stopped. Two of them subtract: later - earlier.
    """
    _require()
    from gilprof import _names, _native

    _names.refresh()
    return _native.snapshot()


def is_running() -> bool:
    """Whether this process is being recorded."""
    if _platform.unsupported() is not None:
        return False
    from gilprof import _native

    return _native.is_running()


class profile:
    """Records a block: `with gilprof.profile() as p: …`, then `p.result`.

    After the block, what a Profile has can be asked of `p` itself: `p.verdict`,
    `p.threads`, `p.save(path)`. Inside of it, `p.snapshot()` gives the profile so
    far. Options are those of start().
    """

    _session: "Optional[Session]" = None
    _result: "Optional[Profile]" = None

    def __init__(self, **options: "_Option") -> None:
        self._options = options

    def __enter__(self) -> "profile":
        if self._session is not None:
            raise RuntimeError("this gilprof.profile() is in use: make another one")
        self._result = None
        self._session = open_session(self._options)
        return self

    def __exit__(
        self,
        kind: "Optional[Type[BaseException]]",
        error: "Optional[BaseException]",
        traceback: "Optional[TracebackType]",
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._result = close_session(session)

    def snapshot(self) -> "Profile":
        """The profile from the begin of the block to now."""
        if self._session is None:
            raise NotRunningError("snapshot() is for inside the block: result has it all")
        from gilprof import _names

        _names.refresh()
        return self._session.snapshot()

    def lap(self) -> "Profile":
        """The profile from the begin of the block, or from the last lap, to now, where the
        next begins: between two laps nothing is lost, and nothing is in both.

        Costs little however long the recording is. What snapshot() and result give begins at
        the last lap, too.
        """
        if self._session is None:
            raise NotRunningError("lap() is for inside the block: result has what came after")
        from gilprof import _names

        _names.refresh()
        return self._session.lap()

    @property
    def result(self) -> "Profile":
        """The profile of the whole block, once it has ended."""
        if self._result is None:
            raise NotRunningError("the block has not ended: inside of it, use snapshot()")
        return self._result

    def __getattr__(self, name: str) -> "Any":
        if name.startswith("_"):
            raise AttributeError(name)
        if self._result is None:
            raise AttributeError(
                f"{name}: the block has not ended; inside of it, use snapshot().{name}"
            )
        return getattr(self._result, name)

    def __repr__(self) -> str:
        if self._result is not None:
            return repr(self._result)
        return f"<profile {'running' if self._session else 'not started'}>"


def open_session(options: "Dict[str, _Option]") -> "Session":
    """A session of the caller's own, with threads named from now on."""

    def session(texts: "List[Tuple[str, str]]", threads: "List[Tuple[int, str]]") -> "Session":
        from gilprof import _native

        return _native.Session(texts, threads)

    return opened(session, options)


def opened(
    opens: "Callable[[List[Tuple[str, str]], List[Tuple[int, str]]], _Opened]",
    options: "Dict[str, _Option]",
) -> "_Opened":
    """What `opens` makes of the options and of the threads that there are: a session, or what
    has one. Threads are named from now on."""
    _require()
    from gilprof import _names

    texts = [(option, str(value)) for option, value in options.items()]
    with _lock:
        _prepare()
        _names.watch()
        try:
            session = opens(texts, _names.living())
        except BaseException:
            _rest()
            raise
        _open.append(session)
    # Threads that came in between, and this one in a recording that was on.
    _names.refresh()
    return session


def close_session(session: "Session") -> "Profile":
    """Ends a session, and gives its profile."""
    from gilprof import _names

    _names.refresh()
    return _ended(session, session.stop)


def discard_session(session: "Union[Exporter, Session]") -> None:
    """Ends a session, or what has one, where nobody wants a profile."""
    _ended(session, session.discard)


def _ended(session: "Union[Exporter, Session]", ends: "Callable[[], _Result]") -> "_Result":
    with _lock:
        if session in _open:
            _open.remove(session)
        try:
            return ends()
        finally:
            _rest()


def _rest() -> None:
    """Leaves threading as it was once nobody records."""
    from gilprof import _names, _native

    if not _native.is_running():
        _names.unwatch()


def _require() -> None:
    reason = _platform.unsupported()
    if reason is not None:
        raise UnsupportedError(reason)


def _prepare() -> None:
    """What is registered for good, at the first start and never at import."""
    global _prepared
    if not _prepared:
        _prepared = True
        import atexit
        import os

        from gilprof import _fork

        _fork.watch()
        os.register_at_fork(after_in_child=_new_lock)
        atexit.register(_at_exit)


def _new_lock() -> None:
    """A thread that the child of a fork does not have may hold the old one."""
    global _lock
    _lock = threading.RLock()


def _at_exit() -> None:
    """Stops whatever is on, silently: the hooks must be gone before Python is."""
    del _started[:]
    while _open:
        try:
            discard_session(_open[-1])
        except Exception:
            pass
