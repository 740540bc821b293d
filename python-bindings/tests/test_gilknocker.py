"""gilknocker's interface: gilprof.compat.gilknocker."""

import ctypes
import sys
import threading
import time
from pathlib import Path

import pytest

import gilprof
from gilprof.compat import gilknocker
from gilprof.compat.gilknocker import KnockKnock

usleep_holding = ctypes.PyDLL(None).usleep
usleep = ctypes.CDLL(None).usleep


@pytest.fixture
def knocker():
    one = KnockKnock(polling_interval_micros=1000)
    yield one
    one.stop()


def in_a_thread(work):
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def spin(seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@pytest.mark.parametrize("seconds", [0.1, 0.4])
def test_one_long_native_hold_is_contention(knocker, seconds):
    began = time.monotonic()
    knocker.start()
    in_a_thread(lambda: usleep_holding(int(seconds * 1e6)))
    held = seconds / (time.monotonic() - began)
    assert knocker.contention_metric >= 0.95 * held


def test_a_loop_of_python_is_contention(knocker):
    knocker.start()
    in_a_thread(lambda: spin(0.5))
    assert knocker.contention_metric >= 0.95


def test_native_code_that_lets_go_is_none(knocker):
    knocker.start()
    in_a_thread(lambda: usleep(500_000))
    assert knocker.contention_metric <= 0.1


def test_after_a_reset_what_came_before_does_not_count(knocker):
    knocker.start()
    usleep_holding(200_000)
    assert knocker.contention_metric >= 0.9
    knocker.reset_contention_metric()
    time.sleep(0.3)
    assert knocker.contention_metric <= 0.1


def test_it_starts_and_stops_as_the_original(knocker):
    assert not knocker.is_running and knocker.contention_metric == 0.0
    knocker.start()
    assert knocker.is_running and gilprof.is_running()
    usleep_holding(100_000)
    knocker.stop(timeout=5)
    last = knocker.contention_metric
    assert not knocker.is_running and not gilprof.is_running() and last > 0.5
    time.sleep(0.1)
    assert knocker.contention_metric == last
    knocker.stop()
    knocker.start()
    time.sleep(0.1)
    assert knocker.contention_metric < 0.5


def test_a_reset_of_one_that_does_not_run_is_no_error(knocker):
    """A monitor of distributed's is asked on when its server is closed."""
    knocker.reset_contention_metric()
    knocker.start()
    usleep_holding(50_000)
    knocker.stop()
    assert knocker.contention_metric > 0.5
    knocker.reset_contention_metric()
    assert not knocker.is_running and knocker.contention_metric == 0.0


def test_it_shares_the_recording_of_others(knocker):
    with gilprof.profile():
        usleep_holding(200_000)
        knocker.start()
        time.sleep(0.2)
        assert knocker.contention_metric <= 0.2


def test_programs_that_import_gilknocker_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gilknocker", None)
    gilknocker.install()
    import gilknocker as imported

    assert imported.KnockKnock is KnockKnock and imported.__version__


def test_a_folder_in_the_path_gives_it_to_every_process(python):
    folder = Path(__file__).resolve().parents[2] / "tests" / "gilknocker"
    source = "import gilknocker; print(gilknocker.KnockKnock.__module__)"
    assert python(source, PYTHONPATH=str(folder)).stdout == "gilprof.compat.gilknocker\n"
