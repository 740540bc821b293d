"""Fixed amounts of work, each of one kind of threaded program: about half a second."""
import ctypes
import os
import socket
import statistics
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / os.environ.get("GILPROF_PAIR", "target/release/libgilprof_pair.so")


def together(works):
    """Runs callables in threads of their own; returns when all are done."""
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def count(amount):
    counted = 0
    for _ in range(amount):
        counted += 1


def cpu_threads():
    """Two threads count: they queue for the GIL all the time."""
    together([lambda: count(6_000_000)] * 2)


def answer(server, requests):
    with server:
        for _ in range(requests):
            server.recv(64)
            time.sleep(0.001)
            server.sendall(b"pong")


def ask(client, requests):
    with client:
        for _ in range(requests):
            client.sendall(b"ping")
            client.recv(64)
            count(2_000)


def io_threads():
    """Five clients talk to five servers that take a millisecond to answer."""
    works = []
    for _ in range(5):
        client, server = socket.socketpair()
        works.append(lambda server=server: answer(server, 400))
        works.append(lambda client=client: ask(client, 400))
    together(works)


def thread_churn():
    """A thread for each piece of work of about a millisecond."""
    for _ in range(75):
        together([lambda: count(40_000)] * 4)


def quick_churn():
    """A thread for each piece of work of a quarter of a millisecond."""
    for _ in range(300):
        together([lambda: count(10_000)] * 4)


STORM_THREADS = 2_000


def thread_storm():
    """Nothing but starts and ends of threads, four at a time."""
    for _ in range(STORM_THREADS // 4):
        together([lambda: count(100)] * 4)


def traffic(calls):
    sleep = time.sleep
    for _ in range(calls):
        sleep(0)


def handoff_storm():
    """Four threads do nothing but release and take the GIL."""
    together([lambda: traffic(6_000)] * 4)


def pair_function():
    """The library's loop; called with the GIL held, as any PyDLL function."""
    function = ctypes.PyDLL(str(LIBRARY)).pair_ns
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_uint64]
    return function


# As many as fill the ring of events: after them no page of it is touched for the first time.
LAP = 150_000


def pair_ns():
    """What a release and acquire of the GIL takes that nobody else wants."""
    pair_function()(LAP)
    return first_pairs_ns()


def first_pairs_ns():
    """The same right from the start of a recording."""
    release_and_acquire = pair_function()
    # Short runs: most of them end before the thread loses its CPU.
    return statistics.median(release_and_acquire(2_500) for _ in range(40))
