"""What has to happen around os.fork()."""

import os
import threading

from gilprof import _native

_registered = False
#: What `gilprof run` has set, where it has started the recording.
_variable = ""


def watch(*, variable: str = "") -> None:
    """From now on, forks are followed: a child records itself and itself only."""
    global _registered, _variable
    _variable = variable or _variable
    if not _registered:
        _registered = True
        os.register_at_fork(
            before=_native.before_fork,
            after_in_parent=_native.after_fork_in_parent,
            after_in_child=_in_child,
        )


def _in_child() -> None:
    _native.after_fork_in_child()
    if _variable and not _native.is_running():
        try:
            _native.in_followed_child(_variable)
        except Exception:
            # The child runs without being recorded; its parent's report has no row of it.
            pass
    if _native.is_running():
        _native.name_this_thread(threading.current_thread().name)
