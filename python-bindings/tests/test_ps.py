"""`gilprof ps` on this Python, as another process sees it."""

import json
import platform
import subprocess
import sys

import pytest

WAITS = "{}; import sys; print(flush=True); sys.stdin.read()"


@pytest.fixture
def start():
    """Starts this Python on a piece of source, which has run when it comes back."""
    started = []

    def start(source="pass", *command):
        line = [*command, sys.executable, "-c", WAITS.format(source)]
        process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        started.append(process)
        assert process.stdout.readline() == b"\n"
        return process

    yield start
    for process in started:
        process.communicate()


def listed(process):
    line = [sys.executable, "-m", "gilprof", "ps", "--format", "json"]
    done = subprocess.run(line, stdout=subprocess.PIPE, timeout=60, check=True)
    rows = {row["pid"]: row for row in json.loads(done.stdout)["processes"]}
    return rows[process.pid]


def test_the_version_is_the_one_that_this_python_says(start):
    row = listed(start())
    assert row["python"] == platform.python_version()
    assert (row["gil"], row["attach"], row["reason"]) == ("on", True, None)


def test_threads_are_counted(start):
    source = "import threading as t; [t.Thread(target=t.Event().wait, daemon=True).start() for _ in range(3)]"
    assert listed(start(source))["threads"] == 4


def test_a_probe_is_told_by_what_it_does(start):
    assert listed(start())["probe"] == "no"
    assert listed(start("import gilprof"))["probe"] == "loaded"
    assert listed(start("import gilprof; gilprof.start()"))["probe"] == "recording"
    assert listed(start("import gilprof; gilprof.start(); gilprof.stop()"))["probe"] == "loaded"


@pytest.mark.skipif(sys.version_info < (3, 13), reason="it is told from 3.13 on")
def test_interpreters_with_gils_of_their_own_are_counted(start):
    source = "import _interpreters as i; all = [i.create('isolated') for _ in range(2)]; i.create('legacy')"
    assert listed(start(source))["gils"] == 3
    assert listed(start())["gils"] == 1
