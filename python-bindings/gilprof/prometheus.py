"""Prometheus: the GIL's numbers as metrics, through prometheus_client.

    import prometheus_client
    import gilprof.prometheus

    prometheus_client.REGISTRY.register(gilprof.prometheus.Collector())

Counters go up from the collector's start on; what Prometheus makes of them are rates:
`rate(python_gil_wait_seconds_total[1m])` is how many threads wait at an average instant.
"""

import os
import threading

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

import gilprof

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Iterator, List, Optional, Tuple, Union

    _Family = Union[CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily]

#: Upper edges of the histograms, in seconds; one is the default switch interval.
EDGES = (1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0)


class Collector:
    """Records this process, and gives what it went through since, to each scrape.

    Each process has numbers of its own: after a fork, the child's begin with its first
    scrape.
    """

    def __init__(self, **options: "Union[int, str]") -> None:
        self._options = options
        self._pid = 0
        self._recording: "Optional[gilprof.profile]" = None
        self._new_lock()
        os.register_at_fork(after_in_child=self._new_lock)
        self._start()

    def _new_lock(self) -> None:
        """A thread that the child of a fork does not have may hold the old one."""
        self._lock = threading.Lock()

    def _start(self) -> "gilprof.profile":
        with self._lock:
            if self._recording is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._recording = gilprof.profile(**self._options)
                self._recording.__enter__()
            return self._recording

    def close(self) -> None:
        """Ends the recording. The next scrape begins another."""
        with self._lock:
            recording, self._recording = self._recording, None
        if recording is not None:
            recording.__exit__(None, None, None)

    def describe(self) -> "List[_Family]":
        """Nothing is read to learn the names: prometheus_client asks when it registers."""
        return [CounterMetricFamily(name, text) for name, text, _ in _COUNTERS]

    def collect(self) -> "Iterator[_Family]":
        """What prometheus_client asks for at each scrape."""
        profile = self._start().snapshot()
        for name, text, value in _COUNTERS:
            counter = CounterMetricFamily(name, text, labels=["interpreter"])
            for gil in profile.gils:
                counter.add_metric([_interpreter(gil)], value(gil))
            yield counter
        for name, text, part in (
            ("python_gil_wait_duration_seconds", "How long threads waited for the GIL.", "wait"),
            ("python_gil_hold_duration_seconds", "How long the GIL was held at a time.", "hold"),
        ):
            histogram = HistogramMetricFamily(name, text, labels=["interpreter"])
            for gil in profile.gils:
                durations = getattr(gil, part)
                histogram.add_metric(
                    [_interpreter(gil)], buckets(durations), durations.total_ns / 1e9
                )
            yield histogram
        waiting = sum(thread.state == "waiting" for thread in profile.threads)
        yield GaugeMetricFamily(
            "python_gil_waiting_threads", "How many threads wait for a GIL now.", waiting
        )
        yield GaugeMetricFamily(
            "python_gil_enabled",
            "Whether this Python runs with a GIL.",
            float(all(gil.enabled is not False for gil in profile.gils)),
        )
        yield GaugeMetricFamily(
            "python_gil_switch_interval_seconds",
            "After how long a waiter asks the holder to let go.",
            profile.switch_interval_ns / 1e9,
        )
        yield CounterMetricFamily(
            "gilprof_events_dropped_total",
            "Events that were lost: sums stay exact, who waited for whom does not.",
            profile.dropped,
        )
        if profile.overhead_ns is not None:
            yield CounterMetricFamily(
                "gilprof_overhead_seconds_total",
                "CPU time that recording took, as estimated.",
                profile.overhead_ns / 1e9,
            )


#: The names, the texts, and the numbers of a GIL.
_COUNTERS: "Tuple[Tuple[str, str, Callable[[gilprof.Gil], Any]], ...]" = (
    (
        "python_gil_wait_seconds_total",
        "Time that threads waited for the GIL, summed over the threads.",
        lambda gil: gil.waiting_ns / 1e9,
    ),
    (
        "python_gil_hold_seconds_total",
        "Time that a thread held the GIL.",
        lambda gil: gil.holding_ns / 1e9,
    ),
    (
        "python_gil_waits_total",
        "How often a thread waited for the GIL.",
        lambda gil: gil.wait.count,
    ),
    (
        "python_gil_acquisitions_total",
        "How often a thread got the GIL.",
        lambda gil: gil.acquisitions,
    ),
    (
        "python_gil_drop_requests_total",
        "How often a waiter asked the holder to let go.",
        lambda gil: gil.drop_requests,
    ),
    (
        "python_gil_switches_total",
        "How often another thread got the GIL than had it last.",
        lambda gil: gil.switches,
    ),
)


def _interpreter(gil: "gilprof.Gil") -> str:
    return str(gil.index if gil.interpreter_id is None else gil.interpreter_id)


def buckets(durations: "gilprof.Distribution") -> "List[Tuple[str, int]]":
    """The counts up to each edge, as histograms have them. One of ours that an edge divides
    counts above it: it is known to 1.6 %."""
    counts = [0] * (len(EDGES) + 1)
    for _low_ns, high_ns, count in durations.buckets():
        place = next((at for at, edge in enumerate(EDGES) if high_ns <= edge * 1e9), len(EDGES))
        counts[place] += count
    found, so_far = [], 0
    for edge, count in zip((*map(str, EDGES), "+Inf"), counts):
        so_far += count
        found.append((edge, so_far))
    return found
