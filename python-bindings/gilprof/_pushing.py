"""Metrics for who wants increments: what pushes to statsd and to prometheus_client share."""

import logging
import os
import threading

from gilprof._errors import NotRunningError, OptionError
from gilprof._per_process import PerProcess
from gilprof._units import duration_ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Dict, Optional, Type, Union

    import gilprof

    _Number = Union[int, float]

#: What cannot be sent is told here, once.
log = logging.getLogger("gilprof.metrics")


class Pushing:
    """Sends what counters have gone up by, and what gauges are, whenever it is asked to; with
    an interval, a daemon thread asks, and the first time is at once. The values of all
    interpreters are summed."""

    def __init__(self, interval: "Optional[str]", options: "Dict[str, Union[int, str]]") -> None:
        seconds = None if interval is None else duration_ns("interval", interval) / 1e9
        if seconds == 0:
            raise OptionError(f"interval: {interval!r} is not allowed: more than 0")
        self._recording = PerProcess(**options)
        self._recording.begin()
        #: The numbers that were sent, and of which recording.
        self._sent: "Dict[str, _Number]" = {}
        self._sent_of = ""
        self._has_failed = False
        self._pid = os.getpid()
        self._over = threading.Event()
        self._thread: "Optional[threading.Thread]" = None
        if seconds is not None:
            self.push()
            self._thread = threading.Thread(
                target=self._push_every, args=(seconds,), name="gilprof-push", daemon=True
            )
            self._thread.start()

    def push(self) -> None:
        """Sends what is new. What could not be sent is sent the next time. In the child of a
        fork the numbers are the child's own."""
        with self._recording.lock:
            profile = self._recording.snapshot()
            if profile.recording != self._sent_of:
                self._sent_of, self._sent = profile.recording, {}
            for metric in profile.metrics():
                values = [point.value for point in metric.points if point.value is not None]
                if metric.kind != "histogram":
                    self._try(metric, sum(values))

    def close(self) -> None:
        """Sends a last time, and ends the recording."""
        if self._over.is_set():
            return
        # A thread that the child of a fork does not have may hold the lock of the event.
        if self._pid == os.getpid():
            self._over.set()
            if self._thread is not None:
                self._thread.join()
        self.push()
        self._recording.end()

    def __enter__(self) -> "Pushing":
        return self

    def __exit__(
        self,
        kind: "Optional[Type[BaseException]]",
        error: "Optional[BaseException]",
        traceback: "Optional[TracebackType]",
    ) -> None:
        self.close()

    def _push_every(self, seconds: float) -> None:
        while not self._over.wait(seconds):
            try:
                self.push()
            except NotRunningError:
                # The process is about to end.
                return

    def _try(self, metric: "gilprof.Metric", value: "_Number") -> None:
        more = value - self._sent.get(metric.name, 0) if metric.kind == "counter" else value
        try:
            self._send(metric, max(0, more))
        except Exception:
            if not self._has_failed:
                self._has_failed = True
                log.exception("%s could not be sent; it is not said again", metric.name)
        else:
            self._sent[metric.name] = value

    def _send(self, metric: "gilprof.Metric", value: "_Number") -> None:
        raise NotImplementedError
