"""Programs with a known truth. Each gives the names of the threads it started."""

import ctypes
import os
import threading
import time


def together(*jobs):
    """Runs (name, function) pairs as threads, which begin at once."""
    gate = threading.Barrier(len(jobs))

    def behind(function):
        gate.wait()
        function()

    threads = [
        threading.Thread(target=behind, args=(function,), name=name) for name, function in jobs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [thread.name for thread in threads]


def spin(seconds=0.3):
    """Python code and nothing else."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def spinning(count):
    return together(*[(f"spin-{i}", spin) for i in range(count)])


def sleeping(count=5):
    def sleep():
        for _ in range(10):
            time.sleep(0.02)

    return together(*[(f"sleep-{i}", sleep) for i in range(count)])


def schedstat(native_id=None):
    """Time a thread, or this one, was on a CPU, and time it could have been."""
    with open(f"/proc/self/task/{native_id or threading.get_native_id()}/schedstat") as file:
        on_cpu, queueing, _slices = map(int, file.read().split())
    return on_cpu, queueing


def stolen_ns():
    """Time for which the host has kept CPUs from this machine so far, of all CPUs."""
    with open("/proc/stat") as file:
        ticks = int(file.readline().split()[8])
    return ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def queueing_for_a_cpu_ns():
    """Time this thread could have run, had a CPU been free."""
    return schedstat()[1]


def one_long_hold(milliseconds=200, truth=None):
    """A C function keeps the GIL while another thread wants it all the time.

    `truth` gets the time by which a busy machine made it longer.
    """
    usleep = ctypes.PyDLL(None).usleep
    ticking = threading.Event()
    over = threading.Event()

    def hold():
        ticking.wait()
        before = queueing_for_a_cpu_ns()
        usleep(milliseconds * 1000)
        if truth is not None:
            truth["queueing_ns"] = queueing_for_a_cpu_ns() - before
        over.set()

    def tick():
        while not over.is_set():
            time.sleep(0.001)
            ticking.set()

    return together(("holder", hold), ("ticker", tick))


def short_lived(count=20_000):
    """Threads that end at once, four at a time."""

    names = []

    def start_many():
        for _ in range(count // 4):
            thread = threading.Thread(target=int)
            names.append(thread.name)
            thread.start()
            thread.join()

    return together(*[(f"starter-{i}", start_many) for i in range(4)]) + names


def handing_off(count=4, rounds=5_000):
    """Nothing but takes and releases of the GIL."""

    def give_away():
        for _ in range(rounds):
            time.sleep(0)

    return together(*[(f"giver-{i}", give_away) for i in range(count)])


def lock_ping_pong(rounds=3_000):
    """Two threads that wake each other in turn."""
    mine, yours = threading.Semaphore(1), threading.Semaphore(0)

    def play(get, put):
        for _ in range(rounds):
            get.acquire()
            put.release()

    return together(
        ("ping", lambda: play(mine, yours)),
        ("pong", lambda: play(yours, mine)),
    )


class Ticker:
    """A thread that wants the GIL all the time, for a moment each."""

    def __enter__(self):
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="ticker")
        self._thread.start()
        return self

    def _tick(self):
        while not self._over.is_set():
            time.sleep(0.001)

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
