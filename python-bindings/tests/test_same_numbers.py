"""A program that is recorded from outside has the numbers that it has of itself."""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import balance
import pytest

import gilprof

# What is asserted is about time on CPUs.
pytestmark = pytest.mark.whole_cpus

# Two threads that compute, one that waits for answers and works on them, and one that keeps
# the GIL in a C function and sleeps. Each tells what it did: a program in C reads the clock
# before and after each step, with nothing of the interpreter in between that could let go of
# the GIL. When a time away was over the kernel tells (pselect6(2) leaves what was left of its
# time limit); the rest of it the GIL was waited for, and so it was between two steps. What a
# thread holds there is long where the machine is busy, so steps are longer by far.
PROGRAM = """
import ctypes, functools, json, operator, os, sys, threading, time

import gilprof
from workloads import schedstat, stolen_ns

STEPS = 8
LIMIT_S = 10
PSELECT6 = 270
call = operator.methodcaller("__call__")
clock = time.monotonic_ns
letting_go, holding = ctypes.CDLL(None), ctypes.PyDLL(None)
begin, end, over = threading.Barrier(5), threading.Barrier(5), threading.Event()
truth, began = {}, 0


class Hold:
    # A step with the GIL.
    gone_ns = 0

    def __init__(self, function, argument):
        self.step = functools.partial(function, argument)

    def prepare(self):
        pass


class Away:
    # A step without the GIL, of so many milliseconds.

    def __init__(self, ms):
        self.timer = letting_go.timerfd_create(time.CLOCK_MONOTONIC, 0)
        self.due = (ctypes.c_long * 4)(0, 0, 0, ms * 1_000_000)
        self.files = (ctypes.c_ulong * 16)()
        self.left = (ctypes.c_long * 2)()
        arguments = PSELECT6, self.timer + 1, self.files, None, None, self.left, None
        self.step = functools.partial(letting_go.syscall, *arguments)

    def prepare(self):
        holding.timerfd_settime(self.timer, 0, self.due, None)
        self.files[self.timer // 64] = 1 << self.timer % 64
        self.left[0], self.left[1] = LIMIT_S, 0

    @property
    def gone_ns(self):
        return (LIMIT_S - self.left[0]) * 1_000_000_000 - self.left[1]


STEPS_OF = {
    "crunch": [Hold(sum, range(1_000_000))],
    "polish": [Hold(min, range(1_000_000))],
    "fetch": [Away(48), Hold(sum, range(400_000))],
    "hog": [Hold(holding.usleep, 200_000), Away(24)],
}


def work(name):
    sums = {"holding": 0, "waiting": 0, "detached": 0}
    last, done = began, 0
    while not over.is_set():
        for one in STEPS_OF[name]:
            one.prepare()
            before, _, after = map(call, (clock, one.step, clock))
            gone, took = one.gone_ns, after - before
            sums["detached"] += gone
            sums["holding"] += took if isinstance(one, Hold) else 0
            sums["waiting"] += before - last + (0 if isinstance(one, Hold) else took - gone)
            last = after
        done += 1
        if name == "hog" and done == STEPS:
            over.set()
    sums["waiting"] += clock() - last
    truth[name] = sums


def again(name):
    while True:
        begin.wait()
        work(name)
        end.wait()


try:
    # What else goes on on the machine is then not in the numbers.
    os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
except PermissionError:
    pass
threads = {name: threading.Thread(target=again, args=(name,), name=name) for name in STEPS_OF}


def without_cpu():
    # What a host kept from this machine may have been of any thread.
    stolen = stolen_ns()
    return {name: stolen + schedstat(thread.native_id)[1] for name, thread in threads.items()}


def answer(line):
    global began
    command, *arguments = line.split()
    if command == "record":
        gilprof.start()
    elif command == "save":
        gilprof.stop().save(arguments[0])
    else:
        over.clear()
        before, began = without_cpu(), clock()
        begin.wait()
        end.wait()
        for name, ns in without_cpu().items():
            truth[name]["without_cpu"] = ns - before[name]
        return truth


for thread in threads.values():
    thread.daemon = True
    thread.start()
print(flush=True)
for line in sys.stdin:
    print(json.dumps(answer(line)), flush=True)
"""

