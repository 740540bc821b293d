"""`gilprof attach --sample` on this Python, against what that records of itself exactly."""

import collections
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import gilprof

# What is asserted is about time on CPUs.
pytestmark = pytest.mark.whole_cpus

STATES = ("holding", "waiting", "detached")

# Two threads that compute and one that comes back from a sleep. It records itself, and
# tells how often it was stopped although it wanted to do nothing but run.
PROGRAM = '''
import sys
import threading
import time

import gilprof

stop = threading.Event()


def crunch():
    while not stop.is_set():
        sum(range(2_000))


def polish():
    while not stop.is_set():
        sorted(range(5_000, 0, -1))


def fetch():
    while not stop.is_set():
        time.sleep(0.004)
        sum(range(20_000))


def switches():
    """How often this thread gave up its CPU by itself, as one does that is stopped."""
    with open("/proc/thread-self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("voluntary"))


def spin(seconds):
    """How often it was stopped, though it wanted nothing but to run."""
    before = switches()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return switches() - before


threads = [threading.Thread(target=work, name=work.__name__) for work in (crunch, polish, fetch)]


def answer(line):
    command, *arguments = line.split()
    if command == "record":
        [thread.start() for thread in threads]
        gilprof.start()
    elif command == "save":
        gilprof.stop().save(arguments[0])
    elif command == "spin":
        return spin(float(arguments[0]))


print(flush=True)
for line in sys.stdin:
    print(answer(line), flush=True)
stop.set()
'''


class Program:
    """The program above, which does what it is told."""

    def __init__(self, script):
        paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]
        self.process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        self.heard()

    def heard(self):
        return self.process.stdout.readline()

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def ask(self, command):
        self.tell(command)
        return self.heard()


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    script = tmp_path_factory.mktemp("sampling") / "program.py"
    script.write_text(PROGRAM)
    return script


@pytest.fixture
def program(script):
    program = Program(script)
    yield program
    program.process.communicate()


def sampling(program, seconds, path, *options):
    line = [sys.executable, "-m", "gilprof", "attach", str(program.process.pid), "--sample"]
    return subprocess.Popen([*line, "-d", str(seconds), "-o", str(path), *options])


def sampled(program, seconds, path, *options):
    assert sampling(program, seconds, path, *options).wait(timeout=120) == 0
    return gilprof.load(str(path))


@pytest.fixture(scope="module")
def both(script):
    """The sampled profile, and the exact one of the same program."""
    program = Program(script)
    program.ask("record")
    looked = sampled(program, 20, script.with_name("sampled.json"))
    program.ask(f"save {script.with_name('exact.json')}")
    program.process.communicate()
    return looked, gilprof.load(str(script.with_name("exact.json")))


def by_name(rows):
    return {row.key: row.total_ns for row in rows}


def test_held_and_waiting_are_those_of_the_exact_recording(both):
    """In twenty seconds there are 5 000 samples or more. Were each of them independent, and the
    thread in either of two states for half of the time, the standard error would be 0.7
    points; states last longer than the time between two samples here, so it is less: two
    points are more than three of them. Looks that came late for want of a CPU are not at
    random: each of those may be wrong."""
    looked, exact = both
    # Slices of the history are longer at the ends than the recording.
    begin = looked.start_ns - exact.start_ns
    window = exact.query().between(begin, begin + looked.wall_ns)
    truth = {state: by_name(window.state(state).by("thread").rows()) for state in STATES}
    late = looked.samples.late / looked.samples.count
    for thread in looked.threads:
        lifetime = sum(rows.get(thread.name, 0) for rows in truth.values())
        for state in STATES:
            share = getattr(thread, f"{state}_ns") / thread.lifetime_ns
            off = share - truth[state].get(thread.name, 0) / lifetime
            assert abs(off) <= 0.02 + late, (state, thread.name, off, late)


