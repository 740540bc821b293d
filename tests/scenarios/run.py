"""Runs scenarios under gilprof and compares its verdict with what is true.

    run.py [NAME...] [--runs N] [--fast] [--keep FOLDER] [--kept FOLDER]

For the Python that has gilprof and requirements.txt installed. NAME may be a pattern.
"""

import argparse
import fnmatch
import platform
import re
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

import apache
import recording
from judge import judge
from table import SCENARIOS


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--fast", action="store_true", help="only those that need no package")
    parser.add_argument("--keep", metavar="FOLDER", help="keep the profiles here")
    parser.add_argument("--kept", metavar="FOLDER", help="judge what was kept there once more")
    chosen = parser.parse_args()
    scenarios = [one for one in SCENARIOS if one.fast or not chosen.fast]
    if chosen.names:
        scenarios = [one for one in scenarios if matches(one.name, chosen.names)]
    if not scenarios:
        sys.exit(f"no scenario is called {' or '.join(chosen.names)}")
    print(f"Python {platform.python_version()}, {chosen.runs} runs each", flush=True)
    if chosen.kept:
        rows = [again(one, chosen.runs, Path(chosen.kept)) for one in scenarios]
    else:
        rows = [watch(one, chosen.runs, chosen.keep) for one in scenarios]
    print("\n| scenario | true | seen | held | waiting | says | |\n|---|---|---|---|---|---|---|")
    for row in rows:
        print(row.line)
    wrong = sum(row.wrong for row in rows)
    not_run = sum(row.not_run for row in rows)
    print(f"\n{len(rows) - wrong - not_run} right, {wrong} wrong, {not_run} not run")
    return 1 if wrong else 0


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


class Outcome:
    """What came of all runs of one scenario."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.seen = []
        self.failed = []
        self.reason = None

    @property
    def wrong(self):
        return bool(self.failed) or any(one.wrong for one in self.seen)

    @property
    def not_run(self):
        return self.reason is not None

    @property
    def line(self):
        """A row of a table in Markdown."""
        true = " or ".join(sorted(self.scenario.first))
        if self.not_run:
            return f"| {self.scenario.name} | {true} | not run ({self.reason}) | | | | |"
        runs = Counter(" ".join(one.found) for one in self.seen)
        seen = "; ".join(f"{found} ×{count}" for found, count in runs.most_common())
        if self.failed:
            seen = "; ".join(filter(None, [seen, f"failed ×{len(self.failed)}"]))
        sentence = self.seen[0].sentence if self.seen else self.failed[0]
        # Where files lie is this machine's own.
        sentence = re.sub(r"\(/\S*/", "(", sentence)
        word = "**wrong**" if self.wrong else "right"
        return (
            f"| {self.scenario.name} | {true} | {seen} | {extent('held', self.seen)} | "
            f"{extent('waiting', self.seen)} | {sentence} | {word} |"
        )


def extent(field, seen):
    """The least and the most of a number over the runs."""
    values = sorted(getattr(one, field) for one in seen)
    if not values:
        return "n/a"
    least, most = f"{values[0]:.2f}", f"{values[-1]:.2f}"
    return least if least == most else f"{least} to {most}"


def watch(scenario, runs, keep):
    """Runs one scenario so many times, and says how it goes."""
    outcome = Outcome(scenario)
    lacking = recording.missing(scenario)
    if lacking:
        outcome.reason = f"{', '.join(lacking)} is missing"
    elif scenario.run[0] == "apache":
        outcome.reason = apache.unfit()
    if outcome.not_run:
        print(f"{scenario.name}: not run ({outcome.reason})", flush=True)
        return outcome
    for number in range(1, runs + 1):
        begin = time.monotonic()
        said = once(scenario, outcome, keep, number)
        took = time.monotonic() - begin
        print(f"{scenario.name} {number}/{runs}: {said} ({took:.0f} s)", flush=True)
    return outcome


def again(scenario, runs, folder):
    """What was kept of one scenario, judged by the rules of now."""
    outcome = Outcome(scenario)
    for number in range(1, runs + 1):
        files = sorted(folder.glob(f"{scenario.name}-{number}-*.json"))
        if len(files) == scenario.processes:
            outcome.seen.append(judge(scenario, files))
        else:
            outcome.failed.append(f"run {number} has {len(files)} profiles in {folder}")
    return outcome


def once(scenario, outcome, keep, number):
    with recording.scratch() as folder:
        try:
            files = recording.record(scenario, folder)
        except (recording.Failed, OSError) as error:
            outcome.failed.append(str(error))
            return f"FAILED: {error}"
        seen = judge(scenario, files)
        for index, file in enumerate(files if keep else []):
            Path(keep).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, f"{keep}/{scenario.name}-{number}-{index}.json")
    outcome.seen.append(seen)
    state = f"WRONG: {'; '.join(seen.wrong)}" if seen.wrong else "right"
    return f"{' '.join(seen.found)}, held {seen.held:.2f}, waiting {seen.waiting:.2f}: {state}"


if __name__ == "__main__":
    sys.exit(main())
