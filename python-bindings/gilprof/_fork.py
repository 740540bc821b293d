"""What has to happen around os.fork()."""

import os
import threading

from gilprof import _native

_registered = False


def watch() -> None:
    """From now on, forks are followed: a child records itself and itself only."""
    global _registered
    if not _registered:
        _registered = True
        os.register_at_fork(
            before=_native.before_fork,
            after_in_parent=_native.after_fork_in_parent,
            after_in_child=_in_child,
        )


def _in_child() -> None:
    _native.after_fork_in_child()
    if _native.is_running():
        _native.name_this_thread(threading.current_thread().name)
