"""Prints what profiles say could be gained at most, beside what is gained.

    make bench                                also runs this
    python benches/what_if.py                 with gilprof installed
    python benches/what_if.py PYTHON [OTHER]  with a free-threaded Python too

Small programs run as threads, recorded, and as they are supposed to be otherwise:
each thread in a process of its own (as if there were no GIL), as two processes with
half of the work each, with half of the work in one function, with a shorter switch
interval. A free-threaded Python runs the same threads with its GIL off, and with it on, or
OTHER does, for one whose GIL cannot be switched on: then the first program, of one thread,
tells how much faster or slower that interpreter is.
"""
import ctypes
import functools
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import zlib
from typing import Callable, NamedTuple

ROUNDS = 7
INTERVAL_NS = 500_000
AMOUNT = 6_000_000
DATA = bytes(range(256)) * 400

usleep_holding = ctypes.PyDLL(None).usleep


class Program(NamedTuple):
    """What a program's threads do, for a part of its work."""

    what: str
    works: Callable[[float], list]


def count(amount):
    counted = 0
    for _ in range(int(amount)):
        counted += 1


def crunch(amount):
    counted = 0
    for _ in range(int(amount)):
        counted += 1


def count_and_crunch(part, crunched=1.0):
    for _ in range(20):
        count(part * AMOUNT / 40)
        crunch(crunched * part * AMOUNT / 40)


def reads(part):
    for _ in range(int(100 * part)):
        time.sleep(0.003)
        count(20_000)


def compresses(part):
    for _ in range(int(40 * part)):
        zlib.compress(DATA * 4, 6)
        count(60_000)


def sleeps_holding(part):
    for _ in range(int(40 * part)):
        usleep_holding(5_000)
        time.sleep(0)


def threads(work, *shares):
    """Threads that do these shares of one work."""
    return lambda part: [functools.partial(work, part * share) for share in shares]


def counting(amount):
    return count(amount * AMOUNT)


PROGRAMS = [
    Program("one thread counts", threads(counting, 1)),
    Program("two threads count", threads(counting, 0.5, 0.5)),
    Program("two threads count, one three times as much", threads(counting, 0.25, 0.75)),
    Program("four threads count", threads(counting, 0.25, 0.25, 0.25, 0.25)),
    Program("two threads compress (GIL released) and count", threads(compresses, 1, 1)),
    Program("four threads read (3 ms) and count", threads(reads, 1, 1, 1, 1)),
    Program("two threads sleep with the GIL", threads(sleeps_holding, 1, 1)),
]


def together(works):
    begun = [threading.Thread(target=work) for work in works]
    for thread in begun:
        thread.start()
    for thread in begun:
        thread.join()


def seconds(work):
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def in_threads(works):
    """How long it takes threads."""
    return seconds(lambda: together(works))


def in_processes(groups):
    """How long it takes processes, each with a group of threads, once all have begun."""
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(len(groups) + 1)

    def run(works):
        ready.wait()
        together(works)

    begun = [context.Process(target=run, args=(works,)) for works in groups]
    for process in begun:
        process.start()
    ready.wait()

    def join():
        for process in begun:
            process.join()

    return seconds(join)


def ratio(before, after):
    """How many times as fast `after` is: the best of each, measured in turns, for
    what disturbs a machine makes things slower only."""
    pairs = [(before(), after()) for _ in range(ROUNDS)]
    return min(one for one, _ in pairs) / min(other for _, other in pairs)


def recorded(work):
    """The profile of the fastest of some runs."""
    import gilprof

    profiles = []
    for _ in range(ROUNDS):
        with gilprof.profile() as profile:
            work()
        profiles.append(profile.result)
    return min(profiles, key=lambda one: one.wall_ns)


def line(what, supposed, bound, *measured):
    cells = [f"{value:.2f}" if isinstance(value, float) else value for value in measured]
    told = f"{what:46} {supposed:26} {bound:7.2f} " + "".join(f"{cell:>14}" for cell in cells)
    print(told.rstrip(), flush=True)


def print_program(program, free_threaded):
    profile = recorded(lambda: together(program.works(1)))
    as_threads = functools.partial(in_threads, program.works(1))
    one_each = functools.partial(in_processes, [[work] for work in program.works(1)])
    halves = functools.partial(in_processes, [program.works(0.5)] * 2)
    cpus = len(os.sched_getaffinity(0))
    without = profile.without_gil(cpus).speed_up
    line(program.what, f"no GIL, {cpus} CPUs", without, ratio(as_threads, one_each), free_threaded)
    divided = profile.as_processes(2, cpus).speed_up
    line("", f"2 processes, {cpus} CPUs", divided, ratio(as_threads, halves), "")


def print_half_hold():
    def both(crunched):
        return [functools.partial(count_and_crunch, 0.5, crunched)] * 2

    bound = recorded(lambda: together(both(1))).half_hold("crunch").speed_up
    whole, half = (functools.partial(in_threads, both(crunched)) for crunched in (1, 0.5))
    line("two threads count and crunch", "half the hold in crunch", bound, ratio(whole, half), "")


def convoy():
    """Seconds that a thread takes that reads, while another counts."""
    took = []

    def reader():
        took.append(seconds(lambda: reads(0.5)))

    def counter():
        while not took:
            count(10_000)

    together([reader, counter])
    return took[0]


def print_interval():
    bound = recorded(convoy).with_switch_interval(INTERVAL_NS).speed_up
    usual = sys.getswitchinterval()

    def shorter():
        sys.setswitchinterval(INTERVAL_NS / 1e9)
        try:
            return convoy()
        finally:
            sys.setswitchinterval(usual)

    line("one thread reads while another counts", "switch interval of 0.5 ms", bound, ratio(convoy, shorter), "")


def free_threaded_ratios(free_threaded, other):
    """How many times as fast each program is without a GIL as with one, by what it is."""
    with_gil, without = [], []
    for _ in range(ROUNDS):
        with_gil.append(times_of(other, gil=True))
        without.append(times_of(free_threaded, gil=False))
    return {
        what: min(times[what] for times in with_gil) / min(times[what] for times in without)
        for what in with_gil[0]
    }


def times_of(python, gil):
    """How long each program takes there, in seconds."""
    environment = {**os.environ, "PYTHON_GIL": str(int(gil))}
    command = [python, __file__, "--time"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout)
    if told["gil"] != gil:
        state = "on" if told["gil"] else "off"
        sys.exit(f"{python}: its GIL is {state}; PYTHON is to be free-threaded, OTHER to have a GIL")
    return told["times"]


def version(python):
    """Which Python that is."""
    command = [python, "-c", "import platform; print(platform.python_version())"]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.decode().strip()


def main(arguments):
    if arguments == ["--time"]:
        gil = getattr(sys, "_is_gil_enabled", lambda: True)()
        times = {one.what: in_threads(one.works(1)) for one in PROGRAMS}
        print(json.dumps({"gil": gil, "times": times}))
        return
    from run import machine

    free_threaded, other = (arguments * 2)[:2] if arguments else (None, None)
    gained = free_threaded_ratios(free_threaded, other) if free_threaded else {}
    print(machine())
    told = f"{version(free_threaded)}, beside {version(other)}" if free_threaded else "n/a (none given)"
    print(f"times as fast, best of {ROUNDS} runs each, in turns; free-threaded: {told}\n")
    print(f"{'program':46} {'if':26} {'at most':>7} {'measured':>14}{'free-threaded':>14}")
    for program in PROGRAMS:
        print_program(program, gained.get(program.what, "n/a"))
    print_half_hold()
    print_interval()


if __name__ == "__main__":
    main(sys.argv[1:])
