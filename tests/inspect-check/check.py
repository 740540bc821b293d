"""Compares what gilprof learns of an interpreter from outside with what it learns inside.

    python check.py libgilprof_inspect_check.so [TIMES]

Programs of several kinds run in this same Python, and each is looked at many times while
it runs on. What is learned must be the same each time, or nothing with a reason; and the
same as what the probe then learns inside of it.
"""
import collections
import ctypes
import json
import subprocess
import sys
import time
from pathlib import Path

KINDS = ["idle", "recursion", "generators", "execution", "collection", "exceptions", "churn"]
KINDS += ["alone", "holding", "interpreters", "all_at_once"]
PARTS = {"version": slice(0, 1), "gil": slice(1, 2), "frames": slice(2, 11), "code": slice(11, 29)}
TARGET = Path(__file__).with_name("target.py")
TEXT = ctypes.create_string_buffer(1_000_000)


class Seen:
    """One look at a process from outside."""

    def __init__(self, library, pid):
        words = (ctypes.c_uint64 * 29)()
        begin, cpu = time.perf_counter(), time.thread_time()
        found = library.outside(pid, words, TEXT, len(TEXT))
        self.wall_ms = (time.perf_counter() - begin) * 1e3
        self.cpu_ms = (time.thread_time() - cpu) * 1e3
        text = TEXT.value.decode()
        if not found:
            sys.exit(f"process {pid} was not recognised: {text}")
        self.lines = [tuple(line.split(" ", 1)) for line in text.splitlines()]
        self.parts = {part: list(words)[where] for part, where in PARTS.items()}

    def all(self, kind):
        return [rest for first, rest in self.lines if first == kind]

    @property
    def names(self):
        return {int(number): name for number, name in (one.split(" ", 1) for one in self.all("name"))}


def middle(values):
    return sorted(values)[len(values) // 2]


def check(library, path, kind, times):
    """Looks at one kind of program; a line of how it went."""
    command = [sys.executable, TARGET, kind, path]
    target = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True
    )
    try:
        facts = json.loads(target.stdout.readline())
        looks = [Seen(library, target.pid) for _ in range(times)]
        target.stdin.write("\n")
        target.stdin.flush()
        words = json.loads(target.stdout.readline())
    finally:
        target.kill()
        target.wait()
    expected = {part: words[where] for part, where in PARTS.items()}
    return judge(kind, facts, expected, looks)


def judge(kind, facts, expected, looks):
    missing = collections.Counter()
    for look in looks:
        for part, found in look.parts.items():
            if not any(found):
                missing[part] += 1
            elif found != expected[part]:
                sys.exit(f"{kind}: {part} from outside {found}, inside {expected[part]}")
        own_gils = facts["others"] if facts["version"] >= [3, 12] else []
        if look.all("interpreter") != [str(number) for number in [0, *facts["others"]]]:
            sys.exit(f"{kind}: interpreters {look.all('interpreter')}, not {facts['others']}")
        if look.all("gil") != [str(number) for number in [0, *own_gils]]:
            sys.exit(f"{kind}: the GILs of {look.all('gil')}, not of {own_gils}")
        threads = {int(one.split()[1]) for one in look.all("thread")}
        lasting = {int(number): name for number, name in facts["names"].items()}
        if kind not in ("churn", "all_at_once") and look.names != lasting:
            sys.exit(f"{kind}: names {look.names}, not {lasting}: {look.all('n/a')}")
        if kind not in ("churn", "all_at_once") and not threads >= set(lasting):
            sys.exit(f"{kind}: threads {threads}, not {set(lasting)}")
        wrong = {number: look.names.get(number, name) for number, name in lasting.items()}
        if wrong != lasting:
            sys.exit(f"{kind}: names {wrong}, not {lasting}")
    assert expected["version"] == [int("%02x%02x%02x" % tuple(facts["version"]), 16)]
    reasons = {reason for look in looks for reason in look.all("n/a")}
    walls, cpus = [look.wall_ms for look in looks], [look.cpu_ms for look in looks]
    print(
        f"{kind}: {len(looks)} looks agree; wall {middle(walls):.0f} ms (most {max(walls):.0f}), "
        f"CPU {middle(cpus):.0f} ms (most {max(cpus):.0f}); "
        f"not known: {dict(missing) or 'nothing'} {reasons or ''}",
        flush=True,
    )
    return sum(missing[part] for part in ("version", "gil", "code"))


def main(path, times="6"):
    library = ctypes.CDLL(path)
    library.outside.restype = ctypes.c_bool
    library.outside.argtypes = [ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    for kind in KINDS:
        if check(library, path, kind, int(times)):
            sys.exit(f"{kind}: what does not depend on what the program does was not found")


main(*sys.argv[1:])
