"""OpenTelemetry: the GIL's numbers as instruments of a meter.

    import gilprof.opentelemetry

    instruments = gilprof.opentelemetry.Instruments()

They are observed whenever the program's OpenTelemetry SDK collects, by its exporter's
interval for example. The names are proposals: OpenTelemetry has none for the GIL yet.
"""

import time
from collections import Counter

from opentelemetry import metrics
from opentelemetry.metrics import Observation

import gilprof
from gilprof._per_process import PerProcess

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Dict, Iterable, List, Optional, Set, Union

    from opentelemetry.metrics import CallbackOptions, Meter

    _Callback = Callable[[CallbackOptions], Iterable[Observation]]

#: Instruments that are collected at the same time tell of the same snapshot: one that is no
#: older, and that none of them has told of yet.
_SHARED_NS = 1_000_000_000

#: Counters, by their names here: which metric they are, and their units.
_COUNTERS = {
    "cpython.gil.wait.time": ("python_gil_wait_seconds", "s"),
    "cpython.gil.hold.time": ("python_gil_hold_seconds", "s"),
    "cpython.gil.contentions": ("python_gil_waits", "{contention}"),
}
_STATES = ("holding", "waiting", "detached")


class Instruments:
    """Records this process, and has a meter observe it: cpython.gil.wait.time,
    cpython.gil.hold.time, cpython.gil.contentions and cpython.gil.thread.count.

    Each process has numbers of its own: after a fork, the child's begin when they are
    observed first. Options are those of gilprof.start().
    """

    def __init__(self, meter: "Optional[Meter]" = None, **options: "Union[int, str]") -> None:
        self._recording = PerProcess(**options)
        self._recording.begin()
        self._is_closed = False
        self._profile: "Optional[gilprof.Profile]" = None
        #: Those of the snapshot, by their names.
        self._metrics: "Dict[str, gilprof.Metric]" = {}
        self._taken_ns = 0
        self._told: "Set[str]" = set()
        self._make(meter or metrics.get_meter("gilprof", gilprof.__version__))

    def close(self) -> None:
        """Ends the recording. The instruments stay, and have nothing to tell."""
        self._is_closed = True
        self._profile = None
        self._recording.end()

    def _make(self, meter: "Meter") -> None:
        helps = {metric.name: metric.help for metric in self._recording.snapshot().metrics()}
        for name, (metric, unit) in _COUNTERS.items():
            meter.create_observable_counter(
                name, [self._counter(name, metric)], unit=unit, description=helps[metric]
            )
        meter.create_observable_up_down_counter(
            "cpython.gil.thread.count",
            [self._threads],
            unit="{thread}",
            description="How many threads there are, by what they do with the GIL.",
        )

    def _counter(self, name: str, metric: str) -> "_Callback":
        def observe(_options: "CallbackOptions") -> "List[Observation]":
            if self._snapshot(name) is None or metric not in self._metrics:
                return []
            return [
                Observation(point.value or 0, {"cpython.gil.interpreter": int(value)})
                for point in self._metrics[metric].points
                for _, value in point.labels
            ]

        return observe

    def _threads(self, _options: "CallbackOptions") -> "List[Observation]":
        profile = self._snapshot("cpython.gil.thread.count")
        if profile is None:
            return []
        states: "Dict[str, int]" = Counter(
            thread.state for thread in profile.threads if not thread.ended
        )
        return [Observation(states[state], {"cpython.gil.state": state}) for state in _STATES]

    def _snapshot(self, name: str) -> "Optional[gilprof.Profile]":
        """What the instrument of this name has not told of yet."""
        if self._is_closed:
            return None
        now = time.monotonic_ns()
        if self._profile is None or name in self._told or now - self._taken_ns > _SHARED_NS:
            self._profile, self._taken_ns = self._recording.snapshot(), now
            self._metrics = {metric.name: metric for metric in self._profile.metrics()}
            self._told.clear()
        self._told.add(name)
        return self._profile
