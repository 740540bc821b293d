"""Attaches to services while they are asked, and tells whether any answer was lost.

    check.py [NAME...] [--fast] [--gilprof PROGRAM]

For the Python that has gilprof and tests/scenarios/requirements.txt installed. NAME may be
a pattern.
"""

import argparse
import fnmatch
import json
import os
import platform
import subprocess
import sys
import time
from contextlib import contextmanager

from service import HERE, SERVICES
from process import Owned, pythons, workers

import apache
import gilprof
import recording

SECONDS = 3
#: Recordings of each worker, one after the other.
TIMES = 2
#: How long the service is asked without anybody attached, before and after.
ALONE_SECONDS = 2


class Clients:
    """The program that asks."""

    def __init__(self, service, port, environment):
        self.process = subprocess.Popen(
            [sys.executable, HERE / service.clients, str(port), *service.asks],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            universal_newlines=True,
        )
        if self.line() != "ready":
            raise recording.Failed("the service does not answer")

    def line(self):
        return self.process.stdout.readline().strip()

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()

    def while_asking(self, action):
        """What the answers were while something was done."""
        self.tell("go")
        try:
            action()
        finally:
            self.tell("stop")
            said = self.line()
        return json.loads(said)

    def end(self):
        self.process.kill()
        self.process.communicate()


class Seen:
    """What was seen of one service."""

    def __init__(self, service):
        self.service = service
        self.not_run = None
        self.wrong = []
        self.workers = []
        self.events = []
        self.alone = self.attached = self.after = None

    def judge(self):
        for when, answers in (
            ("before", self.alone),
            ("while attached", self.attached),
            ("after", self.after),
        ):
            if not answers["count"]:
                self.wrong.append(f"no answers {when}")
            if answers["failed"]:
                self.wrong.append(f"{len(answers['failed'])} failed {when}: {answers['failed'][0]}")

    @property
    def line(self):
        name = self.service.name
        if self.not_run:
            return f"| {name} | not run: {self.not_run} | | | | | |"
        if not self.after:
            return f"| {name} | wrong: {'; '.join(self.wrong)} | | | | | |"
        answers = [self.alone, self.attached, self.after]
        counts = " / ".join(str(one["count"]) for one in answers)
        failed = sum(len(one["failed"]) for one in answers)
        longest = " / ".join(f"{one['longest_ms']:.0f} ms" for one in answers)
        events = ", ".join(map(str, self.events))
        verdict = "; ".join(self.wrong) or "right"
        cells = [name, len(self.workers), counts, failed, longest, events, verdict]
        return f"| {' | '.join(map(str, cells))} |"


HEAD = """
| service | workers | answers before / while attached / after | failed | longest answer | events of each recording | |
|---|---|---|---|---|---|---|"""


def watch(service, program):
    seen = Seen(service)
    lacking = recording.missing(service.scenario)
    seen.not_run = f"{', '.join(lacking)} is missing" if lacking else None
    if service.scenario.run[0] == "apache":
        seen.not_run = seen.not_run or apache.unfit()
    if not seen.not_run:
        try:
            attend(seen, program)
            seen.judge()
        except (recording.Failed, OSError, subprocess.SubprocessError) as error:
            seen.wrong.append(str(error))
    print(f"{service.name}: {seen.not_run or '; '.join(seen.wrong) or 'right'}", flush=True)
    return seen


def attend(seen, program):
    service = seen.service
    with recording.scratch() as folder, running(service, folder) as (root, clients):
        seen.alone = clients.while_asking(lambda: time.sleep(ALONE_SECONDS))
        seen.workers = workers(program, root, service.worker)
        if not seen.workers:
            raise recording.Failed("no worker was found")
        before = at_rest(seen.workers)

        def attach():
            for pid in seen.workers * TIMES:
                record(seen, program, pid, folder)

        seen.attached = clients.while_asking(attach)
        seen.after = clients.while_asking(lambda: time.sleep(ALONE_SECONDS))
        seen.wrong += left(seen.workers, before, program)


@contextmanager
def running(service, folder):
    """The process that was started, and clients of its."""
    scenario = service.scenario
    places, environment = recording.prepare(scenario, folder)
    port = places["port"]
    words = recording.command(scenario, places, folder)
    with recording.started(words, environment, folder, "server") as server:
        recording.reachable(server, port, folder)
        clients = Clients(service, port, environment)
        try:
            yield server.pid, clients
        finally:
            clients.end()


def record(seen, program, pid, folder):
    """One recording; what is wrong with it is noted."""
    file = folder / "attached.json"
    command = [*program, "attach", str(pid), "-d", str(SECONDS), "-o", str(file)]
    done = subprocess.run(command, stderr=subprocess.PIPE, universal_newlines=True)
    if done.returncode:
        raise recording.Failed(f"process {pid} was not recorded: {done.stderr.strip()}")
    profile = gilprof.load(file)
    file.unlink()
    seen.events.append(profile.events)
    seen.wrong += profile.imbalances()
    if not profile.events:
        seen.wrong.append(f"nothing was seen of process {pid}")


def at_rest(pids):
    """The least that the workers have while nobody asks: connections take a while to close."""
    end = time.monotonic() + ALONE_SECONDS
    least = Owned.by(pids)
    while time.monotonic() < end:
        time.sleep(0.05)
        least = Owned(*map(min, least, Owned.by(pids)))
    return least


def left(pids, before, program):
    """What is not as it was."""
    now = at_rest(pids)
    # Pages of code stay for the next one who attaches.
    expected = before._replace(code=before.code + len(pids))
    if now.code != expected.code or any(one > most for one, most in zip(now, expected)):
        yield f"of {expected} there is {now}"
    probes = {row["probe"] for pid, row in pythons(program).items() if pid in pids}
    if probes != {"no"}:
        yield f"the probe is {' or '.join(probes)}"


def matches(service, patterns):
    return any(fnmatch.fnmatchcase(service.name, pattern) for pattern in patterns)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--fast", action="store_true", help="only those that need no package")
    parser.add_argument("--gilprof", metavar="PROGRAM", help="another gilprof than this Python's")
    chosen = parser.parse_args()
    other = chosen.gilprof and [os.path.abspath(chosen.gilprof)]
    program = other or [sys.executable, "-m", "gilprof"]
    services = [one for one in SERVICES if one.fast or not chosen.fast]
    if chosen.names:
        services = [one for one in services if matches(one, chosen.names)]
    if not services:
        sys.exit(f"no service is called {' or '.join(chosen.names)}")
    print(f"Python {platform.python_version()}, {TIMES} recordings of {SECONDS} s", flush=True)
    rows = [watch(service, program) for service in services]
    print(HEAD)
    for row in rows:
        print(row.line)
    wrong = sum(bool(row.wrong) for row in rows)
    not_run = sum(bool(row.not_run) for row in rows)
    print(f"\n{len(rows) - wrong - not_run} right, {wrong} wrong, {not_run} not run")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
