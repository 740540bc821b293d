"""Starting and stopping, over and over, in the middle of everything."""

import ctypes
import os
import sys
import threading

import gilprof
import pytest
import workloads
from balance import assert_balanced

#: 10000 takes minutes: most of it is waiting for the GIL among eight others.
ROUNDS = int(os.environ.get("GILPROF_TEST_ROUNDS", "400"))


#: Else most of the time goes by while start() and stop() wait for the GIL.
SHORT = 1e-4


@pytest.fixture(autouse=True)
def threads_take_short_turns():
    before = sys.getswitchinterval()
    sys.setswitchinterval(SHORT)
    yield
    sys.setswitchinterval(before)


def contend(over):
    while not over.is_set():
        sum(range(50))


def sleep_often(over):
    while not over.wait(0.0001):
        pass


def with_eight_threads(work):
    over = threading.Event()
    jobs = [contend, sleep_often] * 4
    threads = [threading.Thread(target=job, args=(over,)) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        return work()
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_many_starts_and_stops_leave_nothing_behind(python):
    # In a process of its own: once a program has freed large blocks, malloc keeps as large
    # ones of ended threads for later, and malloc_trim does not reach them.
    program = f"import test_stress; test_stress.start_and_stop_often({ROUNDS})"
    python(program, timeout=120 + ROUNDS)


def start_and_stop_often(rounds):
    sys.setswitchinterval(SHORT)
    hook = threading.Thread.__dict__["_set_native_id"]

    def start_and_stop(count):
        for _ in range(count):
            gilprof.start()
            gilprof.stop()

    def twice():
        start_and_stop(rounds // 5)
        before = resident_bytes()
        start_and_stop(rounds)
        return resident_bytes() - before

    grown = with_eight_threads(twice)
    assert grown < 4 << 20, grown
    assert not gilprof.is_running()
    assert threading.Thread.__dict__["_set_native_id"] is hook


def resident_bytes():
    """Without what has been freed and malloc keeps for later."""
    ctypes.CDLL(None).malloc_trim(0)
    with open("/proc/self/status") as status:
        (line,) = [line for line in status if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def test_what_is_cut_out_of_a_busy_program_balances():
    def cut():
        for _ in range(50):
            with gilprof.profile() as p:
                workloads.spin(0.005)
            assert_balanced(p.result)

    with_eight_threads(cut)


def test_snapshots_of_a_busy_program_balance_and_so_do_their_differences():
    def take():
        with gilprof.profile() as p:
            last = p.snapshot()
            for _ in range(50):
                workloads.spin(0.002)
                now = p.snapshot()
                assert_balanced(now)
                assert_balanced(now - last)
                last = now

    with_eight_threads(take)
