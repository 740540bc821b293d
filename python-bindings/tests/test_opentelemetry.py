"""Instruments of OpenTelemetry: gilprof.opentelemetry."""

import threading

import gilprof
import pytest
import workloads
from forked import holds_in_a_child

pytest.importorskip("opentelemetry.sdk")
from gilprof.opentelemetry import Instruments  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: E402


@pytest.fixture
def reader():
    """Collects what a program with gilprof's instruments tells."""
    reader = InMemoryMetricReader()
    provider = MeterProvider(metric_readers=[reader])
    reader.instruments = Instruments(provider.get_meter("test"))
    yield reader
    reader.instruments.close()
    provider.shutdown()


def collected(reader):
    """The metrics by their names, and the points of each by the value of its attribute."""
    data = reader.get_metrics_data()
    found = {}
    for resource in data.resource_metrics if data else []:
        for scope in resource.scope_metrics:
            # The SDK has metrics of its own.
            for metric in scope.metrics if scope.scope.name == "test" else []:
                points = {}
                for point in metric.data.data_points:
                    ((_name, value),) = point.attributes.items()
                    points[value] = point.value
                found[metric.name] = metric, points
    return found


def test_counters_are_those_of_the_profile(reader):
    workloads.spinning(2)
    before = gilprof.snapshot().gils[0]
    found = collected(reader)
    after = gilprof.snapshot().gils[0]
    for name, field in [("wait", "waiting_ns"), ("hold", "holding_ns")]:
        metric, points = found[f"cpython.gil.{name}.time"]
        assert metric.unit == "s" and metric.description
        low, high = getattr(before, field) / 1e9, getattr(after, field) / 1e9
        assert 0 < low <= points[0] <= high
    metric, points = found["cpython.gil.contentions"]
    assert metric.unit == "{contention}"
    assert 0 < before.wait.count <= points[0] <= after.wait.count


def test_threads_are_counted_by_their_state(reader):
    over, ready = threading.Event(), threading.Event()

    def wait():
        ready.set()
        over.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    ready.wait()
    metric, points = collected(reader)["cpython.gil.thread.count"]
    over.set()
    thread.join()
    assert metric.unit == "{thread}"
    assert set(points) == {"holding", "waiting", "detached"}
    assert sum(points.values()) >= 2


def test_each_collection_tells_of_one_fresh_snapshot(reader, monkeypatch):
    taken = []
    recording = reader.instruments._recording
    snapshot = type(recording).snapshot
    monkeypatch.setattr(
        type(recording), "snapshot", lambda self: taken.append(snapshot(self)) or taken[-1]
    )
    for count in (1, 2, 3):
        found = collected(reader)
        assert len(taken) == count
        gil = taken[-1].gils[0]
        assert found["cpython.gil.hold.time"][1][0] == gil.holding_ns / 1e9
        assert found["cpython.gil.contentions"][1][0] == gil.wait.count


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_has_numbers_of_its_own(reader):
    workloads.spinning(2)
    parents = collected(reader)["cpython.gil.wait.time"][1][0]
    assert holds_in_a_child(
        lambda: collected(reader)["cpython.gil.wait.time"][1][0] < parents
    )


def test_who_closes_them_ends_the_recording(reader):
    assert gilprof.is_running()
    reader.instruments.close()
    assert not gilprof.is_running()
    assert collected(reader) == {}
    assert not gilprof.is_running()
