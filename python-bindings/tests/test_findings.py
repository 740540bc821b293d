"""What known programs are found to suffer from, and what they are not."""

import ctypes
import gc
import hashlib
import os
import queue
import re
import socket
import threading
import time

import gilprof
import pytest
import workloads
from test_native import has_symbols

# What is asserted is about time on CPUs.
pytestmark = pytest.mark.whole_cpus


def found(program):
    """The ids of what is found, the most costly first, with the profile."""
    with gilprof.profile() as p:
        program()
    return [finding.id for finding in p.findings], p.result


def sentence(profile, finding_id):
    return next(one for one in profile.findings if one.id == finding_id).sentence


def ticking(work, name="worker", count=1):
    """Runs `work` in threads, beside one that comes back to the GIL each millisecond."""
    left = [count]
    over = threading.Event()

    def run():
        work()
        left[0] -= 1
        if not left[0]:
            over.set()

    def tick():
        while not over.is_set():
            time.sleep(0.001)

    workloads.together(("tick", tick), *[(f"{name}-{i}", run) for i in range(count)])


def for_seconds(seconds, call):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        call()


def count_up():
    for_seconds(1, lambda: None)


def test_threads_that_count_are_gil_bound():
    ids, profile = found(lambda: workloads.spinning(3))
    # A busy machine may starve them of CPUs too.
    assert ids[0] == "gil-bound"
    assert not {"native-hold", "blocked-hold", "convoy", "hand-off", "io-bound"} & set(ids)
    assert "spin-" in profile.verdict.sentence
    assert profile.verdict.cost_ns <= profile.waiting_ns


def test_one_thread_that_counts_is_single_threaded():
    ids, profile = found(lambda: workloads.together(("lone", lambda: workloads.spin(0.6))))
    assert not {"gil-bound", "native-hold", "blocked-hold", "convoy"} & set(ids)
    assert "single-threaded" in ids
    assert "lone does all the work" in sentence(profile, "single-threaded")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux only")
def test_threads_that_count_on_one_cpu_lack_a_cpu():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        ids, profile = found(lambda: workloads.spinning(2))
    finally:
        os.sched_setaffinity(0, allowed)
    assert profile.cpus == 1
    assert ids[0] == "cpu-starved"
    assert "gil-bound" not in ids


