"""Where gilprof cannot work it says so, and does no harm."""

import os
import sys

import gilprof
import pytest
from gilprof import _platform

IMPORT_AND_START = """
import sys
{change}
import gilprof
assert not gilprof.is_running()
for use in (
    gilprof.start,
    gilprof.snapshot,
    gilprof.measure,
    gilprof.serve_metrics,
    lambda: gilprof.load("x"),
):
    try:
        use()
    except gilprof.UnsupportedError as error:
        print(error)
    else:
        raise SystemExit("no error")
assert not isinstance(1, gilprof.Profile)
assert "gilprof._native" not in sys.modules
"""


@pytest.mark.parametrize(
    "change, reason",
    [
        ("sys.platform = 'darwin'", "this is darwin: gilprof works on Linux only"),
        ("sys.platform = 'win32'", "this is win32: gilprof works on Linux only"),
        ("sys.implementation.name = 'pypy'", "this is pypy: gilprof watches the GIL of CPython"),
        ("sys.version_info = (3, 8, 18, 'final', 0)", "Python 3.8.18: gilprof works with CPython 3.9"),
    ],
)
def test_an_unsupported_python_imports_gilprof_and_cannot_start_it(python, change, reason):
    lines = python(IMPORT_AND_START.format(change=change)).stdout.splitlines()
    assert len(lines) == 5
    assert all(reason in line for line in lines)


def test_start_says_why_this_python_is_not_supported(monkeypatch):
    monkeypatch.setattr(_platform, "unsupported", lambda: "for a reason")
    with pytest.raises(gilprof.UnsupportedError, match="^for a reason$"):
        gilprof.start()
    with pytest.raises(gilprof.UnsupportedError, match="^for a reason$"):
        with gilprof.profile():
            pass


def test_in_a_subinterpreter_the_error_names_the_main_one():
    try:
        import _interpreters as interpreters
    except ImportError:
        interpreters = pytest.importorskip("_xxsubinterpreters")
    source = """
import os, sys
sys.path[:] = {path!r}
import gilprof
try:
    gilprof.start()
except gilprof.UnsupportedError as error:
    os.write({file}, str(error).encode())
"""
    read, write = os.pipe()
    interpreter = interpreters.create()
    assert not interpreters.run_string(interpreter, source.format(path=sys.path, file=write))
    interpreters.destroy(interpreter)
    os.close(write)
    with os.fdopen(read) as answer:
        assert "start gilprof in the main interpreter" in answer.read()


def test_importing_patches_nothing_and_starts_no_thread(python):
    done = python(
        """
import os, threading
hook = threading.Thread.__dict__["_set_native_id"]
threads = len(os.listdir("/proc/self/task"))
forks = []
os.register_at_fork = lambda **hooks: forks.append(hooks)
import gilprof
assert not gilprof.is_running()
assert threading.Thread.__dict__["_set_native_id"] is hook
assert len(os.listdir("/proc/self/task")) == threads == 1
assert forks == []
"""
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_importing_loads_nothing_heavy(python):
    done = python(
        """
import sys
import threading
before = set(sys.modules)
import gilprof
print(*sorted(name for name in set(sys.modules) - before if not name.startswith("gilprof")))
"""
    )
    assert done.stdout.split() == []


def test_importing_takes_30_ms_at_most(python):
    source = """
import time
begin = time.perf_counter()
import gilprof
print(time.perf_counter() - begin)
"""
    assert min(float(python(source).stdout) for _ in range(5)) < 0.030
