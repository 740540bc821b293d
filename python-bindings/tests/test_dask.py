"""Dask's clusters, where `distributed` is installed: gilprof.dask."""

import ctypes
import sys
import time

import pytest

import gilprof

distributed = pytest.importorskip("distributed")
import gilprof.dask  # noqa: E402
from gilprof.compat import gilknocker  # noqa: E402


def hold(seconds):
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.fixture(scope="module")
def client():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, processes=True, dashboard_address=None
    ) as cluster:
        with distributed.Client(cluster) as client:
            yield client


def test_the_workers_of_a_cluster_are_one_profile_with_a_row_each(client):
    with gilprof.dask.profile(client) as p:
        client.gather(client.map(hold, [0.2] * 8, pure=False))
    assert len(p.result.processes) == 2
    assert p.result.imbalances() == []
    assert 1.4e9 <= p.result.holding_ns <= 3e9
    assert any("hold" in (site.stack or [None])[0].function for site in p.result.sites("blame") if site.stack)
    with pytest.raises(gilprof.NotRunningError, match="none of 2 workers"):
        gilprof.dask.snapshot(client)


def test_a_plugin_records_from_when_it_is_registered(client):
    client.register_plugin(gilprof.dask.GilPlugin())
    try:
        before = gilprof.dask.snapshot(client)
        client.gather(client.map(spin, [0.1] * 4, pure=False))
        after = gilprof.dask.snapshot(client)
    finally:
        client.unregister_worker_plugin("gilprof")
    assert after.wall_ns > before.wall_ns and after.holding_ns > before.holding_ns


@pytest.mark.parametrize("work, seconds", [(hold, 0.2), (hold, 0.6), (hold, 1.5), (spin, 1.5)])
def test_the_monitor_of_a_worker_says_that_the_gil_is_held(monkeypatch, work, seconds):
    """The cases of dask/distributed#8557, shorter."""
    monkeypatch.delitem(sys.modules, "gilknocker", raising=False)
    gilknocker.install()
    from distributed.system_monitor import SystemMonitor

    monitor = SystemMonitor(monitor_gil_contention=True)
    try:
        monitor.update()
        work(seconds)
        assert monitor.update()["gil_contention"] >= 0.99
        time.sleep(0.5)
        assert monitor.update()["gil_contention"] <= 0.1
    finally:
        monitor.close()
        monkeypatch.delitem(sys.modules, "gilknocker", raising=False)
