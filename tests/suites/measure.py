"""Runs test suites of packages with and without `--gilprof`, and prints what differs.

    measure.py FOLDER [NAME...] [--pairs N]

For the Python that has gilprof and what the suites need installed; FOLDER has the unpacked
source distributions (scripts/suites.py).
"""

import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent.parent / "benches"))

from compare import alternated, median_interval, quartiles, ratios  # noqa: E402
from run import machine  # noqa: E402
from suite import SUITES  # noqa: E402

#: More of a suite's time than this is too much.
BUDGET_PERCENT = 2
#: A suite that takes longer hangs.
LIFE_SECONDS = 600


class Ran(NamedTuple):
    """One run of a suite."""

    seconds: float
    """From the start of the process to its end."""
    cpu_seconds: float
    """Of the process and of what it started and waited for."""
    outcomes: collections.Counter
    """How often each test had which outcome."""

    @property
    def counts(self):
        told = collections.Counter()
        for (_, outcome), count in self.outcomes.items():
            told[outcome] += count
        return told


def ran(suite, folder, is_on):
    """Runs it once; `is_on` says whether the plugin records."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "outcomes.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "outcomes"]
        command += [*suite.arguments, *(["--gilprof"] if is_on else [])]
        environment = {name: value for name, value in os.environ.items() if name != "GILPROF"}
        environment.update(OUTCOMES=str(report), PYTHONPATH=str(HERE))
        log = Path(scratch) / "log"
        with open(log, "wb") as file:
            begin = time.perf_counter()
            process = subprocess.Popen(
                ["timeout", str(LIFE_SECONDS), *command],
                cwd=folder / f"{suite.name}-{suite.version}",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
            _, _, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            process.returncode = 0
        if not report.exists():
            sys.exit(f"{suite.name} ended without a report:\n{log.read_text()[-2000:]}")
        return Ran(seconds, usage.ru_utime + usage.ru_stime, outcomes(report))


def outcomes(report):
    """What was written of each test (outcomes.py)."""
    found = collections.Counter()
    for test, parts in json.loads(report.read_text()).items():
        found[test, outcome(parts)] += 1
    return found


def outcome(parts):
    """In few words; of a test that passed in its call and failed after it, of both."""
    plain = {"setup skipped": "skipped", "expected to fail, skipped": "failed as expected"}
    return " + ".join(plain.get(part, part) for part in parts) or "not run"


class Measured:
    """What came of all runs of one suite."""

    def __init__(self, suite, pairs):
        self.suite, self.pairs = suite, pairs
        self.without, self.recorded = zip(*pairs)
        self.differing = sorted(
            f"{test}: {outcome}"
            for without, recorded in pairs
            for test, outcome in (without.outcomes - recorded.outcomes)
            + (recorded.outcomes - without.outcomes)
        )

    def percent(self, field):
        return ratios([(getattr(a, field), getattr(b, field)) for a, b in self.pairs])

    @property
    def state(self):
        """Whether the median is within the budget, as far as the noise lets tell."""
        if self.differing:
            return "**not the same**"
        low, high = median_interval(self.percent("seconds"))
        if high <= BUDGET_PERCENT:
            return "within 2 %"
        return "more than 2 %" if low > BUDGET_PERCENT else "too noisy to tell"

    @property
    def line(self):
        """A row of a table in Markdown."""
        cells = [
            f"{self.suite.name} {self.suite.version}",
            self.suite.uses,
            counted(self.without),
            counted(self.recorded),
            seconds(self.without),
            seconds(self.recorded),
            ratio_of_medians(self.without, self.recorded),
            spread(self.percent("seconds")),
            spread(self.percent("cpu_seconds")),
            self.state,
        ]
        return f"| {' | '.join(cells)} |"


HEAD = """
| suite | what it uses threads for | without | with `--gilprof` | time without | with | medians | pairs | CPU time of pairs | |
|---|---|---|---|---|---|---|---|---|---|"""


def counted(runs):
    """Tests by outcome, of each run where they differ."""
    told = {
        ", ".join(f"{count} {outcome}" for outcome, count in sorted(run.counts.items()))
        for run in runs
    }
    return " or ".join(sorted(told))


def seconds(runs):
    return f"{statistics.median(run.seconds for run in runs):.2f} s"


def ratio_of_medians(without, recorded):
    first, second = (statistics.median(run.seconds for run in runs) for runs in (without, recorded))
    return f"{(second / first - 1) * 100:+.1f} %"


def spread(samples):
    first, median, third = quartiles(samples)
    return f"{median:+.1f} % ({first:+.1f} to {third:+.1f})"


def measure(suite, folder, pairs):
    def once(is_on):
        found = ran(suite, folder, is_on)
        word = "with" if is_on else "without"
        print(f"{suite.name} {word}: {found.seconds:.2f} s", flush=True)
        return found

    return Measured(suite, alternated(once, pairs))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--pairs", type=int, default=7)
    chosen = parser.parse_args()
    suites = [one for one in SUITES if not chosen.names or one.name in chosen.names]
    if not suites:
        sys.exit(f"no suite is called {' or '.join(chosen.names)}")
    print(machine(), flush=True)
    rows = [measure(suite, chosen.folder, chosen.pairs) for suite in suites]
    print(f"\n{machine()}")
    print(f"{chosen.pairs} pairs of runs each; medians, and the middle half of the pairs")
    print(HEAD)
    for row in rows:
        print(row.line)
    for row in rows:
        for difference in row.differing:
            print(f"differs in {row.suite.name}: {difference}")
    return 1 if any(row.differing for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
