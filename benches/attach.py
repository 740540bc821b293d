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
ROUNDS = 41
MS = 1e6


def attach():
    rows = pauses("its only thread computes")
    rows += pauses("another thread is blocked", "blocked")
    rows += overhead("pair", "release+acquire pair", 25)
    for name, budget in [("cpu_threads", 1), ("io_threads", 1), ("thread_churn", 1)]:
        rows += overhead(name, name.replace("_", " "), budget)
    return rows + overhead("handoff_storm", "handoff storm", 5)


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
        *paused(f"attach: stands still, {kind}", attaching),
        *paused("detach: stands still", detaching),
        Row("nobody attaches: stands still", "ms", [whole for whole, _ in alone]),
        Row("  at most", "ms", [max(whole for whole, _ in alone)] * 2),
        Row("attach(pid) takes", "ms", [(one[1] - one[0]) / MS for one in spans]),
        Row("stop() takes", "ms", [(one[3] - one[2]) / MS for one in spans]),
    ]


def paused(what, longest_gaps):
    """Rows for gaps in the middle case and the worst."""
    whole, stopped = zip(*longest_gaps)
    return [
        Row(what, "ms", list(whole), 5),
        Row("  at most", "ms", [max(whole)] * 2, 20),
        Row("  but for its wait for a CPU", "ms", list(stopped)),
        Row("    at most", "ms", [max(stopped)] * 2),
    ]


def longest(gaps, start, end):
    """The longest gap that reaches into a span, and the longest but for waits for a CPU."""
    inside = [(until - since, queued) for since, until, queued in gaps if until > start and since < end]
    whole = max((gap for gap, _ in inside), default=0)
    stopped = max((max(gap - queued, 0) for gap, queued in inside), default=0)
    return whole / MS, stopped / MS


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
