"""Metrics for Prometheus: gilprof.prometheus."""

import ctypes
import threading
import time

import pytest
import scraping
from forked import holds_in_a_child

prometheus_client = pytest.importorskip("prometheus_client")
from prometheus_client.openmetrics.parser import text_string_to_metric_families  # noqa: E402
from prometheus_client.utils import floatToGoString  # noqa: E402

import gilprof  # noqa: E402
from gilprof.prometheus import Collector  # noqa: E402

usleep_holding = ctypes.PyDLL(None).usleep


@pytest.fixture
def registry():
    collector = Collector()
    registry = prometheus_client.CollectorRegistry()
    registry.register(collector)
    yield registry
    collector.close()


def contend():
    """At least 100 ms of waiting in one wait, and in addition to what there was: a thread that
    comes back to the GIL every millisecond, and another that keeps it for longer."""
    waited_ns = gilprof.snapshot().gils[0].waiting_ns
    ready, done = threading.Event(), threading.Event()

    def come_back():
        ready.set()
        while not done.is_set():
            time.sleep(0.001)

    thread = threading.Thread(target=come_back)
    thread.start()
    ready.wait()
    while True:
        usleep_holding(120_000)
        gil = gilprof.snapshot().gils[0]
        # A thread that gets no CPU does not come.
        if gil.waiting_ns - waited_ns >= 1e8 and gil.wait.max_ns >= 1e8:
            break
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
    (wait,) = (metric for metric in profile.metrics() if metric.name == name)
    edges = [floatToGoString(edge) for edge, _ in wait.points[0].buckets]
    counts = [value(registry, f"{name}_bucket", le=edge) for edge in edges]
    assert counts == sorted(counts) and edges[-1] == "+Inf"
    assert counts[-1] == value(registry, f"{name}_count") >= profile.gils[0].wait.count
    # The long one is above 0.05 s.
    assert counts[-1] - value(registry, f"{name}_bucket", le="0.05") >= 1
    assert value(registry, f"{name}_sum") == pytest.approx(
        value(registry, "python_gil_wait_seconds_total"), rel=0.2
    )


def test_the_text_is_openmetrics(registry):
    contend()
    from prometheus_client.openmetrics.exposition import generate_latest

    families = {one.name: one for one in text_string_to_metric_families(generate_latest(registry).decode())}
    assert families["python_gil_wait_seconds"].type == "counter"
    assert families["python_gil_hold_duration_seconds"].type == "histogram"
    assert families["python_gil_enabled"].samples[0].value == 1
    assert families["python_gil_switch_interval_seconds"].samples[0].value == pytest.approx(0.005)
    assert families["gilprof_events_dropped"].samples[0].value == 0


def test_its_samples_are_those_of_the_exporter(registry):
    from prometheus_client.openmetrics.exposition import generate_latest

    contend()
    with gilprof.serve_metrics("127.0.0.1:0") as exporter:
        theirs = generate_latest(registry).decode()
        ours = scraping.scrape(exporter.address)
    assert described(theirs) == described(ours)


def described(text):
    """All of a text but its numbers."""
    return {
        (family.name, family.documentation, family.type, family.unit, sample.name)
        + tuple(sorted(sample.labels.items()))
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


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


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_of_a_process_that_is_being_scraped_can_be_scraped():
    over = threading.Event()
    collector = Collector()

    def scrape():
        while not over.is_set():
            list(collector.collect())

    threads = [threading.Thread(target=scrape) for _ in range(3)]
    for one in threads:
        one.start()
    held = [holds_in_a_child(lambda: list(collector.collect())) for _ in range(20)]
    over.set()
    for one in threads:
        one.join()
    collector.close()
    assert all(held)


MULTIPROCESS = """
import os
import gilprof.prometheus
from prometheus_client import REGISTRY, CollectorRegistry, multiprocess

def value(name, **labels):
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return registry.get_sample_value(name, labels)

def worker(number, ready, go):
    with gilprof.prometheus.Multiprocess(interval=None) as written:
        for _ in range(100 * number):
            os.stat(".")
        written.push()
        told = {one.name: one for one in gilprof.snapshot().metrics()}
        os.write(ready, b"%d\\n" % told["python_gil_acquisitions"].points[0].value)
        os.read(go, 1)

# Collectors are not asked.
collector = gilprof.prometheus.Collector()
REGISTRY.register(collector)
assert value("python_gil_enabled") is None
REGISTRY.unregister(collector)
collector.close()

ready, told = os.pipe()
waits, go = os.pipe()
pids = []
for number in (1, 2):
    pid = os.fork()
    if pid == 0:
        os.close(go)
        worker(number, told, waits)
        os._exit(0)
    pids.append(pid)
os.close(told)
lines = os.fdopen(ready)
most = [int(lines.readline()) for _ in pids]
between = value("python_gil_acquisitions_total")
assert 300 <= between <= sum(most), (between, most)
assert value("python_gil_enabled") == 1
os.close(go)
for pid in pids:
    assert os.waitpid(pid, 0)[1] == 0
    multiprocess.mark_process_dead(pid)
# What the dead went through stays, and what they are does not.
assert between < value("python_gil_acquisitions_total")
assert value("python_gil_enabled") is None
"""


def test_in_multiprocess_mode_the_processes_are_summed(python, tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    python(MULTIPROCESS, PROMETHEUS_MULTIPROC_DIR=str(folder))
