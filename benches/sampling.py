"""Prints how far the numbers of `gilprof attach --sample` are from the exact ones.

    python benches/sampling.py [SECONDS]        with gilprof installed

Programs record themselves exactly while they are sampled from outside; the same time of
both recordings is compared. How long one spinning thread was kept from going on, with
nobody looking and while it is sampled, is told by its own clock.
"""
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import gilprof

from run import machine

STATES = ("holding", "waiting", "detached")
ROUNDS = 5
GAPS_US = (20, 100, 1_000, 5_000)


def compute(steps=2_000):
    while True:
        sum(range(steps))


def fetch():
    while True:
        time.sleep(0.004)
        sum(range(20_000))


def pass_on():
    """Hardly more than taking the GIL and letting it go."""
    while True:
        time.sleep(0)


PROGRAMS = {
    "two threads that compute, one that fetches": [compute, compute, fetch],
    "eight threads that fetch": [fetch] * 8,
    "four threads that pass the GIL on": [pass_on] * 4,
    "one thread that computes": [compute],
}


def target(name):
    """Runs a program and records it; a line of input ends that, with a file's name."""
    for number, work in enumerate(PROGRAMS[name]):
        threading.Thread(target=work, name=f"{work.__name__}-{number}", daemon=True).start()
    gilprof.start()
    print(flush=True)
    path = sys.stdin.readline().strip()
    gilprof.stop().save(path)


def started(*arguments):
    process = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        universal_newlines=True,
    )
    process.stdout.readline()
    return process


def sampling(process, seconds, path):
    command = [sys.executable, "-m", "gilprof", "attach", str(process.pid), "--sample"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen([*command, "-d", str(seconds), "-o", str(path)], stderr=quiet)


def both(name, seconds, folder):
    process = started("target", name)
    looked, exact = Path(folder, "sampled.json"), Path(folder, "exact.json")
    assert sampling(process, seconds, looked).wait() == 0
    process.communicate(f"{exact}\n")
    return gilprof.load(str(looked)), gilprof.load(str(exact))


def compare(name, looked, exact):
    """Parts of the threads' lives in each state, of the same time of both recordings."""
    # Slices of the history are longer at the ends than the recording.
    begin = looked.start_ns - exact.start_ns
    window = exact.query().between(begin, begin + looked.wall_ns)
    truth = {state: totals(window.state(state)) for state in STATES}
    farthest = dict.fromkeys(STATES, 0)
    for thread in looked.threads:
        for state in STATES:
            share = getattr(thread, f"{state}_ns") / thread.lifetime_ns
            off = share - truth[state].get(thread.name, 0) / lived(truth, thread.name)
            farthest[state] = max(farthest[state], abs(off) * 100)
    wall, lives = looked.wall_ns, sum(one.lifetime_ns for one in looked.threads)
    length = lived(truth, "MainThread")
    held, waited = (sum(truth[state].values()) for state in ("holding", "waiting"))
    all_lives = sum(lived(truth, thread.name) for thread in looked.threads)
    samples = looked.samples
    print(
        f"{name}\n"
        f"  {samples.count:6} samples, {samples.late} late, "
        f"{looked.overhead_ns / wall * 100:.1f} % of a CPU\n"
        f"  held {looked.holding_ns / wall * 100:6.2f} %, exact {held / length * 100:6.2f}, "
        f"said ± {200 * samples.holding_error_ns / wall:.2f}\n"
        f"  wait {looked.waiting_ns / lives * 100:6.2f} %, exact {waited / all_lives * 100:6.2f}, "
        f"said ± {200 * samples.waiting_error_ns / lives:.2f}\n"
        f"  farthest thread: holding {farthest['holding']:.2f}, waiting {farthest['waiting']:.2f}, "
        f"detached {farthest['detached']:.2f} points",
        flush=True,
    )


def totals(query):
    return {row.key: row.total_ns for row in query.by("thread").rows()}


def lived(truth, name):
    return sum(rows.get(name, 0) for rows in truth.values())


def spin():
    """Gaps between two looks at the clock, a line of counts for each line of input."""
    print(flush=True)
    for line in sys.stdin:
        counts = [0] * len(GAPS_US)
        last = begin = time.perf_counter_ns()
        while last - begin < float(line) * 1e9:
            now = time.perf_counter_ns()
            if now - last >= GAPS_US[0] * 1_000:
                for place, gap in enumerate(GAPS_US):
                    counts[place] += now - last >= gap * 1_000
            last = now
        print(*counts, flush=True)


def gaps(process, seconds):
    process.stdin.write(f"{seconds}\n")
    process.stdin.flush()
    return [int(count) for count in process.stdout.readline().split()]


def pauses(folder):
    process = started("spin")
    alone, looked = [0] * len(GAPS_US), [0] * len(GAPS_US)
    for _ in range(ROUNDS):
        alone = [sum(pair) for pair in zip(alone, gaps(process, 2))]
        running = sampling(process, 60, Path(folder, "spin.json"))
        gaps(process, 1)
        looked = [sum(pair) for pair in zip(looked, gaps(process, 2))]
        running.terminate()
        running.wait()
    process.kill()
    print(f"gaps of one spinning thread in {2 * ROUNDS} s, nobody looking / sampled every 2 ms")
    for gap, one, other in zip(GAPS_US, alone, looked):
        print(f"  {gap:5} µs or more: {one:5} / {other:5}")


def main(seconds="20"):
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        for name in PROGRAMS:
            compare(name, *both(name, float(seconds), folder))
        pauses(folder)


if __name__ == "__main__":
    if sys.argv[1:2] == ["target"]:
        target(sys.argv[2])
    elif sys.argv[1:2] == ["spin"]:
        spin()
    else:
        main(*sys.argv[1:])
