"""Recording another process of this Python, from this one."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import balance
import pytest

import gilprof

# Says a line when it is ready, goes on until a line comes in, and then says what became
# of it.
PROGRAM = """
import ctypes, json, sys, threading, time

usleep_holding = ctypes.PyDLL(None).usleep
over = threading.Event()
wrong = []
ticks = []
rounds = {"hog": 0, "counter": 0, "ticker": 0}

def hog():
    while not over.is_set():
        usleep_holding(20_000)
        rounds["hog"] += 1
        time.sleep(0.001)

def counter():
    while not over.is_set():
        if sum(range(2_000)) != 1_999_000:
            wrong.append("sum")
        rounds["counter"] += 1

def ticker():
    while not over.is_set():
        time.sleep(0.001)
        rounds["ticker"] += 1

functions = [hog, counter, ticker]
counts = lambda: [sys.getrefcount(one.__code__) for one in functions]
threads = [threading.Thread(target=one, name=one.__name__) for one in functions]
for thread in threads:
    thread.start()
before = counts()
print("ready", flush=True)
sys.stdin.readline()
after = counts()
over.set()
for thread in threads:
    thread.join()
print(json.dumps({"wrong": wrong, "rounds": rounds, "before": before, "after": after}))
"""


class Program:
    """A program, of this Python's or another one's, that is being recorded from outside."""

    def __init__(self, source=PROGRAM, before=(), python=sys.executable, **environment):
        clean = {key: value for key, value in os.environ.items() if "GILPROF" not in key}
        self.process = subprocess.Popen(
            [*before, str(python), "-c", source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**clean, **environment},
            universal_newlines=True,
        )
        assert self.process.stdout.readline() == "ready\n"
        self.pid = self.process.pid

    def finish(self):
        out, _ = self.process.communicate("\n", timeout=60)
        assert self.process.returncode == 0
        return json.loads(out)


@pytest.fixture
def program():
    one = Program()
    yield one
    one.process.kill()
    one.process.communicate()


def until(is_so):
    """Waits for what comes if all is well."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def recorded(program, holds=20):
    """The profile of so many holds of the hog."""
    with gilprof.attach(program.pid) as attachment:
        until(lambda: hogs(attachment.snapshot()) >= holds)
    return attachment.result


def hogs(profile):
    return sum(one.hold.count for one in profile.threads if one.name == "hog")


def test_every_thread_is_there_under_its_name_and_the_sums_balance(program):
    profile = recorded(program)
    balance.assert_balanced(profile)
    names = {one.name for one in profile.threads}
    assert {"hog", "counter", "ticker", "MainThread"} <= names
    assert (profile.pid, profile.python) == (program.pid, "%d.%d.%d" % sys.version_info[:3])


