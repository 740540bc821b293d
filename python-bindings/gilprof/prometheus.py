"""Prometheus: the GIL's numbers as metrics, through prometheus_client.

    import prometheus_client
    import gilprof.prometheus

    prometheus_client.REGISTRY.register(gilprof.prometheus.Collector())

Counters go up from the collector's start on; what Prometheus makes of them are rates:
`rate(python_gil_wait_seconds_total[1m])` is how many threads wait at an average instant.

In the multiprocess mode of prometheus_client, where collectors do not work, Multiprocess
takes its place.
"""

import math

from prometheus_client import Counter, Gauge
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from gilprof._per_process import PerProcess
from gilprof._pushing import Pushing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Optional, Union

    import gilprof

    _Family = Union[CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily]


class Collector:
    """Records this process, and gives what it went through since, to each scrape.

    Each process has numbers of its own: after a fork, the child's begin with its first
    scrape.
    """

    def __init__(self, **options: "Union[int, str]") -> None:
        self._recording = PerProcess(**options)
        self._recording.begin()

    def close(self) -> None:
        """Ends the recording. The next scrape begins another."""
        self._recording.end()

    def describe(self) -> "List[_Family]":
        """What prometheus_client asks for when it registers the collector."""
        return list(self.collect())

    def collect(self) -> "Iterator[_Family]":
        """What prometheus_client asks for at each scrape."""
        return map(_family, self._recording.snapshot().metrics())


def _family(metric: "gilprof.Metric") -> "_Family":
    names = [name for point in metric.points[:1] for name, _ in point.labels]
    unit = metric.unit or ""
    if metric.kind == "histogram":
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=names, unit=unit)
        for point in metric.points:
            buckets = [(_edge(edge), count) for edge, count in point.buckets or ()]
            histogram.add_metric([value for _, value in point.labels], buckets, point.sum)
        return histogram
    family: "Union[CounterMetricFamily, GaugeMetricFamily]"
    if metric.kind == "counter":
        family = CounterMetricFamily(metric.name, metric.help, labels=names, unit=unit)
    else:
        family = GaugeMetricFamily(metric.name, metric.help, labels=names, unit=unit)
    for point in metric.points:
        family.add_metric([value for _, value in point.labels], point.value or 0)
    return family


def _edge(seconds: float) -> str:
    """As Go writes it, and so Prometheus and its clients do."""
    return "+Inf" if seconds == math.inf else str(seconds)


class Multiprocess(Pushing):
    """Writes the counters and gauges of each process into metrics of prometheus_client, which
    in its multiprocess mode sums them over the processes. It has no histograms: those of
    prometheus_client take single durations only.

    Make one in each worker, after the fork. Every `interval`, as in "10s", a thread writes
    what is new; close() does so a last time. Other options are those of gilprof.start().
    """

    def __init__(self, *, interval: "Optional[str]" = "10s", **options: "Union[int, str]") -> None:
        super().__init__(interval, options)

    def _send(self, metric: "gilprof.Metric", value: "Union[int, float]") -> None:
        if metric.kind == "counter":
            _counter(metric).inc(value)
        else:
            _gauge(metric).set(value)


#: The registry takes each name once.
_counters: "Dict[str, Counter]" = {}
_gauges: "Dict[str, Gauge]" = {}


def _counter(metric: "gilprof.Metric") -> Counter:
    if metric.name not in _counters:
        _counters[metric.name] = Counter(metric.name, metric.help)
    return _counters[metric.name]


def _gauge(metric: "gilprof.Metric") -> Gauge:
    """Of what can be summed the sum, of the rest the most, over the processes that live."""
    if metric.name not in _gauges:
        _gauges[metric.name] = Gauge(
            metric.name,
            metric.help,
            multiprocess_mode="livesum" if metric.name.endswith("_threads") else "livemax",
        )
    return _gauges[metric.name]
