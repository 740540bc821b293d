"""What the tests of the package share."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# The installed package is tested, not the sources beside the tests.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE.parent]

import gilprof  # noqa: E402
import workloads  # noqa: E402


# More than this share of a CPU that a virtual machine did not get proves nothing: Linux
# counts that time neither as run nor as waited for a CPU.
STOLEN = 0.01
BEGAN = pytest.StashKey()


def stolen():
    """Now, and how long the host has kept CPUs from this machine so far, in seconds."""
    return time.monotonic(), workloads.stolen_ns() / 1e9


def pytest_configure(config):
    meaning = "proves nothing while a host keeps CPUs from a virtual machine"
    config.addinivalue_line("markers", f"whole_cpus: {meaning}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    began = item.stash[BEGAN] = stolen()
    # What it asks about may be of a fixture that others have had before.
    module = item.getparent(pytest.Module)
    module.stash.setdefault(BEGAN, began)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """What a test of a physical truth asserts is no failure while the host takes CPUs away;
    an error is one, and what goes wrong before and after the test."""
    report = (yield).get_result()
    asserted = call.when == "call" and call.excinfo and call.excinfo.errisinstance(AssertionError)
    if not asserted or item.get_closest_marker("whole_cpus") is None:
        return
    now, lost = stolen()
    begins = [item.stash[BEGAN], item.getparent(pytest.Module).stash[BEGAN]]
    share = max((lost - lost_then) / (now - then) for then, lost_then in begins)
    if share > STOLEN:
        path, line, _ = item.location
        why = f"Skipped: the host kept {share:.1%} of a CPU from this machine ({report.longrepr})"
        report.outcome, report.longrepr = "skipped", (path, line or 0, why)


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    """Each test ends with the recording it has started."""
    yield
    assert not gilprof.is_running()


@pytest.fixture
def python(tmp_path):
    """Runs this Python on a piece of source, or with arguments, in an empty folder."""

    def run(source, *flags, check=True, timeout=120, **variables):
        script = tmp_path / "program.py"
        script.write_text(source)
        clean = {key: value for key, value in os.environ.items() if "GILPROF" not in key}
        paths = os.pathsep.join(filter(None, [str(HERE), clean.get("PYTHONPATH")]))
        done = subprocess.run(
            [sys.executable, *flags, str(script)],
            cwd=str(tmp_path),
            env={**clean, "PYTHONPATH": paths, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=timeout,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture
def ticker():
    """A thread beside the test that wants the GIL all the time."""
    with workloads.Ticker():
        yield
