"""A program for check.py to look at: what it does is its first argument.

It prints a line of what is true of it, and at each line that it reads what the probe
learns inside of it.
"""
import ctypes
import gc
import json
import select
import sys
import threading
import time

WORDS = 29
LASTING = [threading.main_thread()]
LATER = []
KEPT = []


def idle():
    """Threads that sleep, some deep in calls."""

    def deep(left):
        if left:
            return deep(left - 1)
        return threading.Event().wait()

    for depth in (0, 3, 40):
        start(deep, depth, name=f"deep {depth}")


def recursion():
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    def work():
        while True:
            fibonacci(16)

    for _ in range(2):
        start(work)


def generators():
    def count(n):
        yield from count(n - 1) if n else range(10)

    def work():
        while True:
            sum(value for value in count(20))

    for _ in range(2):
        start(work)


def execution():
    """Code objects that come and go."""

    def work():
        number = 0
        while True:
            number += 1
            scope = {}
            source = f"def made(a):\n    return [b + {number} for b in a]\n\nmade(range(9))\n"
            exec(compile(source, f"made {number}.py", "exec"), scope)

    for _ in range(2):
        start(work)


def collection():
    """Cycles, and the garbage collector at work."""

    def work():
        while True:
            cycles = []
            for _ in range(300):
                cycle = {}
                cycle["self"] = cycle
                cycles.append(cycle)
            gc.collect()

    start(work)


def exceptions():
    def fail(left):
        try:
            return fail(left - 1) if left else 1 // left
        finally:
            left += 1

    def work():
        while True:
            try:
                fail(15)
            except ZeroDivisionError:
                sorted(range(50), key=lambda value: -value)

    for _ in range(2):
        start(work)


def churn():
    """Threads that come and go."""

    def work():
        while True:
            short = threading.Thread(target=time.sleep, args=(0.0002,))
            short.start()
            short.join()

    for _ in range(3):
        start(work)


def alone():
    """One thread that never rests, until there is a line to read."""

    def leaf(number):
        return number * 2

    def work():
        for number in range(2_000):
            leaf(number)

    LATER.append(lambda: select.select([sys.stdin], [], [], 0)[0] or work())


def holding():
    """One thread has the GIL for long, another one wants it."""
    ready = threading.Event()

    def hold():
        ready.wait()
        while True:
            ctypes.PyDLL(None).usleep(20_000)

    def want():
        ready.wait()
        while True:
            pass

    start(hold, name="holds")
    start(want, name="wants")
    LATER.append(lambda: ready.set() or True)


def interpreters():
    """Two more, from 3.12 on each with a GIL of its own."""
    try:
        import _interpreters as module
    except ImportError:
        import _xxsubinterpreters as module
    # An interpreter goes with its last number that is no int.
    KEPT.extend(module.create() for _ in range(2))
    return [int(one) for one in KEPT]


def all_at_once():
    for one in (idle, recursion, generators, execution, collection, exceptions, churn):
        one()


def start(work, *arguments, name=None):
    thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
    thread.start()
    LASTING.append(thread)


def tell(what):
    print(json.dumps(what), flush=True)


def main(kind, library):
    threading.current_thread().name = "größe 数"
    others = globals()[kind]()
    names = {thread.native_id: thread.name for thread in LASTING}
    tell({"version": sys.version_info[:3], "names": names, "others": others or []})
    for one in LATER:
        while not one():
            pass
    for _ in sys.stdin:
        words, text = (ctypes.c_uint64 * WORDS)(), ctypes.create_string_buffer(1_000)
        if not ctypes.CDLL(library).inside(words, text, len(text)):
            sys.exit(f"the probe did not start: {text.value.decode()}")
        tell(list(words))


main(*sys.argv[1:])