def assert_the_hog_is_blamed(profile):
    """For holds of known length, at its line."""
    hog = balance.thread(profile, "hog")
    # At least every second of its holds is one.
    assert hog.hold.max_ns >= 20_000_000
    assert hog.holding_ns >= (hog.hold.count // 2 - 1) * 20_000_000
    blamed = [site for site in profile.sites("blame") if site.thread.name == "hog"]
    whole = sum(site.weight_ns for site in blamed)
    on_line = [site for site in blamed if site.stack and site.stack[0].function == "hog"]
    assert sum(site.weight_ns for site in on_line) >= 0.9 * whole
    assert {finding.id for finding in profile.findings} & {"blocked-hold", "native-hold"}


def test_a_hold_of_known_length_is_as_long_and_blamed_on_its_line(program):
    assert_the_hog_is_blamed(recorded(program))


def test_the_program_is_right_and_its_code_is_given_back(program):
    recorded(program)
    told = program.finish()
    assert told["wrong"] == [] and all(told["rounds"].values())
    assert told["before"] == told["after"]


def test_a_second_recording_begins_anew(program):
    first, second = recorded(program), recorded(program, holds=5)
    assert first.recording != second.recording
    balance.assert_balanced(second)


def test_a_program_that_ends_is_reported_up_to_there():
    program = Program()
    attachment = gilprof.attach(program.pid)
    until(lambda: hogs(attachment.snapshot()) >= 5)
    program.process.kill()
    program.process.communicate()
    profile = attachment.stop()
    assert hogs(profile) >= 5 and profile.ended_how == "exited"


def test_what_cannot_be_attached_to_is_refused_with_the_reason():
    for pid, reason in [(2**22 + 1, "does not exist"), (os.getpid(), "this gilprof itself")]:
        with pytest.raises(gilprof.AttachError, match=reason):
            gilprof.attach(pid)
    with pytest.raises(gilprof.OptionError, match="ring"):
        gilprof.attach(os.getpid(), ring=3)


def test_the_recording_that_a_program_makes_of_itself_is_joined():
    source = "import gilprof; gilprof.start()" + PROGRAM
    source += "own = gilprof.stop()\nprint(own.dropped, sum(one.hold.count for one in own.threads))"
    program = Program(source)
    profile = recorded(program)
    balance.assert_balanced(profile)
    assert {"hog", "counter", "ticker"} <= {one.name for one in profile.threads}
    hog = balance.thread(profile, "hog")
    assert hog.holding_ns >= (hog.hold.count // 2 - 1) * 20_000_000
    blamed = [site for site in profile.sites("blame") if site.thread.name == "hog"]
    assert blamed and blamed[0].stack[0].function == "hog"
    assert any("records itself" in note for note in profile.notes)
    # It was left alone: it goes on, and what it saw itself is whole.
    out, _ = program.process.communicate("\n", timeout=60)
    told, own = out.splitlines()
    dropped, holds = map(int, own.split())
    assert json.loads(told)["wrong"] == [] and dropped == 0
    assert holds > sum(one.hold.count for one in profile.threads)


def test_what_it_joined_is_told_up_to_where_the_program_ended_its_recording():
    end = "import gilprof; gilprof.start()\n" + PROGRAM.replace(
        "sys.stdin.readline()", "sys.stdin.readline(); gilprof.stop(); sys.stdin.readline()", 1
    )
    program = Program(end)
    attachment = gilprof.attach(program.pid)
    until(lambda: hogs(attachment.snapshot()) >= 5)
    program.process.stdin.write("\n")
    program.process.stdin.flush()
    until(lambda: attachment.snapshot().ended_how != "running")
    profile = attachment.stop()
    balance.assert_balanced(profile)
    assert hogs(profile) >= 5 and profile.ended_how == "stopped"
    assert program.finish()["wrong"] == []


def test_a_program_under_run_is_joined(tmp_path):
    file = tmp_path / "run.json"
    run = [sys.executable, "-m", "gilprof", "run", "-o", str(file), "--"]
    program = Program(before=run)
    # What runs is its child.
    children = "/proc/{0}/task/{0}/children".format(program.pid)
    with open(children) as listed:
        pid = int(listed.read().split()[0])
    with gilprof.attach(pid) as attachment:
        until(lambda: hogs(attachment.snapshot()) >= 5)
    balance.assert_balanced(attachment.result)
    assert program.finish()["wrong"] == []
    assert hogs(gilprof.load(str(file))) > hogs(attachment.result)


def test_where_a_programs_own_recording_is_not_found_it_is_refused():
    hidden = "import os, gilprof; gilprof.start(); os.closerange(3, 1024)"
    program = Program(hidden + PROGRAM)
    with pytest.raises(gilprof.AttachError, match="records itself"):
        gilprof.attach(program.pid)
    program.finish()


def test_the_command_reports_on_the_standard_output(program):
    line = [sys.executable, "-m", "gilprof", "attach", str(program.pid), "-d", "0.5"]
    done = subprocess.run(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "hog" in done.stdout and "Threads" in done.stdout
    assert program.finish()["wrong"] == []


CONTAINED = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


def can_contain():
    return subprocess.run([*CONTAINED, "true"], stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.skipif(not can_contain(), reason="a pid namespace is refused here")
def test_a_program_in_a_container_is_recorded_as_any_other():
    """Its threads have other numbers there than here."""
    program = Program(before=CONTAINED)
    with open(f"/proc/{program.pid}/task/{program.pid}/children") as children:
        program.pid = int(children.read())
    profile = recorded(program)
    assert {"hog", "counter", "ticker", "MainThread"} <= {one.name for one in profile.threads}
    balance.assert_balanced(profile)
    # What no hook sees is asked by the numbers that they have here.
    assert balance.thread(profile, "MainThread").cpu_ns is not None
    calls = {(row.thread.name, row.call) for row in profile.blocked}
    assert {("hog", "clock_nanosleep"), ("MainThread", "read")} <= calls
    assert program.finish()["wrong"] == []


ELSEWHERE = ["unshare", "--mount", "sh", "-c"]


def can_mount():
    return subprocess.run([*ELSEWHERE, "true"], stderr=subprocess.DEVNULL).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="a mount namespace is refused here")
def test_a_program_that_sees_other_files_is_recorded_as_any_other(tmp_path):
    """Where it has its Python, there is nothing here."""
    prefix = Path(sys.base_prefix)
    python = Path(os.path.realpath(sys.executable)).relative_to(prefix)
    mounted = 'mount --bind "$1" "$2" && LD_LIBRARY_PATH="$2/lib" exec "$2/$3" -c "$6"'
    before = [*ELSEWHERE, mounted, "sh", str(prefix), str(tmp_path), str(python)]
    program = Program(before=before)
    assert not list(tmp_path.iterdir())
    profile = recorded(program)
    balance.assert_balanced(profile)
    assert {"hog", "counter", "ticker", "MainThread"} <= {one.name for one in profile.threads}
    blamed = [site for site in profile.sites("blame") if site.thread.name == "hog"]
    assert blamed and blamed[0].stack[0].function == "hog"
    assert program.finish()["wrong"] == []


# A program of another kind, with a Python in it; called as Python is.
HOST = """
#include <Python.h>

int main(int count, char **arguments) {
    Py_InitializeEx(0);
    int failed = count != 3 || PyRun_SimpleString(arguments[2]) != 0;
    return Py_FinalizeEx() != 0 || failed;
}
"""


def built_host(folder):
    """The program, linked to this Python's library; None where that cannot be."""
    told = sysconfig.get_config_var
    library = Path(told("LIBDIR") or "", told("LDLIBRARY") or "")
    headers = Path(sysconfig.get_path("include"))
    compiler = shutil.which("cc")
    if not (compiler and library.suffix == ".so" and library.exists() and (headers / "Python.h").exists()):
        return None
    source, host = folder / "host.c", folder / "host"
    source.write_text(HOST)
    command = [compiler, source, "-o", host, f"-I{headers}", library]
    subprocess.run([*command, f"-Wl,-rpath,{library.parent}"], check=True)
    return host


def test_a_program_with_a_python_in_it_is_recorded_as_any_other(tmp_path):
    host = built_host(tmp_path)
    if host is None:
        pytest.skip("no compiler, no headers or no shared library of this Python")
    program = Program(python=host, PYTHONHOME=sys.base_prefix)
    profile = recorded(program)
    balance.assert_balanced(profile)
    assert_the_hog_is_blamed(profile)
    assert profile.program == "host"
    told = program.finish()
    assert told["wrong"] == [] and told["before"] == told["after"]


# Two interpreters with GILs of their own, two threads in each that want it all the time.
OWN_GILS = """
import _thread, os, sys, tempfile
if sys.version_info < (3, 13):
    import _xxsubinterpreters as interpreters
    create = lambda: interpreters.create(isolated=True)
else:
    import _interpreters as interpreters
    create = lambda: interpreters.create("isolated")

folder = tempfile.mkdtemp()
SPIN = '''
import _thread, os, time
def spin(lock):
    while os.path.exists({folder!r}):
        sum(range(100_000))
    lock.release()
locks = [_thread.allocate_lock() for _ in range(2)]
for lock in locks:
    lock.acquire()
    _thread.start_new_thread(spin, (lock,))
for lock in locks:
    lock.acquire()
while _thread._count():
    time.sleep(0)
'''
def run(interpreter, lock):
    interpreters.run_string(interpreter, SPIN.format(folder=folder))
    lock.release()

ids = [create() for _ in range(2)]
locks = [_thread.allocate_lock() for _ in ids]
for one, lock in zip(ids, locks):
    lock.acquire()
    _thread.start_new_thread(run, (one, lock))
print("ready", flush=True)
sys.stdin.readline()
os.rmdir(folder)
for lock in locks:
    lock.acquire()
for one in ids:
    interpreters.destroy(one)
print("[]")
"""


@pytest.mark.skipif(sys.version_info < (3, 12), reason="they came with Python 3.12")
def test_interpreters_with_gils_of_their_own_have_a_row_each():
    program = Program(OWN_GILS)
    with gilprof.attach(program.pid) as attachment:
        until(lambda: len(attachment.snapshot().gils) >= 3)
        seen = attachment.snapshot().wall_ns
        until(lambda: attachment.snapshot().wall_ns >= seen + 1_000_000_000)
    profile = attachment.result
    balance.assert_balanced(profile)
    assert len(profile.gils) == 3
    # Where four threads have two CPUs, those that lost a GIL have none to ask for it again.
    for gil in profile.gils[1:]:
        assert gil.holding_ns > 0.1 * profile.wall_ns and gil.switches >= 3
    assert program.finish() == []


# Holds the GIL until a byte comes, while another thread waits for it.
HELD = """
import ctypes, os, threading, time

libc = ctypes.PyDLL(None)
buffer = ctypes.create_string_buffer(1)
over = threading.Event()

def ticker():
    while not over.is_set():
        time.sleep(0.001)

def hog():
    libc.read(0, buffer, 1)
    over.set()

threads = [threading.Thread(target=one, name=one.__name__) for one in (ticker, hog)]
os.write(1, b"ready\\n")
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("[]")
"""


def test_a_hold_that_began_before_is_the_holders_own_from_the_start_on():
    program = Program(HELD)
    with gilprof.attach(program.pid) as attachment:
        waited = lambda: balance.thread(attachment.snapshot(), "ticker").waiting_ns
        until(lambda: waited() >= 200_000_000)
        program.finish()
    profile = attachment.result
    balance.assert_balanced(profile)
    hog, ticker = balance.thread(profile, "hog"), balance.thread(profile, "ticker")
    assert hog.hold.max_ns >= 200_000_000
    assert hog.caused_ns >= 0.9 * ticker.waiting_ns
    assert not [note for note in profile.notes if "alternate" in note]


# Computes outside of the GIL all the time; nobody comes by the GIL once a line has come in.
ALOOF = """
import hashlib, sys, threading, time

def compute():
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)

def tick():
    while not over.wait(0.001):
        pass

over = threading.Event()
threading.Thread(target=compute, daemon=True).start()
ticker = threading.Thread(target=tick)
ticker.start()
print("ready", flush=True)
sys.stdin.readline()
over.set()
ticker.join()
print("alone", flush=True)
sys.stdin.readline()
"""


def test_the_recording_ends_before_the_hooks_are_taken_out():
    program = Program(ALOOF)
    began = time.monotonic()
    with gilprof.attach(program.pid) as attachment:
        until(lambda: sum(one.acquisitions for one in attachment.snapshot().threads) >= 20)
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        assert program.process.stdout.readline() == "alone\n"
        asked = time.monotonic()
    # A thread runs that may come by the GIL at any time, so its hooks wait for it.
    detached = time.monotonic()
    program.process.kill()
    program.process.communicate()
    recorded_s = attachment.result.wall_ns / 1e9
    assert recorded_s <= asked - began + (detached - asked) / 2


def attached(source):
    """What the command says of a program that does this before it waits for ever."""
    program = Program(source + "\nprint('ready', flush=True)\nsys.stdin.readline()\nprint('{}')")
    line = [sys.executable, "-m", "gilprof", "attach", str(program.pid), "-d", "0.5"]
    done = subprocess.run(line, stdout=subprocess.PIPE, universal_newlines=True, timeout=120)
    program.finish()
    assert done.returncode == 0
    return " ".join(done.stdout.split())


def test_that_nobody_came_by_the_gil_is_said():
    assert "not covered nothing was recorded: no thread took" in attached("import sys")


def test_that_the_hooks_could_not_start_is_said():
    source = """
import ctypes, sys, threading, time

libc = ctypes.CDLL(None)
while libc.pthread_key_create(ctypes.byref(ctypes.c_uint()), None) == 0:
    pass

def tick():
    while True:
        time.sleep(0.01)

threading.Thread(target=tick, daemon=True).start()
"""
    assert "not covered nothing was recorded: the program uses all thread-sp" in attached(source)


OTHER_INTERPRETER = """
import sys, threading, time

if sys.version_info < (3, 13):
    import _xxsubinterpreters as interpreters
else:
    import _interpreters as interpreters
if sys.version_info < (3, 12):
    other = interpreters.create()
elif sys.version_info < (3, 13):
    other = interpreters.create(isolated=False)
else:
    other = interpreters.create("legacy")
over = threading.Event()

def tick():
    while not over.wait(0.001):
        pass

def spin():
    while not over.is_set():
        # By the sleep it takes the GIL in the other one's name.
        interpreters.run_string(other, "import time; time.sleep(0)\\nend = time.monotonic() + 0.1\\n"
                                "while time.monotonic() < end: [str(n) for n in range(20)]")

threads = [threading.Thread(target=one, name=one.__name__) for one in (tick, spin)]
[thread.start() for thread in threads]
print("ready", flush=True)
sys.stdin.readline()
over.set()
[thread.join() for thread in threads]
print("{}")
"""


def test_waits_for_a_holder_of_another_interpreter_are_known():
    program = Program(OTHER_INTERPRETER)

    def foreign_ns(profile):
        return sum(one.foreign_wait_ns for one in profile.threads if one.name == "tick")

    with gilprof.attach(program.pid) as attachment:
        until(lambda: foreign_ns(attachment.snapshot()) > 0)
    program.finish()
    ticker = balance.thread(attachment.result, "tick")
    assert 0 < ticker.foreign_wait_ns <= ticker.waiting_ns
