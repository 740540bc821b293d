"""Holds that last for long, told while they last."""

import os
import threading

from gilprof import _recording
from gilprof._errors import OptionError
from gilprof._units import duration_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import IO, Any, Callable, List, Optional, Tuple, Type, Union

    from gilprof._native import Session, Stall, Watch

    _Log = Union[str, os.PathLike[str], IO[Any]]

_STANDARD_ERROR = 2
#: Those that are open; they go on in the child of a fork.
_open: "List[watch]" = []
_prepared = False


class watch:
    """Tells of each hold of the GIL that lasts for `hold` or longer while others wait for it:
    once while it lasts, with the thread and the code that hold it, and once when it is over.

        gilprof.watch(hold="100ms")                         # on standard error
        gilprof.watch(hold="100ms", log="/var/log/app/stalls.log")
        with gilprof.watch(hold="100ms", callback=report): ...

    log: a path, to the end of which is written, or an open file. Nobody needs the GIL for
    that: it is written while the hold lasts. What a full pipe does not take is left out and
    counted.
    callback: is called with each Stall, on a thread of its own. It is Python, and so has to
    wait for the GIL like everybody else: until the hold is over, or a little longer.

    It goes on until close() or the end of the process, in the children of its forks, too. The
    process is recorded meanwhile; options are those of gilprof.start().
    """

    def __init__(
        self,
        hold: str = "100ms",
        *,
        callback: "Optional[Callable[[Stall], object]]" = None,
        log: "Optional[_Log]" = None,
        **options: "Union[int, str]",
    ) -> None:
        if callback is not None and not callable(callback):
            raise OptionError(f"callback: {callback!r} is not allowed: a function")
        self._hold_ns = duration_ns("watch hold", hold)
        self._callback = callback
        # The child of a fork opens it anew.
        self._log = log if log is not None or callback is not None else _STANDARD_ERROR
        self._watch: "Optional[Watch]" = None
        self._thread: "Optional[threading.Thread]" = None
        self._session: "Optional[Session]" = _recording.open_session(options)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise
        _prepare()
        _open.append(self)

    def _begin(self) -> None:
        from gilprof import _native

        if self._session is None:
            return
        told = self._callback is not None
        log, is_ours = _descriptor(self._log)
        try:
            self._watch = _native.Watch(self._session, self._hold_ns, log=log, told=told)
        finally:
            if is_ours and log is not None:
                os.close(log)
        if told:
            self._thread = threading.Thread(target=self._call, name="gilprof-watch", daemon=True)
            self._thread.start()

    def _call(self) -> None:
        watch, callback = self._watch, self._callback
        while watch is not None and callback is not None:
            stall = watch.next()
            if stall is None:
                return
            try:
                callback(stall)
            except Exception:
                import logging

                logging.getLogger("gilprof.watch").exception("the callback for stalls failed")

    def close(self) -> None:
        """Nothing is told any more. May be called again, and by the callback."""
        if self in _open:
            _open.remove(self)
        watch, self._watch = self._watch, None
        thread, self._thread = self._thread, None
        session, self._session = self._session, None
        if watch is not None:
            watch.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join()
        if session is not None:
            _recording.discard_session(session)

    def __enter__(self) -> "watch":
        return self

    def __exit__(
        self,
        kind: "Optional[Type[BaseException]]",
        error: "Optional[BaseException]",
        traceback: "Optional[TracebackType]",
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<watch {'closed' if self._session is None else 'open'}>"


def _descriptor(log: "Union[_Log, int, None]") -> "Tuple[Optional[int], bool]":
    """The file to write to, and whether it was opened here."""
    if log is None or isinstance(log, int):
        return log, False
    if hasattr(log, "fileno"):
        return log.fileno(), False
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    return os.open(log, flags, 0o644), True


def _prepare() -> None:
    """What is registered for good, after what a recording registers."""
    global _prepared
    if not _prepared:
        _prepared = True
        import atexit

        os.register_at_fork(after_in_child=_in_child)
        atexit.register(_at_exit)


def _in_child() -> None:
    for one in list(_open):
        try:
            one._begin()
        except Exception:
            # The child runs on, and is not watched: it is not recorded either.
            pass


def _at_exit() -> None:
    """No thread of ours may be in native code when Python ends."""
    while _open:
        try:
            _open[-1].close()
        except Exception:
            pass
