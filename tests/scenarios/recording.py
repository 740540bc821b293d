"""Runs a scenario and gives back the files of what was recorded."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import apache

PROGRAMS = Path(__file__).resolve().parent / "programs"
LOAD_SECONDS = 3
# A scenario that takes longer than this hangs.
LIFE_SECONDS = 90
START_SECONDS = 30
TRIES = 400


class Failed(Exception):
    """The scenario could not be run as it must; says why."""


def record(scenario, folder):
    """Runs it once; the profiles of its processes are in the folder then."""
    places, environment = prepare(scenario, folder)
    if scenario.itself or scenario.load:
        environment["SCENARIO_RECORDINGS"] = str(folder)
    with slow_server(scenario, places["slow"], folder):
        if scenario.load:
            serve(scenario, command(scenario, places, folder), places["port"], environment, folder)
        else:
            run(scenario, command(scenario, places, folder), environment, folder)
    found = sorted(folder.glob("*.json"))
    if len(found) != scenario.processes:
        raise Failed(
            f"{len(found)} processes were recorded, not {scenario.processes}{said(folder)}"
        )
    return found


def prepare(scenario, folder):
    """Free ports, and the environment that it runs in; nothing is recorded yet."""
    (folder / "switch").write_bytes(b"\0")
    places = {"port": free_port(), "slow": free_port()}
    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SLOW_SERVER": str(places["slow"]),
        **dict(scenario.environment),
    }
    return places, environment


def command(scenario, places, folder):
    """The words of the command that runs it."""
    if scenario.run[0] == "apache":
        return apache.command(scenario.run[1], places["port"], folder)
    words = [word.format(**places) for word in scenario.run]
    at = next(i for i, word in enumerate(words) if word.endswith(".py") or word == "-m")
    words.insert(at, sys.executable)
    if scenario.load or scenario.itself:
        return words
    return [sys.executable, "-m", "gilprof", "run", "-o", folder / "run.json", "--", *words]


def run(scenario, words, environment, folder):
    """A program that ends by itself."""
    with started(words, environment, folder, "program") as process:
        try:
            status = process.wait(LIFE_SECONDS)
        except subprocess.TimeoutExpired:
            raise Failed(f"it did not end within {LIFE_SECONDS} s{said(folder)}") from None
    if status:
        raise Failed(f"it ended with status {status}{said(folder)}")


def serve(scenario, words, port, environment, folder):
    """A server, recorded while it is under load."""
    base = f"http://127.0.0.1:{port}"
    switch = folder / "switch"
    with started(words, environment, folder, "server") as server:
        reachable(server, port, folder)
        for load in scenario.load:
            get(base + load.path)
        turn(switch, b"\1")
        ask_until(base + scenario.control, scenario.processes, lambda: folder.glob("*.started"))
        try:
            under_load(base, scenario.load)
        finally:
            turn(switch, b"\0")
            ask_until(base + scenario.control, scenario.processes, lambda: folder.glob("*.json"))


def turn(switch, to):
    """In place: the servers have this file mapped."""
    with open(switch, "r+b") as file:
        file.write(to)


def ask_until(url, count, files):
    """Asks for the page until so many processes have answered with a file."""
    for _ in range(TRIES):
        get(url)
        if len(list(files())) >= count:
            return
    raise Failed(f"{url} was not answered by {count} processes in {TRIES} tries")


def get(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        answer.read()


def under_load(base, loads):
    """All the loads at once, until the last has ended."""
    askers = []
    for load in loads:
        url = base + load.path
        if load.tabs:
            words = [sys.executable, PROGRAMS / "two_tabs.py", url, str(load.tabs)]
        else:
            words = [
                "wrk",
                "-t1",
                f"-c{load.connections}",
                f"-d{LOAD_SECONDS}",
                "--timeout",
                "30",
                url,
            ]
        askers.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
    outputs = [asker.communicate(timeout=LIFE_SECONDS)[0].decode() for asker in askers]
    for asker, output in zip(askers, outputs):
        if asker.returncode or "Non-2xx" in output:
            raise Failed(f"the load went wrong: {output.strip()}")


@contextmanager
def slow_server(scenario, port, folder):
    if not scenario.slow_server:
        yield
        return
    words = [sys.executable, PROGRAMS / "slow_server.py", str(port), str(LIFE_SECONDS)]
    with started(words, os.environ, folder, "slow_server") as server:
        reachable(server, port, folder)
        yield


@contextmanager
def started(words, environment, folder, name):
    """The process; it and all that it started are gone afterwards."""
    limit = ["timeout", "-k", "5", str(LIFE_SECONDS)]
    with open(folder / f"{name}.log", "ab") as log:
        process = subprocess.Popen(
            [*limit, *map(str, words)],
            cwd=PROGRAMS,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process)


def end(process):
    """Ends the whole process group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
    process.wait(10)


def reachable(process, port, folder):
    """Waits until somebody listens there."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Failed(f"the server did not start{said(folder)}")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def said(folder):
    """The last that the programs printed."""
    logs = [log.read_text("utf8", "replace") for log in folder.glob("*.log")]
    lines = [line for log in logs for line in log.splitlines()]
    return ": " + " / ".join(lines[-4:]) if lines else ""


@contextmanager
def scratch():
    """A folder that servers of another user may write to."""
    folder = Path(tempfile.mkdtemp(prefix="gilprof-scenario-"))
    folder.chmod(0o777)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def missing(scenario):
    """The programs of the system that it needs and that are not there."""
    needs = {*scenario.needs, *(["wrk"] if any(not load.tabs for load in scenario.load) else [])}
    return sorted(need for need in needs if not shutil.which(need))