THREADS = ("crunch", "polish", "fetch", "hog")
STATES = ("holding", "waiting", "detached")
ROUNDS = 2
# How far a thread's share of a state may be off the truth: so two kinds of recording are no
# more than two points apart.
ALLOWED = 0.01


class Program:
    """The program above, which does what it is told."""

    def __init__(self, folder):
        script = folder / "program.py"
        script.write_text(PROGRAM)
        clean = {key: value for key, value in os.environ.items() if "GILPROF" not in key}
        paths = [str(Path(__file__).parent), clean.get("PYTHONPATH")]
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
            env={**clean, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        assert self.process.stdout.readline() == "\n"

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def inside(self):
        """What it records of itself, and what is true of that time."""
        path = self.folder / "inside.json"
        self.ask("record")
        truth = self.ask("work")
        self.ask(f"save {path}")
        return gilprof.load(str(path)), truth

    def outside(self):
        """What is recorded of it from here, and what is true of that time."""
        with gilprof.attach(self.process.pid) as attachment:
            truth = self.ask("work")
        return attachment.result, truth


@pytest.fixture(scope="module")
def rounds(tmp_path_factory):
    """Recordings of the same work in turns from inside and from outside."""
    program = Program(tmp_path_factory.mktemp("numbers"))
    done = [(program.inside(), program.outside()) for _ in range(ROUNDS)]
    program.process.communicate()
    return done


def errors(profile, truth):
    """How far each thread's share of each state, of the time that it worked, is from what the
    program says of itself; and the part of the time for which it had no CPU. Before and after
    it worked, it was detached."""
    for name in THREADS:
        thread, true = balance.thread(profile, name), truth[name]
        worked = sum(true[state] for state in STATES)
        for state in STATES:
            ns = getattr(thread, f"{state}_ns")
            if state == "detached":
                ns -= thread.lifetime_ns - worked
            yield name, state, (ns - true[state]) / worked, true["without_cpu"] / worked


@pytest.mark.parametrize("side", [0, 1], ids=["inside", "outside"])
def test_each_share_is_the_true_one(rounds, side):
    """On its way from letting go of the GIL to asking for it anew, and on its way into a system
    call, a thread may lose its CPU. Then it waits for that, which is told as detached. Where it
    does between the take of the GIL and its own look at the clock, it holds for longer than it
    says."""
    for name, state, off, without_cpu in (row for pair in rounds for row in errors(*pair[side])):
        less, more = {
            "holding": (0, without_cpu),
            "waiting": (without_cpu, 0),
            "detached": (0, without_cpu),
        }[state]
        assert -less - ALLOWED <= off <= more + ALLOWED, (name, state, off, without_cpu)


@pytest.mark.parametrize("name", ["crunch", "polish", "hog"])
def test_what_is_held_is_the_same_within_two_percent(rounds, name):
    """Of what is truly held, but for what was held while there was no CPU."""

    def held(side):
        pairs = [(balance.thread(profile, name), truth[name]) for profile, truth in side]
        true_ns = sum(true["holding"] for _, true in pairs)
        more_ns = sum(true["without_cpu"] for _, true in pairs)
        return sum(thread.holding_ns for thread, _ in pairs) / true_ns, more_ns / true_ns

    (inside, more_inside), (outside, more_outside) = map(held, zip(*rounds))
    assert abs(outside / inside - 1) <= 0.02 + more_inside + more_outside


def test_the_verdicts_are_equal(rounds):
    """Of the rounds in which the program had most of the machine."""
    calm = [min(side, key=lambda one: one[1]["crunch"]["without_cpu"])[0] for side in zip(*rounds)]
    assert calm[0].verdict.id == calm[1].verdict.id


def test_the_sums_balance_and_each_life_spans_its_work(rounds):
    for profile, truth in itertools.chain(*rounds):
        balance.assert_balanced(profile)
        for name in THREADS:
            worked = sum(truth[name][state] for state in STATES)
            assert balance.thread(profile, name).lifetime_ns >= worked
