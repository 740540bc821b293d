"""gilknocker's interface, with exact numbers.

gilknocker asks for the GIL now and then, and tells which part of the time it had to wait.
So it is said too much of a GIL that changes hands, and too little of one that is held in one
go for longer than it asks. What it is after is known exactly here: in which part of the time
a thread that wants the GIL does not get it, as somebody holds it or is about to.

    from gilprof.compat.gilknocker import KnockKnock

    knocker = KnockKnock()
    knocker.start()
    ...
    knocker.contention_metric   # 0.0 to 1.0
    knocker.reset_contention_metric()
    knocker.stop()

`install()` gives it to programs that import gilknocker themselves, as Dask's `distributed`
does for its monitors.
"""

import sys
import threading

import gilprof

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

__version__ = gilprof.__version__


class KnockKnock:
    """Tells in which part of the time the GIL was not to be had, since the start or the last
    reset."""

    def __init__(
        self,
        polling_interval_micros: "Optional[int]" = None,
        sampling_interval_micros: "Optional[int]" = None,
        sleeping_interval_micros: "Optional[int]" = None,
    ) -> None:
        """The intervals are gilknocker's: nothing is polled here, and they change nothing."""
        self._lock = threading.Lock()
        self._recording: "Optional[gilprof.profile]" = None
        #: The numbers at the last reset.
        self._before = (0, 0)
        #: What is told once it has stopped.
        self._last = 0.0

    def start(self) -> None:
        """Begins to record, or begins anew; other recordings of this process are shared."""
        with self._lock:
            self._stop()
            self._before = (0, 0)
            self._recording = gilprof.profile()
            self._recording.__enter__()

    @property
    def is_running(self) -> bool:
        """Whether it records."""
        return self._recording is not None

    @property
    def contention_metric(self) -> float:
        """The part of the time, 0 to 1, in which the GIL was not to be had, since the start or
        the last reset; after stop(), up to that."""
        with self._lock:
            return self._part()

    def reset_contention_metric(self, timeout: "Optional[float]" = None) -> None:
        """Begins anew, without a gap; after stop(), 0.0 is told from then on."""
        with self._lock:
            self._last = 0.0
            if self._recording is not None:
                self._before = self._now(self._recording)

    def stop(self, timeout: "Optional[float]" = None) -> None:
        """Ends the recording, if it is this one's; again is no error."""
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        if self._recording is not None:
            self._last = self._part()
            recording, self._recording = self._recording, None
            recording.__exit__(None, None, None)

    def _part(self) -> float:
        if self._recording is None:
            return self._last
        held, passed = self._now(self._recording)
        held, passed = held - self._before[0], passed - self._before[1]
        return min(1.0, max(0.0, held / passed)) if passed > 0 else 0.0

    @staticmethod
    def _now(recording: "gilprof.profile") -> "tuple[int, int]":
        """How long the main GIL was not to be had since the start, and how long that is."""
        profile = recording.snapshot()
        held = [gil.holding_ns + gil.passing_ns for gil in profile.gils if gil.index == 0]
        return sum(held), profile.wall_ns


def install() -> None:
    """From now on `import gilknocker` gives this module, in this process."""
    sys.modules["gilknocker"] = sys.modules[__name__]
