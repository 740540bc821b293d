"""Requests of a threaded server under load: is what the middleware says of each true, does
each have the header, and how much longer do they take?

    requests_check.py [header] [waiting] [latency] [--pairs N]

For the Python that has gilprof and tests/scenarios/requirements.txt installed, with wrk.
"""

import argparse
import bisect
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "scenarios"))
# Its `run` is meant, not that of the scenarios.
sys.path.insert(1, str(HERE.parent.parent / "benches"))

import gilprof  # noqa: E402
import recording  # noqa: E402
from compare import Row, alternated, ratios  # noqa: E402
from run import line, machine  # noqa: E402
from scenario import Scenario, ids  # noqa: E402

CONNECTIONS = THREADS = 4
LOAD_SECONDS = 4
#: So much of the requests' waiting may be told too much or too little.
TOLERANCE = 0.01
BUDGET_PERCENT = 2
PARTS = ("header", "waiting", "latency")
PATHS = ("/ping", "/cpu?n=30000", "/cpu?n=300000", "/sleep?ms=5")


@contextmanager
def server(kind, folder):
    """Its base URL; what it answers is measured as measured_app.py says."""
    words = ("-m", "gunicorn", "-b", "127.0.0.1:{port}", "--log-level", "warning", "-w", "1")
    words += ("-k", "gthread", "--threads", str(THREADS), "measured_app:application")
    own = [str(HERE), str(recording.PROGRAMS)]
    environment = (
        ("MEASURED", kind),
        ("COMPARED", str(folder)),
        ("PYTHONPATH", os.pathsep.join(own)),
    )
    scenario = Scenario(kind, words, ids(""), itself=True, environment=environment)
    places, environment = recording.prepare(scenario, folder)
    words = recording.command(scenario, places, folder)
    with recording.started(words, environment, folder, kind) as process:
        recording.reachable(process, places["port"], folder)
        yield f"http://127.0.0.1:{places['port']}"


