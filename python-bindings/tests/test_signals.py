"""Signals reach the program as they would without gilprof."""

import os
import signal
import threading
import time

import gilprof
import pytest
import workloads


@pytest.fixture
def seen():
    """What a handler of SIGUSR1 has seen."""
    calls = []
    previous = signal.signal(signal.SIGUSR1, lambda *_: calls.append(threading.current_thread()))
    yield calls
    signal.signal(signal.SIGUSR1, previous)


def test_the_reader_thread_takes_no_signal():
    before = set(os.listdir("/proc/self/task"))
    with gilprof.profile():
        (reader,) = set(os.listdir("/proc/self/task")) - before
        with open(f"/proc/self/task/{reader}/status") as status:
            blocked = next(line.split()[1] for line in status if line.startswith("SigBlk:"))
    maskable = set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP}
    assert all(int(blocked, 16) >> (number - 1) & 1 for number in maskable)
    assert before >= set(os.listdir("/proc/self/task"))


def test_a_signal_wakes_a_sleep_of_the_main_thread(seen):
    class Woken(Exception):
        pass

    def wake(*_):
        raise Woken

    previous = signal.signal(signal.SIGALRM, wake)
    try:
        with gilprof.profile() as p:
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            with pytest.raises(Woken):
                time.sleep(60)
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert p.wall_ns < 30e9


def test_every_signal_sent_to_the_process_runs_its_handler(seen):
    with gilprof.profile():
        for count in range(1, 101):
            os.kill(os.getpid(), signal.SIGUSR1)
            while len(seen) < count:
                time.sleep(0)
    assert seen == [threading.main_thread()] * 100


def test_a_handler_may_start_and_stop_and_take_a_snapshot(seen):
    def profile_in_a_handler(*_):
        gilprof.start()
        seen.append(gilprof.snapshot())
        gilprof.stop()

    signal.signal(signal.SIGUSR1, profile_in_a_handler)
    with gilprof.profile():
        for count in range(1, 11):
            os.kill(os.getpid(), signal.SIGUSR1)
            while len(seen) < count:
                workloads.spin(0.001)
    assert len(seen) == 10
