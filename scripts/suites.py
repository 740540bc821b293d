#!/usr/bin/env python3
"""Runs the test suites of real packages with gilprof's pytest plugin and without.

    scripts/suites.py                     all of them, seven pairs of runs each, on 3.13
    scripts/suites.py requests --pairs 3  only this one
    scripts/suites.py --python 3.12       another Python

The packages are in tests/suites/suite.py; their source distributions, which have the tests,
come from PyPI into target/suites.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile

import venvs
from find_pythons import ROOT, find_pythons

FOLDER = ROOT / "target" / "suites"
SUITES = ROOT / "tests" / "suites"
sys.path.append(str(SUITES))

from suite import SUITES as TABLE  # noqa: E402


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of packages")
    parser.add_argument("--python", default="3.13", help="minor version (3.13)")
    parser.add_argument("--pairs", default="7", help="runs without and with the plugin (7)")
    chosen = parser.parse_args()
    suites = [one for one in TABLE if not chosen.names or one.name in chosen.names]
    if not suites:
        sys.exit(f"there is no {' or '.join(chosen.names)} in {SUITES / 'suite.py'}")
    python = environment(chosen.python, suites)
    for suite in suites:
        unpack(python, suite)
    names = [suite.name for suite in suites]
    command = [python, SUITES / "measure.py", FOLDER, *names, "--pairs", chosen.pairs]
    return subprocess.run([str(part) for part in command], check=False).returncode


def environment(minor, suites):
    """The python of an environment with gilprof, the packages and what their tests need."""
    found = [one for one in find_pythons() if one.minor == minor]
    if not found:
        sys.exit(f"no CPython {minor} was found: see scripts/find_pythons.py")
    packages = ["pytest==9.2.0"]
    packages += [word for suite in suites for word in (suite.requirement, *suite.needs)]
    newest = found[-1]
    return venvs.with_wheel(f"suites-{newest.label}", newest.path, packages, venvs.wheel())


def unpack(python, suite):
    """The source distribution, as it was published: its tests are not installed."""
    folder = FOLDER / f"{suite.name}-{suite.version}"
    FOLDER.mkdir(parents=True, exist_ok=True)
    archive = folder.with_name(f"{folder.name}.tar.gz")
    if not archive.exists():
        download = [python, "-m", "pip", "download", "--no-deps", "--no-binary", suite.name]
        venvs.run([*download, "--dest", FOLDER, suite.requirement], env=venvs.quiet())
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(archive) as packed:
        packed.extractall(FOLDER, filter="data")


if __name__ == "__main__":
    sys.exit(main())