def serve(milliseconds, requests):
    """A server in a thread that answers late, and threads that ask it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def answer(connection):
        while connection.recv(1):
            time.sleep(milliseconds / 1000)
            connection.sendall(b"x")

    def ask():
        with socket.create_connection(listener.getsockname()) as connection:
            for _ in range(requests):
                connection.sendall(b"x")
                connection.recv(1)

    def accept():
        for _ in range(3):
            connection, _address = listener.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    workloads.together(("accept", accept), *[(f"ask-{i}", ask) for i in range(3)])
    listener.close()


def test_threads_that_wait_for_sockets_are_io_bound():
    ids, _profile = found(lambda: serve(20, 30))
    assert ids[0] == "io-bound"
    assert not {"gil-bound", "convoy", "native-hold", "hand-off"} & set(ids)


def test_a_call_that_sleeps_with_the_gil_is_a_blocked_hold():
    usleep = ctypes.PyDLL(None).usleep
    ids, profile = found(lambda: ticking(lambda: for_seconds(0.8, lambda: usleep(40_000)), "sleeper"))
    assert ids[0] == "blocked-hold"
    assert "gil-bound" not in ids
    assert "sleeper-0" in profile.verdict.sentence


def test_a_call_that_sleeps_without_the_gil_is_none():
    usleep = ctypes.CDLL(None).usleep
    ids, _profile = found(lambda: ticking(lambda: for_seconds(0.6, lambda: usleep(40_000))))
    assert not {"blocked-hold", "gil-bound", "native-hold", "convoy"} & set(ids)


NUMBERS = [float(n * 7919 % 1_000_003) for n in range(400_000)]
PARTS = [[n] * 500_000 for n in range(10)]
CATASTROPHIC = re.compile(r"(a+)+$")
NATIVE = {
    "sorted": lambda: sorted(NUMBERS),
    # Each addition makes a new list.
    "concat": lambda: sum(PARTS, []),
    "regex": lambda: CATASTROPHIC.match("a" * 22 + "b"),
}


@pytest.mark.parametrize("call", NATIVE)
def test_a_native_function_that_keeps_the_gil_is_a_native_hold(call):
    if not has_symbols():
        pytest.skip("this interpreter has no symbols: nobody knows what is native")
    ids, profile = found(lambda: ticking(lambda: for_seconds(1, NATIVE[call]), "native"))
    # A busy machine may starve them of CPUs too.
    assert [one for one in ids if one != "cpu-starved"][0] == "native-hold"
    assert not {"convoy", "blocked-hold", "starved-interpreter"} & set(ids)
    # The line that calls it is in this file, whoever is called.
    assert "test_findings.py" in sentence(profile, "native-hold")


def echo(rounds=100):
    """A thread that comes back to the GIL for a moment, now and then."""
    mine, theirs = socket.socketpair()

    def answer():
        while True:
            got = theirs.recv(1)
            if not got:
                return
            theirs.sendall(got)

    def ask():
        for _ in range(rounds):
            time.sleep(0.001)
            mine.sendall(b"x")
            mine.recv(1)
        mine.close()

    return answer, ask


def test_a_thread_that_comes_back_to_a_busy_gil_is_in_a_convoy():
    answer, ask = echo()
    over = threading.Event()

    def count():
        while not over.is_set():
            pass

    def asking():
        ask()
        over.set()

    ids, profile = found(
        lambda: workloads.together(("cpu", count), ("answer", answer), ("ask", asking))
    )
    assert ids[0] == "convoy"
    assert not {"native-hold", "blocked-hold"} & set(ids)
    assert "cpu never lets go" in profile.verdict.sentence
    assert "setswitchinterval" in profile.verdict.advice


def test_the_same_thread_beside_none_is_not():
    answer, ask = echo(rounds=300)
    ids, _profile = found(lambda: workloads.together(("answer", answer), ("ask", ask)))
    assert not {"convoy", "gil-bound", "native-hold", "hand-off"} & set(ids)


def test_single_items_in_a_queue_are_a_storm_of_hand_offs():
    items = queue.Queue(2)

    def produce():
        for item in range(4_000):
            items.put(item)
        items.put(None)

    def consume():
        while items.get() is not None:
            pass

    threads = [(f"{work.__name__}-{i}", work) for work in (produce, consume) for i in range(4)]
    ids, profile = found(lambda: workloads.together(*threads))
    assert "hand-off" in ids
    assert not {"native-hold", "blocked-hold", "convoy", "thread-churn"} & set(ids)
    assert profile.verdict.cost_ns > 0


def test_threads_that_end_at_once_are_churn():
    ids, _profile = found(lambda: workloads.short_lived(6_000))
    assert ids[0] == "thread-churn"
    assert not {"native-hold", "blocked-hold", "io-bound"} & set(ids)


def test_threads_that_sleep_in_a_lock_are_not_held_up_by_the_gil():
    lock = threading.Lock()

    def work():
        for _ in range(15):
            with lock:
                time.sleep(0.02)

    ids, profile = found(lambda: workloads.together(*[(f"work-{i}", work) for i in range(4)]))
    assert not {"gil-bound", "convoy", "native-hold", "hand-off", "single-threaded"} & set(ids)
    waiters = {row.thread.id for row in profile.blocked if row.on == "lock"}
    # A short recording has few looks, on a busy machine hardly any. Who has the lock
    # sleeps, which may be told first.
    if len(waiters) > 3:
        assert ids[0] in ("lock-bound", "io-bound")
        assert "test_findings.py" in profile.verdict.sentence


def test_hashing_runs_in_parallel_and_is_good_news():
    block = bytes(1 << 24)

    def work():
        for_seconds(0.7, lambda: hashlib.sha256(block).digest())

    ids, profile = found(lambda: workloads.together(*[(f"hash-{i}", work) for i in range(2)]))
    assert not {"gil-bound", "convoy", "native-hold", "hand-off", "lock-bound"} & set(ids)
    outside_ns = sum(row.detached_cpu_ns or 0 for row in profile.threads)
    # A machine that is too busy does not let them run in parallel.
    if outside_ns > 0.3 * profile.wall_ns:
        assert ids == ["parallel-native"]
        assert profile.verdict.cost_ns == 0
        assert profile.verdict.advice is None


def test_collections_that_others_wait_for_are_not_python_code():
    kept = [[] for _ in range(400_000)]
    ids, profile = found(lambda: ticking(lambda: for_seconds(0.8, gc.collect), "collect"))
    del kept
    assert ids[0] in ("gc", "native-hold")
    # Without the symbols of the interpreter nobody knows that it collects.
    if has_symbols() and any(site.native for site in profile.sites("blame")):
        assert ids[0] == "gc"


def test_a_program_that_sleeps_has_nothing_to_do_with_the_gil():
    ids, profile = found(lambda: time.sleep(0.3))
    assert ids in ([], ["io-bound"])
    assert profile.verdict.id in ("nothing-yet", "not-the-gil", "io-bound")