def test_it_says_that_it_is_sampled_and_the_sums_balance(both):
    looked, exact = both
    assert (looked.mode, exact.mode) == ("sampled", "exact")
    for thread in looked.threads:
        assert thread.holding_ns + thread.waiting_ns + thread.detached_ns == thread.lifetime_ns
    assert looked.python == exact.python
    assert looked.switch_interval_ns == exact.switch_interval_ns


def test_who_is_blamed_and_at_which_line_are_those_of_the_exact_recording(both):
    looked, exact = both

    def worst(profile, thread):
        """The line of a thread at which its holds cost the others most."""
        lines = collections.Counter()
        for site in profile.sites("blame"):
            if site.thread.name == thread:
                lines[site.stack[0].function, site.stack[0].line] += site.weight_ns
        return lines.most_common(1)[0][0]

    def shares(profile):
        pairs = {(row.waiter.name, row.holder.name): row.waiting_ns for row in profile.blame}
        return {pair: ns / sum(pairs.values()) for pair, ns in pairs.items()}

    for thread in ("crunch", "polish"):
        assert worst(looked, thread) == worst(exact, thread)
    truth = shares(exact)
    for pair, share in shares(looked).items():
        assert abs(share - truth.get(pair, 0)) <= 0.04, (pair, share, truth.get(pair))


def test_nothing_is_written_to_the_process(program, tmp_path):
    line = [sys.executable, "-m", "gilprof", "ps", "--format", "json"]

    def probe():
        rows = json.loads(subprocess.check_output(line))["processes"]
        return next(row["probe"] for row in rows if row["pid"] == program.process.pid)

    before = probe()
    sampled(program, 1, tmp_path / "sampled.json")
    assert (before, probe()) == ("loaded", "loaded")


def test_the_process_never_stands_still_for_it(program, tmp_path):
    """A thread that only computes never gives up its CPU by itself; one that is stopped, or
    waits for a lock in the kernel, does. There are some 3 000 looks at it."""
    running = sampling(program, 5, tmp_path / "sampled.json", "--interval", "1ms")
    stops = int(program.ask("spin 3"))
    assert running.poll() is None
    assert stops <= 30
    assert running.wait(timeout=120) == 0
    assert gilprof.load(str(tmp_path / "sampled.json")).samples.count > 1_000


def test_a_process_that_ends_is_reported_up_to_there(program, tmp_path):
    running = sampling(program, 100, tmp_path / "sampled.json")
    program.ask("spin 2")
    program.process.communicate()
    assert running.wait(timeout=120) == 0
    assert gilprof.load(str(tmp_path / "sampled.json")).wall_ns < 100e9


def test_from_python_it_is_the_same(program):
    program.ask("record")
    with gilprof.attach(program.process.pid, sample=True, interval="1ms") as attachment:
        first = attachment.snapshot()
        program.ask("spin 1")
        window = attachment.snapshot() - first
    whole = attachment.result
    assert (whole.mode, whole.pid) == ("sampled", program.process.pid)
    assert {"crunch", "polish", "fetch"} <= {thread.name for thread in whole.threads}
    for one in (window, whole):
        assert one.samples.count > 0
        assert all(thread.waits is None for thread in one.threads)
        for thread in one.threads:
            assert thread.holding_ns + thread.waiting_ns + thread.detached_ns == thread.lifetime_ns
    assert window.wall_ns <= whole.wall_ns and window.holding_ns <= whole.holding_ns


def test_an_option_that_is_not_for_this_is_told_with_what_is():
    wrong = [
        ({"sample": True, "interval": "2"}, "interval=2 is not allowed: 100us to 1s"),
        ({"sample": True, "threads": 64}, "threads=64 is not allowed with sample=True"),
        ({"interval": "2ms"}, "interval=2ms is for sample=True only"),
    ]
    for options, told in wrong:
        with pytest.raises(gilprof.OptionError, match=told):
            gilprof.attach(os.getpid(), **options)
