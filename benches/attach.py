"""What attaching costs the process that is attached to, as that process sees it.

A program that does nothing but look at the clock tells for how long it stood still; one
that does fixed amounts of work tells how long they took, before, while and after it was
recorded. Neither has gilprof in it.
"""
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gilprof

from compare import Row, differences, ratios

TARGET = Path(__file__).with_name("target.py")
ATTACHES = 20
# Each round attaches to a program of its own, since one that was attached to before is
# not bare any more.
ROUNDS = 21
MS = 1e6


def attach():
    # The only thread, which computes, has to be borrowed; with one that is blocked there, that is.
    yield from pauses("one thread")
    yield from pauses("one is blocked", "blocked")
    yield from overhead("pair", "release+acquire pair", 25)
    for name, budget in [("cpu_threads", 1), ("io_threads", 1), ("thread_churn", 1)]:
        yield from overhead(name, name.replace("_", " "), budget)
    yield from overhead("handoff_storm", "handoff storm", 5)


class Target:
    """The program."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, str(TARGET), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )
        self.process.stdout.readline()
        self.pid = self.process.pid

    def run(self, name):
        """The wall time and the CPU time of a workload."""
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return [float(value) for value in self.process.stdout.readline().split()]

    def rest(self):
        """What it says before it ends."""
        return self.process.communicate()[0]


def pauses(kind, *blocked):
    """The longest time that the program stood still, of each attaching and detaching and of
    as long a time in which nobody attached."""
    clock, spans = time.monotonic_ns, []
    with tempfile.NamedTemporaryFile() as flag:
        flag.write(b"\0")
        flag.flush()
        target = Target("spin", flag.name, *blocked)
        for _ in range(ATTACHES):
            times = [clock()]
            attachment = gilprof.attach(target.pid)
            times.append(clock())
            time.sleep(0.1)
            times.append(clock())
            attachment.stop()
            times.append(clock())
            time.sleep((times[1] - times[0]) / 1e9)
            times.append(clock())
            spans.append(times)
        flag.seek(0)
        flag.write(b"\1")
        flag.flush()
        gaps = [[int(part) for part in line.split()] for line in target.rest().splitlines()]
    attaching = [longest(gaps, times[0], times[1]) for times in spans]
    detaching = [longest(gaps, times[2], times[3]) for times in spans]
    alone = [longest(gaps, times[3], times[4]) for times in spans]
    return [
        *stopped(f"attach, {kind}: it is stopped", attaching),
        *stopped(f"detach, {kind}: it is stopped", detaching),
        Row("  gaps of it while nobody attaches", "ms", [gap for gap, _ in alone]),
        Row("  attach(pid) takes", "ms", [(one[1] - one[0]) / MS for one in spans]),
        Row("  stop() takes", "ms", [(one[3] - one[2]) / MS for one in spans]),
    ]


def stopped(what, longest_gaps):
    """Rows for stops in the middle case and the worst, and for gaps of any kind."""
    gaps, stops = zip(*longest_gaps)
    return [
        Row(what, "ms", list(stops), 5),
        Row("  at most", "ms", [max(stops)] * 2, 20),
        Row("  gaps of it meanwhile", "ms", list(gaps)),
    ]


def longest(gaps, start, end):
    """The longest gap that reaches into a span, and the longest but for waits for a CPU, which
    are as long while nobody attaches."""
    inside = [gap for gap in gaps if gap[1] > start and gap[0] < end]
    whole = max((until - since for since, until, _ in inside), default=0)
    stop = max((until - since - queued for since, until, queued in inside), default=0)
    return whole / MS, max(stop, 0) / MS


def overhead(name, title, budget):
    """Rows for a workload while the program is recorded, and afterwards."""
    rounds = [one_round(name) for _ in range(ROUNDS)]
    with_it = [(bare, during) for bare, during, _ in rounds]
    afterwards = [(bare, after) for bare, _, after in rounds]
    if name == "pair":
        more, unit, parts = differences, "ns", {"": 0}
    else:
        more, unit, parts = ratios, "%", {", wall time": 0, ", CPU time": 1}

    def samples(pairs, part):
        return more([(one[part], other[part]) for one, other in pairs])

    rows = []
    for text, part in parts.items():
        allowed = None if part else budget
        rows += [
            Row(f"{title} attached{text}", unit, samples(with_it, part), allowed),
            Row(f"  detached again{text}", unit, samples(afterwards, part)),
        ]
    return rows


def one_round(name):
    """What a workload takes before, while and after the program is recorded."""
    target = Target("work")
    target.run(name)
    bare = target.run(name)
    with gilprof.attach(target.pid):
        during = target.run(name)
    after = target.run(name)
    target.rest()
    return bare, during, after
