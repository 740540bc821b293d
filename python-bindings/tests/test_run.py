"""`gilprof run` on real programs: the same program as `python -m gilprof`."""

import json
import os
import subprocess
import sys

import gilprof
import pytest

SITE = os.path.dirname(os.path.dirname(gilprof.__file__))

COUNTING = """
import threading
def count(n=0):
    for _ in range(3_000_000):
        n += 1
threads = [threading.Thread(target=count, name=f"counter-{i}") for i in range(2)]
[t.start() for t in threads]
[t.join() for t in threads]
print("counted")
"""

#: A Python that starts without site, then is told that its GIL is another one.
REFUSED = f"""
import sys
sys.path.append({SITE!r})
sys.getswitchinterval = lambda: 1.0
import gilprof._autostart
print("ran")
"""


def run(*command, options=(), **more):
    line = [sys.executable, "-m", "gilprof", "run", *options, "--", *command]
    more.setdefault("stdin", subprocess.DEVNULL)
    return subprocess.run(line, capture_output=True, text=True, timeout=100, **more)


@pytest.fixture
def saved(tmp_path):
    """Where a profile goes, and how to read it."""
    path = tmp_path / "profile.json"
    return ["-o", str(path)], lambda: gilprof.load(path)


def test_the_report_goes_to_stderr_and_stdout_is_the_programs():
    done = run(sys.executable, "-c", COUNTING)
    assert done.stdout == "counted\n"
    assert done.stderr.startswith("GIL-bound: ")
    assert "counter-0" in done.stderr and "counter-1" in done.stderr
    assert done.returncode == 0


def test_the_profile_is_exact_and_balances(saved):
    options, load = saved
    run(sys.executable, "-c", COUNTING, options=options)
    profile = load()
    assert profile.verdict.id == "gil-bound"
    assert profile.dropped == 0
    names = {row.name for row in profile.threads}
    assert {"MainThread", "counter-0", "counter-1"} <= names
    for row in profile.threads:
        assert row.holding_ns + row.waiting_ns + row.detached_ns == row.lifetime_ns
    blamed = sum(row.waiting_ns for row in profile.blame)
    assert blamed + profile.handoff_ns == profile.waiting_ns


def test_a_module_is_run_as_well(saved):
    options, load = saved
    done = run(sys.executable, "-m", "json.tool", "--help", options=options)
    assert "json" in done.stdout
    assert load().pid > 0


def test_any_command_that_ends_up_in_a_python_is_recorded(saved):
    options, load = saved
    script = f'"{sys.executable}" -c "import time; time.sleep(0.06)"'
    done = run("sh", "-c", script, options=options)
    assert done.returncode == 0
    assert load().wall_ns > 60e6


def test_the_exit_status_is_the_programs():
    assert run(sys.executable, "-c", "raise SystemExit(7)").returncode == 7


def test_stdin_reaches_the_program():
    done = run(sys.executable, "-c", "print(input()[::-1])", stdin=None, input="abc\n")
    assert done.stdout == "cba\n"


def test_a_program_killed_in_the_middle_gets_its_report(saved):
    options, load = saved
    program = COUNTING + "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    done = run(sys.executable, "-c", program, options=options)
    assert done.returncode == -9
    profile = load()
    assert {"counter-0", "counter-1"} <= {row.name for row in profile.threads}
    assert profile.verdict.id == "gil-bound"
    for row in profile.threads:
        assert row.holding_ns + row.waiting_ns + row.detached_ns == row.lifetime_ns


def test_a_program_that_becomes_another_is_recorded_up_to_there(saved):
    options, load = saved
    program = (
        "import os, sys, time; time.sleep(0.06);"
        "os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(0.5)'])"
    )
    run(sys.executable, "-c", program, options=options)
    profile = load()
    assert 60e6 < profile.wall_ns < 400e6


def test_a_child_of_the_program_runs_on_and_writes_nothing_into_its_profile(saved):
    options, load = saved
    program = """
import os, time
child = os.fork()
if child == 0:
    for _ in range(5_000):
        time.sleep(0)
    os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = run(sys.executable, "-c", program, options=options)
    assert done.stdout == "3\n"
    (main,) = load().threads
    # An empty program takes it 200 times, to read its modules.
    assert main.acquisitions < 2_000


def test_what_cannot_be_profiled_runs_all_the_same_and_says_why():
    done = run(sys.executable, "-S", "-c", REFUSED)
    assert done.stdout == "ran\n"
    assert done.returncode == 0
    assert done.stderr.count("ran unprofiled") == 1
    assert "switch interval reads 5000 µs, sys.getswitchinterval() says 1000000 µs" in done.stderr


def test_with_require_what_cannot_be_profiled_does_not_run():
    done = run(sys.executable, "-S", "-c", REFUSED, options=["--require"])
    assert done.stdout == ""
    assert done.returncode == 2
    assert done.stderr.count("switch interval reads") == 1


def test_a_command_without_gilprof_runs_and_says_what_to_do():
    done = run(sys.executable, "-S", "-c", "print(1)")
    assert done.stdout == "1\n"
    assert "pip install gilprof" in done.stderr


def test_a_free_threaded_python_says_that_it_has_no_gil():
    program = """
import gilprof, sys
sys._is_gil_enabled = lambda: False
try:
    gilprof.start()
except gilprof.UnsupportedError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "GIL off" in done.stdout
    assert "PYTHON_GIL=1" in done.stdout


def test_a_wrong_option_names_itself_its_value_and_what_is_allowed():
    done = run(sys.executable, "-c", "print(1)", options=["--threads", "99999"])
    assert done.stdout == ""
    assert done.returncode == 2
    assert "threads" in done.stderr and "99999" in done.stderr and "4096" in done.stderr


def test_json_on_stderr_is_a_profile():
    done = run(sys.executable, "-c", "pass", options=["--format", "json"])
    assert json.loads(done.stderr)["format"] == 2
