"""What the tests of the package share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
# The installed package is tested, not the sources beside the tests.
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE.parent]

import gilprof  # noqa: E402


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    """Each test ends with the recording it has started."""
    yield
    assert not gilprof.is_running()


@pytest.fixture
def python(tmp_path):
    """Runs this Python on a piece of source, or with arguments, in an empty folder."""

    def run(source, *flags, check=True, **variables):
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
            timeout=120,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return run
