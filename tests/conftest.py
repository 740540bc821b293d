"""Tests of what the project ships beside its packages: documentation,
examples, scripts."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))


@pytest.fixture
def root():
    """The repository."""
    return ROOT


@pytest.fixture
def run(tmp_path):
    """Runs this Python in an empty folder, with no variable of gilprof's set."""

    def run_python(*arguments):
        environment = {key: value for key, value in os.environ.items() if key != "GILPROF"}
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            timeout=120,
        )

    return run_python
