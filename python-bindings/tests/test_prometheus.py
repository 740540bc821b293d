"""Metrics for Prometheus: gilprof.prometheus."""

import ctypes
import threading
import time

import pytest

prometheus_client = pytest.importorskip("prometheus_client")
from prometheus_client.openmetrics.parser import text_string_to_metric_families  # noqa: E402

import gilprof  # noqa: E402
from gilprof.prometheus import EDGES, Collector, buckets  # noqa: E402

usleep_holding = ctypes.PyDLL(None).usleep


@pytest.fixture
def registry():
    collector = Collector()
    registry = prometheus_client.CollectorRegistry()
    registry.register(collector)
    yield registry
    collector.close()


def contend():
    """About 100 ms of waiting, in one wait: a thread that comes back to the GIL every
    millisecond, and another that keeps it for longer."""
    ready, done = threading.Event(), threading.Event()

    def come_back():
        ready.set()
        while not done.is_set():
            time.sleep(0.001)

    thread = threading.Thread(target=come_back)
    thread.start()
    ready.wait()
    usleep_holding(120_000)
    done.set()
    thread.join()


def value(registry, name, **labels):
    return registry.get_sample_value(name, {"interpreter": "0", **labels})


def test_counters_are_those_of_the_profile(registry):
    contend()
    before = gilprof.snapshot().gils[0]
    waited = value(registry, "python_gil_wait_seconds_total")
    held = value(registry, "python_gil_hold_seconds_total")
    after = gilprof.snapshot().gils[0]
    assert 0.1 <= waited and before.waiting_ns / 1e9 <= waited <= after.waiting_ns / 1e9
    assert before.holding_ns / 1e9 <= held <= after.holding_ns / 1e9
    for name in ("waits", "acquisitions", "drop_requests", "switches"):
        assert value(registry, f"python_gil_{name}_total") > 0


def test_counters_never_go_back(registry):
    names = ["wait_seconds", "hold_seconds", "waits", "acquisitions"]
    last = [0.0] * len(names)
    for _ in range(5):
        contend()
        now = [value(registry, f"python_gil_{name}_total") for name in names]
        assert all(new > old for new, old in zip(now, last))
        last = now


def test_histograms_count_each_wait_once(registry):
    contend()
    profile = gilprof.snapshot()
    name = "python_gil_wait_duration_seconds"
    counts = [value(registry, f"{name}_bucket", le=str(edge)) for edge in (*EDGES, "+Inf")]
    assert counts == sorted(counts)
    assert counts[-1] == value(registry, f"{name}_count") >= profile.gils[0].wait.count
    # The long one is above 0.1 s, and no other is.
    assert value(registry, f"{name}_bucket", le="0.25") - value(registry, f"{name}_bucket", le="0.05") >= 1
    assert value(registry, f"{name}_sum") == pytest.approx(
        value(registry, "python_gil_wait_seconds_total"), rel=0.2
    )


def test_buckets_are_those_of_the_distribution():
    with gilprof.profile() as p:
        contend()
    wait = p.gils[0].wait
    found = dict(buckets(wait))
    assert found["+Inf"] == wait.count
    assert found["0.05"] <= sum(count for low, _, count in wait.buckets() if low <= 0.05 * 1e9)


def test_the_text_is_openmetrics(registry):
    contend()
    from prometheus_client.openmetrics.exposition import generate_latest

    families = {one.name: one for one in text_string_to_metric_families(generate_latest(registry).decode())}
    assert families["python_gil_wait_seconds"].type == "counter"
    assert families["python_gil_hold_duration_seconds"].type == "histogram"
    assert families["python_gil_enabled"].samples[0].value == 1
    assert families["python_gil_switch_interval_seconds"].samples[0].value == pytest.approx(0.005)
    assert families["gilprof_events_dropped"].samples[0].value == 0


def test_who_closes_it_ends_the_recording():
    collector = Collector()
    assert gilprof.is_running()
    collector.close()
    assert not gilprof.is_running()
    assert list(collector.collect()) and gilprof.is_running()
    collector.close()


def test_a_child_has_numbers_of_its_own(python):
    done = python("""
import os, sys
import prometheus_client
import gilprof.prometheus

registry = prometheus_client.CollectorRegistry()
registry.register(gilprof.prometheus.Collector())
for _ in range(200):
    os.stat(".")
value = lambda: registry.get_sample_value("python_gil_acquisitions_total", {"interpreter": "0"})
assert value() >= 200
child = os.fork()
if child == 0:
    assert value() < 200, value()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0 and value() >= 200
print("done")
""")
    assert done.stdout == "done\n"
