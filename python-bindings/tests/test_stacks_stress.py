"""Everything at once, with stacks taken as often as can be: no invalid frame."""
import gc
import os
import random
import signal
import threading
import time

import gilprof

# Ten minutes by hand: GILPROF_TEST_SECONDS=600.
SECONDS = float(os.environ.get("GILPROF_TEST_SECONDS", "4"))


def generators():
    def countdown(n):
        while n:
            yield n
            n -= 1

    return sum(countdown(300)) + sum(x for x in countdown(100))


def exceptions():
    def fail(depth):
        if depth:
            fail(depth - 1)
        raise ValueError(depth)

    for _ in range(20):
        try:
            fail(20)
        except ValueError:
            pass


def cycles():
    class Node:
        def __del__(self):
            str(self)

    for _ in range(50):
        node = Node()
        node.itself = node
    gc.collect()


def throwaway_code():
    for n in range(20):
        scope = {}
        exec(f"def made_{n}(x):\n    y = x\n    return [y] * {n}", scope)
        scope[f"made_{n}"](n)


def short_threads():
    threads = [threading.Thread(target=generators) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def recursion():
    def descend(depth):
        return depth and descend(depth - 1)

    descend(random.randrange(700))


def blocking():
    time.sleep(0.0005)


def children():
    pid = os.fork()
    if pid == 0:
        generators()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


KINDS = [generators, exceptions, cycles, throwaway_code, short_threads, recursion, blocking]


def test_no_stack_is_invalid_whatever_runs():
    over = threading.Event()
    signals = []
    before = signal.signal(signal.SIGALRM, lambda *_: signals.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
    failures = []

    def repeat(work):
        try:
            while not over.is_set():
                work()
        except BaseException as error:
            failures.append((work.__name__, error))
            raise

    threads = [threading.Thread(target=repeat, args=(work,)) for work in KINDS]
    try:
        with gilprof.profile(stacks="100us") as p:
            for thread in threads:
                thread.start()
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                children()
                over.wait(0.2)
            over.set()
            for thread in threads:
                thread.join()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not failures
    assert signals
    profile = p.result
    assert profile.stacks_missing is None
    for kind in ("blame", "wait", "hold", "detached"):
        sites = profile.sites(kind)
        assert sites, kind
        for frame in (frame for site in sites for frame in site.stack):
            assert frame.function
            if frame.function != "(unreadable)":
                assert frame.file, frame
    known = [site for site in profile.sites("hold") if site.stack]
    files = {site.stack[0].file for site in known}
    assert __file__ in files
    # Only code that was gone before it could be named, or a full table.
    whole = sum(site.weight_ns for site in profile.sites("hold"))
    unreadable = sum(
        site.weight_ns for site in known if site.stack[0].function == "(unreadable)"
    )
    assert unreadable <= 0.2 * whole
