"""Threads get the names that Python has for them, and keep them after their end."""

import threading

from gilprof import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Tuple

#: What threading.Thread runs in each new thread, at its start, in Python 3.8
#: and newer. Private, so it may be missing one day; then threads are named
#: when a profile is taken, if they live that long.
_HOOK = "_set_native_id"

_original: "Any" = None


def _named(self: threading.Thread) -> None:
    _original(self)
    _native.name_this_thread(self._name)  # type: ignore[attr-defined]


def watch() -> None:
    """From now on, new threads name themselves."""
    global _original
    if _original is None:
        _original = threading.Thread.__dict__.get(_HOOK)
        if _original is not None:
            setattr(threading.Thread, _HOOK, _named)


def unwatch() -> None:
    """Puts back what was there, unless somebody has put theirs over ours."""
    global _original
    if threading.Thread.__dict__.get(_HOOK) is _named:
        setattr(threading.Thread, _HOOK, _original)
        _original = None


def living() -> "List[Tuple[int, str]]":
    """The kernel's number and the name of each thread Python knows of."""
    threads = threading.enumerate()
    return [(t.native_id, t.name) for t in threads if t.native_id is not None]


def refresh() -> None:
    """Names all living threads as they are called now."""
    for native_id, name in living():
        _native.name_thread(native_id, name)
