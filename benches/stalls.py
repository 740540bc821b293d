"""How soon a hold that lasts for long is told of, as a process sees it that reads the log.

The program says when it begins to hold, on the clock that all processes share; who reads
its log knows when the entry came.
"""
import subprocess
import sys
import time

from compare import Row

LIMIT = "100ms"
BUDGET_MS = 150
# The last hold of each kind is a long one.
SECONDS = [0.4] * 9 + [10]
KINDS = {"usleep": "nanosleep", "sum": "builtin_sum"}

PROGRAM = """
import ctypes, itertools, sys, threading, time
import gilprof

def usleep(seconds):
    ctypes.PyDLL(None).usleep(round(seconds * 1e6))

def add(seconds):
    sum(itertools.repeat(1, round(seconds * speed)))

def tick():
    while True:
        time.sleep(0.001)

speed = 1e7
began = time.perf_counter()
add(1)
speed /= time.perf_counter() - began
threading.Thread(target=tick, daemon=True).start()
gilprof.watch(hold=sys.argv[1])
for line in sys.stdin:
    kind, seconds = line.split()
    began = time.monotonic_ns()
    {"usleep": usleep, "sum": add}[kind](float(seconds))
    print(began, flush=True)
"""


def stalls():
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, LIMIT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        universal_newlines=True,
    )
    for kind, function in KINDS.items():
        told, named = [], 0
        for seconds in SECONDS:
            after_ms, functions = one(program, kind, seconds)
            told.append(after_ms)
            named += function in functions
        what = f"stall told in {kind} ({named} of {len(SECONDS)} named)"
        yield Row(what, "ms", told, BUDGET_MS)
    program.communicate()


def one(program, kind, seconds):
    """After how many ms the last hold of a piece of work was told, and its native functions."""
    program.stdin.write(f"{kind} {seconds}\n")
    program.stdin.flush()
    while True:
        entry = program.stderr.readline()
        if "has held the GIL" in entry:
            came, functions = time.monotonic_ns(), ""
        elif "let go" in entry:
            break
        elif entry.startswith("  in "):
            functions += entry
    return (came - int(program.stdout.readline())) / 1e6, functions
