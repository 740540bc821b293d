"""A recording that each process has for itself."""

import os
import threading
import weakref

import gilprof

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional, Union

_all: "weakref.WeakSet[PerProcess]" = weakref.WeakSet()


class PerProcess:
    """A recording of the process that asks for it, from when it asks first. In the child of a
    fork it begins anew. Options are those of gilprof.start()."""

    def __init__(self, **options: "Union[int, str]") -> None:
        self._options = options
        self._pid = 0
        self._recording: "Optional[gilprof.profile]" = None
        self._new_lock()
        _all.add(self)

    def has_begun(self) -> bool:
        """Whether this process is being recorded for it."""
        return self._recording is not None and self._pid == os.getpid()

    def begin(self) -> "gilprof.profile":
        """The recording of this process."""
        with self.lock:
            if self._recording is None or self._pid != os.getpid():
                inherited, self._recording = self._recording, None
                if inherited is not None:
                    _end(inherited)
                fresh = gilprof.profile(**self._options)
                fresh.__enter__()
                self._pid, self._recording = os.getpid(), fresh
            return self._recording

    def snapshot(self) -> "gilprof.Profile":
        """What this process went through since it was recorded first."""
        return self.begin().snapshot()

    def renew(self) -> "Optional[gilprof.Profile]":
        """What it went through since this was asked last; the recording goes on without a
        gap. None where there is none."""
        with self.lock:
            if self._recording is None or self._pid != os.getpid():
                return None
            return self._recording.lap()

    def end(self) -> None:
        """Ends it. Who asks for it again begins another."""
        with self.lock:
            recording, self._recording = self._recording, None
        if recording is not None:
            _end(recording)

    def _new_lock(self) -> None:
        """A thread that the child of a fork does not have may hold the old one."""
        #: Also for what is done with the recording.
        self.lock = threading.RLock()


def _end(recording: "gilprof.profile") -> None:
    try:
        recording.__exit__(None, None, None)
    except gilprof.NotRunningError:
        # The child of a fork has not inherited it.
        pass


def _in_child() -> None:
    for one in list(_all):
        one._new_lock()


os.register_at_fork(after_in_child=_in_child)
