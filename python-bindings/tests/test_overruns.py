"""Holds that go on after they were asked to end."""

import ctypes
import sys
import threading

import gilprof
import pytest
import workloads

# What is asserted is about time on CPUs.
pytestmark = pytest.mark.whole_cpus

if sys.version_info < (3, 13):
    import _xxsubinterpreters as interpreters
else:
    import _interpreters as interpreters


def ticking(work):
    """Runs it beside a thread that wants the GIL every millisecond; the profile."""
    over = threading.Event()

    def tick():
        while not over.wait(0.001):
            pass

    ticker = threading.Thread(target=tick, name="ticker")
    with gilprof.profile() as p:
        ticker.start()
        work()
        over.set()
        ticker.join()
    return p.result


def row(profile, name):
    return next(thread for thread in profile.threads if thread.name == name)


def test_a_call_that_keeps_the_gil_overruns_from_the_first_request_on():
    usleep = ctypes.PyDLL(None).usleep
    profile = ticking(lambda: usleep(200_000))
    main, ticker = row(profile, "MainThread"), row(profile, "ticker")
    assert main.overruns >= 1
    # The ticker comes within a millisecond and asks an interval later.
    assert 0.9 * 200e6 <= main.overrun_ns + profile.switch_interval_ns
    assert main.overrun_ns < main.holding_ns
    assert 0.9 * 200e6 <= main.overrun_caused_ns <= main.caused_ns
    assert ticker.overruns == ticker.overrun_ns == ticker.overrun_caused_ns == 0
    assert ticker.foreign_wait_ns == 0


def test_python_code_overruns_only_while_it_has_no_cpu():
    profile = ticking(lambda: workloads.spin(0.5))
    main = row(profile, "MainThread")
    without_cpu = main.holding_preempted_ns + main.holding_blocked_ns
    assert main.overrun_ns <= without_cpu + 0.05 * main.holding_ns


def test_overruns_are_in_the_window_that_they_end_in():
    usleep = ctypes.PyDLL(None).usleep

    def work():
        usleep(100_000)
        snapshots.append(gilprof.snapshot())
        workloads.spin(0.05)
        snapshots.append(gilprof.snapshot())

    snapshots = []
    ticking(work)
    first, second = snapshots
    assert row(first, "MainThread").overrun_ns > 0.8 * 100e6
    later = row(second - first, "MainThread")
    assert later.overrun_ns < 0.8 * 100e6


def legacy_interpreter():
    """An interpreter that shares the GIL."""
    if sys.version_info < (3, 12):
        return interpreters.create()
    if sys.version_info < (3, 13):
        return interpreters.create(isolated=False)
    return interpreters.create("legacy")


SPIN = """
import time
time.sleep(0)
end = time.monotonic() + 0.4
while time.monotonic() < end:
    words = [str(n) for n in range(20)]
    text = ", ".join(words).upper()
    found = {word: text.find(word) for word in words}
"""


def test_python_code_of_another_interpreter_is_asked_in_vain_until_3_12():
    interpreter = legacy_interpreter()
    try:
        profile = ticking(lambda: interpreters.run_string(interpreter, SPIN))
    finally:
        interpreters.destroy(interpreter)
    main, ticker = row(profile, "MainThread"), row(profile, "ticker")
    assert 0.8 * ticker.waiting_ns < ticker.foreign_wait_ns <= ticker.waiting_ns
    assert main.foreign_wait_ns == 0
    ids = [finding.id for finding in profile.findings]
    assert ("starved-interpreter" in ids) == (sys.version_info < (3, 13))
    if sys.version_info < (3, 13):
        assert main.overrun_ns > 0.8 * 400e6
