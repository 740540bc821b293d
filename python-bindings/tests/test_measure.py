"""`with gilprof.measure("label") as m:`"""

import threading
import time

import gilprof
import workloads


def test_a_block_of_python_holds_the_gil_all_the_time():
    with gilprof.profile():
        with gilprof.measure("spin") as m:
            workloads.spin(0.01)
    assert m.label == "spin"
    assert m.holding_ns == m.wall_ns >= 10_000_000
    assert (m.waiting_ns, m.detached_ns, m.waits) == (0, 0, 0)


def test_a_sleep_is_detached():
    with gilprof.profile():
        with gilprof.measure() as m:
            time.sleep(0.02)
    assert m.holding_ns + m.waiting_ns + m.detached_ns == m.wall_ns
    assert m.detached_ns >= 20_000_000
    assert m.acquisitions == 1


def test_the_process_has_the_waiting_of_all_threads():
    measured = []

    def spin():
        with gilprof.measure("mine") as m:
            workloads.spin(0.1)
        measured.append(m)

    with gilprof.profile() as p:
        workloads.together(("a", spin), ("b", spin))
    for m in measured:
        assert 0 < m.waiting_ns < m.process.waiting_ns <= p.waiting_ns
        assert m.holding_ns < m.process.holding_ns <= p.holding_ns
        assert m.process.wall_ns == m.wall_ns


def test_what_is_not_known_is_none_and_not_zero():
    m = gilprof.measure("before")
    assert (m.wall_ns, m.holding_ns, m.process) == (None, None, None)
    with m:
        pass
    assert (m.wall_ns, m.waiting_ns, m.acquisitions, m.process) == (None, None, None, None)


def test_a_block_that_was_recorded_in_part_has_no_numbers():
    with gilprof.measure("begun before") as before:
        gilprof.start()
    with gilprof.measure("ends after") as after:
        gilprof.stop()
    assert (before.wall_ns, after.wall_ns) == (None, None)


def test_a_block_that_ends_in_another_thread_has_no_numbers_of_a_thread():
    with gilprof.profile():
        m = gilprof.measure("moved").__enter__()
        mover = threading.Thread(target=m.__exit__, args=(None, None, None))
        mover.start()
        mover.join()
    assert m.holding_ns is None
    assert m.process.holding_ns > 0


def test_an_exception_passes_through():
    with gilprof.profile():
        try:
            with gilprof.measure("raises") as m:
                raise KeyError("mine")
        except KeyError as error:
            assert error.args == ("mine",)
    assert m.wall_ns is not None


def test_measuring_costs_two_microseconds_at_most():
    def best_of(rounds, work):
        times = []
        for _ in range(rounds):
            begin = time.perf_counter_ns()
            work()
            times.append(time.perf_counter_ns() - begin)
        return min(times)

    def measured():
        for _ in range(1_000):
            with gilprof.measure("cost"):
                pass

    with gilprof.profile():
        assert best_of(20, measured) / 1_000 < 2_000
