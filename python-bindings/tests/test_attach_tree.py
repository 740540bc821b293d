"""`gilprof attach --tree`: a process that runs already, and those it starts."""

import os
import re
import subprocess
import sys

import balance
import gilprof
import pytest

# Forks a child for each line that comes in, and says its id.
PROGRAM = """
import os, sys, threading, time

def count():
    while True:
        sum(range(1000))

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if not child:
        sys.stdin.close()
        for i in range(2):
            threading.Thread(target=count, name=f"counter-{i}", daemon=True).start()
        time.sleep(1000)
    print(child, flush=True)
"""


class Tree:
    """A program that starts others, and what is started to end with it."""

    def __init__(self, command):
        clean = {key: value for key, value in os.environ.items() if "GILPROF" not in key}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.root = subprocess.Popen(command, env=clean, universal_newlines=True, **pipes)
        assert self.root.stdout.readline() == "ready\n"
        self.children = []

    def fork(self):
        self.root.stdin.write("\n")
        self.root.stdin.flush()
        self.children.append(int(self.root.stdout.readline()))
        return self.children[-1]

    def end(self):
        self.root.kill()
        for child in self.children:
            os.kill(child, 9)
        self.root.wait()
        self.root.stdin.close()
        self.root.stdout.close()


@pytest.fixture
def tree():
    one = Tree([sys.executable, "-c", PROGRAM])
    yield one
    one.end()


def attach(pid, *options):
    line = [sys.executable, "-m", "gilprof", "attach", "--tree", str(pid), *options]
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True
    )


class Watched:
    """A recording of a tree whose progress is read as on a terminal."""

    def __init__(self, pid, saved):
        self.terminal, terminal = os.openpty()
        line = [sys.executable, "-m", "gilprof", "attach", "--tree", str(pid)]
        line += ["-d", "100", "-o", str(saved)]
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=terminal)
        os.close(terminal)

    def wait_for(self, text):
        said = b""
        while text not in said:
            said += os.read(self.terminal, 1 << 16)

    def finish(self):
        # What it says last is in the way of nobody.
        self.process.communicate(timeout=100)
        os.close(self.terminal)
        assert self.process.returncode == 0


def recorded(attached, path):
    said = attached.communicate(timeout=100)
    assert attached.returncode == 0, said
    return gilprof.load(path)


def test_each_process_of_a_tree_has_a_row(tree, tmp_path):
    children = [tree.fork(), tree.fork()]
    saved = tmp_path / "tree.json"
    profile = recorded(attach(tree.root.pid, "-d", "0.5", "-o", str(saved)), saved)
    rows = {process.pid: process.profile for process in profile.processes}
    assert set(rows) == {tree.root.pid, *children}
    for child in children:
        names = {thread.name for thread in rows[child].threads}
        assert {"counter-0", "counter-1"} <= names
        balance.assert_balanced(rows[child])
    balance.assert_balanced(profile)


def test_a_process_that_starts_meanwhile_is_recorded_too(tree, tmp_path):
    saved = tmp_path / "tree.json"
    attached = Watched(tree.root.pid, saved)
    attached.wait_for(b"1 threads")
    late = tree.fork()
    attached.wait_for(b"2 processes")
    os.kill(late, 9)
    tree.children.remove(late)
    attached.process.terminate()
    attached.finish()
    profile = gilprof.load(saved)
    rows = {process.pid: process for process in profile.processes}
    assert set(rows) == {tree.root.pid, late}
    assert rows[late].ended_how == "exited"
    assert rows[tree.root.pid].ended_how == "stopped"


def test_a_tree_that_ends_is_reported_up_to_there(tree, tmp_path):
    child = tree.fork()
    saved = tmp_path / "tree.json"
    attached = Watched(tree.root.pid, saved)
    attached.wait_for(b"2 processes")
    tree.end()
    tree.children.clear()
    attached.finish()
    profile = gilprof.load(saved)
    assert {process.pid for process in profile.processes} == {tree.root.pid, child}
    assert profile.ended_how == "exited"


def test_a_tree_is_sampled_as_well(tree, tmp_path):
    child = tree.fork()
    saved = tmp_path / "tree.json"
    profile = recorded(attach(tree.root.pid, "--sample", "-d", "0.5", "-o", str(saved)), saved)
    assert profile.mode == "sampled"
    assert {process.pid for process in profile.processes} == {tree.root.pid, child}
    with open(f"/proc/{child}/maps") as maps:
        assert "memfd:gilprof" not in maps.read()


def test_a_root_that_is_no_python_is_passed_over(tmp_path):
    script = f'"{sys.executable}" -c "$1"; exit $?'
    one = Tree(["sh", "-c", script, "sh", PROGRAM])
    saved = tmp_path / "tree.json"
    try:
        profile = recorded(attach(one.root.pid, "-d", "0.3", "-o", str(saved)), saved)
        with open(f"/proc/{one.root.pid}/task/{one.root.pid}/children") as children:
            one.children += [int(child) for child in children.read().split()]
    finally:
        one.end()
    assert [profile.pid] == one.children


def test_a_tree_without_a_python_is_refused_with_the_reason():
    sleeper = subprocess.Popen(["sleep", "1000"])
    attached = attach(sleeper.pid)
    _out, said = attached.communicate(timeout=60)
    sleeper.kill()
    sleeper.wait()
    assert attached.returncode == 2
    assert re.search(rf"neither process {sleeper.pid} nor one that it has started", said), said
