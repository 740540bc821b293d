"""Records fleets of processes with `gilprof run --follow`, kills a worker in the middle, and
tells whether each process has its row and what it did is in it.

    fleets.py [NAME...] [--fast]

For the Python that has gilprof and tests/scenarios/requirements.txt installed. NAME may be
a pattern.
"""

import argparse
import fnmatch
import os
import platform
import signal
import subprocess
import sys

from fleet import FLEETS, HERE, Work
from fleet_app import HELD_NS
from process import descendants

import gilprof
import recording
from scenario import Scenario, ids

#: Sums of rows that are those of the whole.
SUMS = ("holding_ns", "waiting_ns", "handoff_ns", "caused_ns")


class Seen:
    """What was seen of one fleet."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.work = Work()
        self.profile = None
        self.wrong = []

    def judge(self):
        rows = self.profile.processes
        self.wrong += self.profile.imbalances()
        for name in SUMS:
            if sum(getattr(row.profile, name) for row in rows) != getattr(self.profile, name):
                self.wrong.append(f"the rows' {name} is not that of all")
        for pid, count in self.work.by_pid.items():
            own = [row.profile for row in rows if row.pid == pid]
            if len(own) != 1:
                self.wrong.append(f"worker {pid} has {len(own)} rows")
                continue
            self.wrong += own[0].imbalances()
            if own[0].holding_ns < count * HELD_NS:
                self.wrong.append(f"worker {pid} held for {own[0].holding_ns / 1e6:.0f} ms only")
        # Nobody but its parent is told how it ended, so its row does not say that.
        if self.fleet.kills and self.work.killed not in self.work.by_pid:
            self.wrong.append("none was killed")

    @property
    def line(self):
        name, wrong = self.fleet.name, "; ".join(self.wrong) or "right"
        if self.profile is None:
            return f"| {name} | | | | | {wrong} |"
        workers = [row for row in self.profile.processes if row.pid in self.work.by_pid]
        done = sorted(self.work.by_pid.items(), key=lambda item: item[0] != self.work.killed)
        held = {row.pid: row.profile.holding_ns for row in workers}
        told = (
            f"{'killed: ' if pid == self.work.killed else ''}{held.get(pid, 0) / 1e6:.0f} ms "
            f"of {count * HELD_NS / 1e6:.0f} ms at least"
            for pid, count in done
        )
        cells = [name, len(self.profile.processes), len(workers), "; ".join(told), wrong]
        return f"| {' | '.join(map(str, cells))} |"


HEAD = """
| fleet | rows | of them workers | each worker held the GIL for | |
|---|---|---|---|---|"""


def watch(fleet):
    seen = Seen(fleet)
    try:
        with recording.scratch() as folder:
            record(seen, folder)
            seen.judge()
    except (recording.Failed, gilprof.Error, OSError, subprocess.SubprocessError) as error:
        seen.wrong.append(str(error))
    print(f"{fleet.name}: {'; '.join(seen.wrong) or 'right'}", flush=True)
    return seen


def record(seen, folder):
    """Runs the fleet under gilprof, and ends it as one would: gilprof passes SIGTERM on."""
    fleet = seen.fleet
    own = os.pathsep.join([str(HERE), str(recording.PROGRAMS)])
    variables = (("PYTHONPATH", own), ("FLEET", str(folder)))
    os.environ["FLEET"] = str(folder)
    scenario = Scenario(fleet.name, fleet.run, ids(""), itself=True, environment=variables)
    places, environment = recording.prepare(scenario, folder)
    file = folder / "fleet.json"
    words = [sys.executable, "-m", "gilprof", "run", "--follow", "-o", str(file), "--"]
    words += recording.command(scenario, places, folder)
    with recording.started(words, environment, folder, "fleet") as process:
        if fleet.attend is not None:
            if "{port}" in " ".join(fleet.run):
                recording.reachable(process, places["port"], folder)
            fleet.attend(fleet, places["port"], seen.work)
            # The first below is `timeout`'s child.
            os.kill(next(descendants(process.pid)), signal.SIGTERM)
        try:
            process.wait(recording.START_SECONDS)
        except subprocess.TimeoutExpired:
            raise recording.Failed(f"it did not end{recording.said(folder)}") from None
    if fleet.attend is None:
        seen.work.read((folder / "fleet.log").read_text())
    if not file.exists():
        raise recording.Failed(f"there is no profile{recording.said(folder)}")
    seen.profile = gilprof.load(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--fast", action="store_true", help="only those that need no package")
    chosen = parser.parse_args()
    fleets = [one for one in FLEETS if one.fast or not chosen.fast]
    if chosen.names:
        fleets = [one for one in fleets if matches(one.name, chosen.names)]
    if not fleets:
        sys.exit(f"no fleet is called {' or '.join(chosen.names)}")
    print(f"Python {platform.python_version()}, {len(fleets)} fleets", flush=True)
    rows = [watch(fleet) for fleet in fleets]
    print(HEAD)
    for row in rows:
        print(row.line)
    wrong = sum(bool(row.wrong) for row in rows)
    print(f"\n{len(rows) - wrong} right, {wrong} wrong")
    return 1 if wrong else 0


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


if __name__ == "__main__":
    sys.exit(main())
