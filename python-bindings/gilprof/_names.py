"""Threads get the names that Python has for them, and keep them after their end."""

import os
import threading

from gilprof import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional, Tuple

    _Hook = Callable[[threading.Thread], None]

#: What threading.Thread runs in each new thread, at its start, in Python 3.8
#: and newer. Private, so it may be missing one day; then threads are named
#: when a profile is taken, if they live that long.
_HOOK = "_set_native_id"

#: What we put there, and what was there before.
_installed: "Optional[Tuple[_Hook, _Hook]]" = None


def watch() -> None:
    """From now on, new threads name themselves."""
    global _installed
    original = threading.Thread.__dict__.get(_HOOK)
    if _installed is None and original is not None:
        _installed = (_naming(original), original)
        setattr(threading.Thread, _HOOK, _installed[0])


def _naming(original: "_Hook") -> "_Hook":
    # A thread may be in here long after we were taken away: nothing that it needs
    # may change.
    def set_native_id(self: threading.Thread) -> None:
        original(self)
        _native.name_this_thread(self._name)  # type: ignore[attr-defined]

    return set_native_id


def unwatch() -> None:
    """Puts back what was there, unless somebody has put theirs over ours."""
    global _installed
    if _installed is None:
        return
    ours, original = _installed
    if threading.Thread.__dict__.get(_HOOK) is ours:
        setattr(threading.Thread, _HOOK, original)
        _installed = None


def living() -> "List[Tuple[int, str]]":
    """The kernel's number and the name of each thread Python knows of."""
    numbered = [(_native_id(one), one.name) for one in threading.enumerate()]
    return [(native_id, name) for native_id, name in numbered if native_id is not None]


def _native_id(thread: threading.Thread) -> "Optional[int]":
    """The kernel's number of a thread.

    After a fork, Python's main thread still has the number it had in the parent
    (threading._after_fork, 3.9 to 3.13).
    """
    if thread is threading.main_thread() and not _is_ours(thread.native_id):
        return os.getpid()
    return thread.native_id


def _is_ours(native_id: "Optional[int]") -> bool:
    return os.path.exists(f"/proc/self/task/{native_id}")


def refresh() -> None:
    """Names all living threads as they are called now."""
    for native_id, name in living():
        _native.name_thread(native_id, name)