def load(url, seconds=LOAD_SECONDS, **variables):
    """What wrk says of answers.lua's questions."""
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}", "--timeout", "30"]
    done = subprocess.run(
        [*words, "-s", str(HERE / "answers.lua"), url],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        universal_newlines=True,
        check=True,
        timeout=recording.LIFE_SECONDS,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    if told["wrong"] or not told["answers"]:
        raise recording.Failed(f"{url} was not answered as it must be: {told}")
    return told


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.loads(answer.read())


def header():
    """Each answer has Server-Timing."""
    print("\n| asked for | answers | without Server-Timing | |\n|---|---|---|---|")
    is_right = True
    for path in PATHS:
        with recording.scratch() as folder, server("measured", folder) as base:
            told = load(base + path, COUNT_TIMING="1")
        is_right &= told["looked_at"] > 0 and told["lacking"] == 0
        word = "wrong" if told["lacking"] or not told["looked_at"] else "right"
        print(f"| {path} | {told['looked_at']} | {told['lacking']} | {word} |", flush=True)
    return is_right


class Waits:
    """The single waits of each thread, as the timeline has them: for a GIL that is taken, and
    after it was given up at somebody's wish, until that one has it (a switch wait)."""

    def __init__(self, profile):
        # Only this check reads tables.
        import pyarrow

        natives = {thread.id: thread.native_id for thread in profile.threads}
        found = defaultdict(list)

        def note(row, time_ns):
            at = profile.start_ns + row[time_ns]
            found[natives[row["thread"]]].append((at, row["duration_ns"]))

        for row in pyarrow.table(profile.table("waits")).to_pylist():
            note(row, "began_ns")
        for row in pyarrow.table(profile.table("events")).to_pylist():
            if row["kind"] == "switch-wait":
                note(row, "time_ns")
        self._begins, self._sums = {}, {}
        for native, waits in found.items():
            waits.sort()
            self._begins[native] = [began for began, _ in waits]
            lengths = (length for _, length in waits)
            self._sums[native] = list(itertools.accumulate(lengths, initial=0))

    def within(self, native, began, ended):
        """How long the thread waited then. A wait never is across the border: whoever looks at
        the clock has the GIL."""
        begins = self._begins.get(native, [])
        first, last = bisect.bisect_left(begins, began), bisect.bisect_right(begins, ended)
        sums = self._sums.get(native, [0])
        return sums[last] - sums[first]


def waiting():
    """What requests are told they waited is what their threads waited while they ran: at least
    in the call of the application, at most from before the middleware to after it."""
    print(
        "\n| asked for | requests | they were told | waits in the application | in the application "
        "and the middleware | all waits of these threads | outside of requests | |"
        "\n|---|---|---|---|---|---|---|---|"
    )
    return all([compared(path) for path in PATHS])


def compared(path):
    with recording.scratch() as folder, server("compared", folder) as base:
        get(base + "/begin")
        load(base + path)
        # wrk leaves while it is being answered.
        deadline = time.monotonic() + recording.START_SECONDS
        while get(base + "/under-way") and time.monotonic() < deadline:
            time.sleep(0.05)
        get(base + "/end")
        profile = gilprof.load(folder / "compared.json")
        requests = json.loads((folder / "told.json").read_text())
    waits = Waits(profile)
    told = sum(one["waiting_ns"] for one in requests)
    inside = sum(waits.within(one["thread"], *one["inside"]) for one in requests)
    around = sum(waits.within(one["thread"], *one["around"]) for one in requests)
    threads = {one["thread"] for one in requests}
    total = sum(one.waiting_ns for one in profile.threads if one.native_id in threads)
    wrong = list(profile.imbalances())
    wrong += ["events were lost"] if profile.dropped or profile.timeline_forgotten else []
    wrong += [] if near(told, inside, around) else ["too far off"]
    cells = [path, len(requests), *(f"{ns / 1e6:.1f} ms" for ns in (told, inside, around, total))]
    cells += [f"{(1 - told / total) * 100:.0f} %" if total else "none", "; ".join(wrong) or "right"]
    print(f"| {' | '.join(map(str, cells))} |", flush=True)
    return not wrong


def near(told, least, most):
    return least * (1 - TOLERANCE) <= told <= most * (1 + TOLERANCE)


def latency(pairs):
    """How much longer requests take with the middleware. Each load has a server of its own:
    of two processes that run the same, one may be faster for as long as it lives."""
    print(f"\n{'what':42} {'budget':>12} {'measured':>14} {'spread':>20}")
    for path in PATHS:
        found = alternated(lambda kind: loaded(kind, path), pairs, ("plain", "measured"))
        for field, name, budget in (
            ("p99_us", "99th percentile", BUDGET_PERCENT),
            ("p50_us", "median", None),
            ("answers", "answers in the time", None),
        ):
            fields = [tuple(one[field] for one in pair) for pair in found]
            bare = sorted(without for without, _ in fields)[len(fields) // 2]
            told = f"{bare / 1e3:.2f} ms" if field.endswith("us") else f"{bare / 3:.0f}/s"
            row = Row(f"{path}, {name} ({told})", "%", ratios(fields), budget)
            print(line(row), flush=True)
    return True


def loaded(kind, path):
    with recording.scratch() as folder, server(kind, folder) as base:
        load(base + path, 1)
        return load(base + path, 3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--pairs", type=int, default=9, help="of loads, for latency (9)")
    chosen = parser.parse_args()
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        sys.exit(f"there is no {' and no '.join(sorted(unknown))}, but {', '.join(PARTS)}")
    if shutil.which("wrk") is None:
        print("requests: not run, wrk is missing")
        return 0
    print(f"{machine()}\ngunicorn, one worker with {THREADS} threads, {CONNECTIONS} connections")
    pieces = {"header": header, "waiting": waiting, "latency": lambda: latency(chosen.pairs)}
    found = [pieces[part]() for part in chosen.parts or PARTS]
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
