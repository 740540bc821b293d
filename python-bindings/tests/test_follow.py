"""`gilprof run --follow`: a program and all the Pythons that it starts."""

import subprocess
import sys

import gilprof
import pytest
from balance import assert_balanced

#: Each process says who it is, and what it computed.
PROGRAM = """
import multiprocessing, os, subprocess, sys, threading

def count():
    for _ in range(300_000):
        pass

def work(who):
    threads = [threading.Thread(target=count, name=f"{who}-{i}") for i in range(2)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    # In one piece: several write to the same pipe.
    os.write(1, f"{who} {os.getpid()}\\n".encode())

if __name__ == "__main__":
    forked = multiprocessing.get_context("fork").Process(target=work, args=("forked",))
    spawned = multiprocessing.get_context("spawn").Process(target=work, args=("spawned",))
    for child in (forked, spawned):
        child.start()
        child.join()
    plain = "import os; os.write(1, b'plain %d' % os.getpid() + os.linesep.encode())"
    subprocess.run([sys.executable, "-c", plain], check=True)
    work("first")
"""


@pytest.fixture
def followed(tmp_path):
    """Runs a piece of source, and says what it printed and what was recorded."""

    def run(source, *options):
        script = tmp_path / "program.py"
        script.write_text(source)
        saved = tmp_path / "profile.json"
        line = [sys.executable, "-m", "gilprof", "run", "--follow", "-o", str(saved), *options]
        line += ["--", sys.executable, str(script)]
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100
        )
        return done, gilprof.load(saved)

    return run


def by_pid(profile):
    return {process.pid: process for process in profile.processes}


def said(done):
    """The processes by what they said they were."""
    return {line.split()[0]: int(line.split()[1]) for line in done.stdout.splitlines()}


def test_forked_spawned_and_started_pythons_have_a_row_each(followed):
    done, profile = followed(PROGRAM)
    assert done.returncode == 0, done.stderr
    processes = by_pid(profile)
    who = said(done)
    assert set(who) == {"forked", "spawned", "plain", "first"}
    assert set(who.values()) <= set(processes)
    for name in ("forked", "spawned", "first"):
        own = processes[who[name]].profile
        assert {f"{name}-0", f"{name}-1"} <= {thread.name for thread in own.threads}
        assert_balanced(own)
    assert_balanced(profile)
    assert processes[who["first"]].program == "program.py"
    assert processes[who["first"]].ended_how == "exited"


def test_what_the_processes_did_comes_to_what_all_of_them_did(followed):
    _done, profile = followed(PROGRAM)
    rows = [process.profile for process in profile.processes]
    for part in ("holding_ns", "waiting_ns", "handoff_ns", "caused_ns"):
        assert sum(getattr(row, part) for row in rows) == getattr(profile, part)
    assert sum(len(row.threads) for row in rows) == len(profile.threads)


def test_the_report_has_a_row_for_each_process(followed):
    done, _profile = followed(PROGRAM, "--format", "text")
    for pid in said(done).values():
        assert f"\n{pid} " in done.stderr
    for row in ("\nmin ", "\nmedian ", "\nmax "):
        assert row in done.stderr


KILLED = """
import os, signal, sys, time
child = os.fork()
if not child:
    for _ in range(300_000):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
os.waitpid(child, 0)
print("child", child)
"""


def test_a_child_that_is_killed_is_recorded_up_to_there(followed):
    done, profile = followed(KILLED)
    killed = by_pid(profile)[said(done)["child"]].profile
    assert killed.holding_ns > 0
    assert_balanced(killed)


METHODS = """
import multiprocessing, os, signal, sys

def child(who, pipe):
    end = 300_000
    for _ in range(end):
        pass
    os.write(1, f"{who} {os.getpid()}\\n".encode())
    pipe.send(None)
    while not pipe.poll():
        pass

if __name__ == "__main__":
    context = multiprocessing.get_context(METHOD)
    ends = [context.Pipe() for _ in range(3)]
    children = [
        context.Process(target=child, args=(who, theirs))
        for who, (_, theirs) in zip(("killed", "second", "third"), ends)
    ]
    for one in children:
        one.start()
    for ours, _ in ends:
        ours.recv()
    os.kill(children[0].pid, signal.SIGKILL)
    for one, (ours, _) in zip(children, ends):
        ours.send(None)
        one.join()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_have_a_row_each_and_the_killed_one_its_part(followed, method):
    done, profile = followed(METHODS.replace("METHOD", repr(method)))
    assert done.returncode == 0, done.stderr
    rows = [(process.pid, process.profile) for process in profile.processes]
    who = said(done)
    assert set(who) == {"killed", "second", "third"}
    for pid in who.values():
        (own,) = [row for row_pid, row in rows if row_pid == pid]
        assert own.holding_ns > 0
        assert_balanced(own)
    assert sum(row.holding_ns for _, row in rows) == profile.holding_ns


BECOMES = """
import os, sys
print("one", os.getpid(), flush=True)
os.execv(sys.executable, [sys.executable, "-c", "print('two', __import__('os').getpid())"])
"""


def test_a_process_that_becomes_another_python_has_a_row_for_each(followed):
    done, profile = followed(BECOMES)
    who = said(done)
    assert who["one"] == who["two"]
    programs = [process.program for process in profile.processes]
    assert sorted(programs) == ["-c", "program.py"]


MANY = """
import os
for _ in range(40):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
print("forks", 40)
"""


def test_no_process_of_many_is_forgotten(followed):
    done, profile = followed(MANY)
    assert done.stdout == "forks 40\n"
    assert len(profile.processes) == 41


def test_a_program_whose_profiler_is_killed_runs_on(tmp_path):
    """Its children find nobody to ask, and run without being recorded."""
    script = tmp_path / "program.py"
    script.write_text(
        "import os, sys\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(7)\n"
        "print(os.WEXITSTATUS(os.waitpid(child, 0)[1]), flush=True)\n"
    )
    line = [sys.executable, "-m", "gilprof", "run", "--follow", "--", sys.executable, str(script)]
    profiler = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert profiler.stdout.readline() == "ready\n"
    profiler.kill()
    profiler.wait()
    profiler.stdin.write("\n")
    profiler.stdin.close()
    assert profiler.stdout.read() == "7\n"
    profiler.stdout.close()
