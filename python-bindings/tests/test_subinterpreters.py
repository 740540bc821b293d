"""Each GIL has a row, and the sums of each balance."""

import _thread
import sys
import threading

import gilprof
import pytest
from balance import assert_balanced

if sys.version_info < (3, 12):
    pytest.skip("a GIL of their own came with Python 3.12", allow_module_level=True)
if sys.version_info < (3, 13):
    import _xxsubinterpreters as interpreters

    def create():
        return interpreters.create(isolated=True)
else:
    import _interpreters as interpreters

    def create():
        return interpreters.create("isolated")


#: Plain threads and locks: with threading.Thread, joining hangs every now and
#: then on 3.12.1 when subinterpreters have threads, with or without gilprof.
TWO_THREADS = """
import _thread, time
def spin(over):
    end = time.perf_counter() + 0.2
    while time.perf_counter() < end:
        pass
    over.release()
locks = [_thread.allocate_lock() for _ in range(2)]
for lock in locks:
    lock.acquire()
    _thread.start_new_thread(spin, (lock,))
for lock in locks:
    lock.acquire()
# An interpreter must not be ended before its threads are.
while _thread._count():
    time.sleep(0)
"""


def run_in(ids):
    """Runs it in all of these interpreters at a time; says what went wrong."""
    failed = []

    def run(interpreter, over):
        try:
            failed.append(interpreters.run_string(interpreter, TWO_THREADS))
        finally:
            over.release()

    locks = [_thread.allocate_lock() for _ in ids]
    for one, lock in zip(ids, locks):
        lock.acquire()
        _thread.start_new_thread(run, (one, lock))
    for lock in locks:
        lock.acquire()
    assert failed == [None] * len(ids)


@pytest.mark.parametrize("born", ["before", "after"])
def test_each_interpreter_has_a_row_and_every_sum_balances(born):
    ids = [create() for _ in range(2)] if born == "before" else []
    with gilprof.profile() as p:
        ids = ids or [create() for _ in range(2)]
        run_in(ids)
    for one in ids:
        interpreters.destroy(one)
    assert len(p.gils) == 3
    assert_balanced(p.result)
    for gil in p.gils[1:]:
        # Two threads that count share each: one of them waits all the time.
        assert gil.waiting_ns > 0.1 * p.wall_ns
        assert gil.acquisitions >= 3


def test_blame_stays_within_a_gil():
    ids = [create() for _ in range(2)]
    with gilprof.profile() as p:
        run_in(ids)
    for one in ids:
        interpreters.destroy(one)
    for gil in p.gils:
        blamed = sum(row.waiting_ns for row in p.blame if row.gil == gil.index)
        assert blamed == gil.caused_ns


def test_interpreters_that_come_and_go_harm_nothing():
    with gilprof.profile() as p:
        for _ in range(20):
            one = create()
            interpreters.run_string(one, "sum(range(1000))")
            interpreters.destroy(one)
    assert threading.active_count() == 1
    assert_balanced(p.result)
