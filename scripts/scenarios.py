#!/usr/bin/env python3
"""Runs real programs and servers under gilprof and compares its verdict with what is true.

    scripts/scenarios.py                            all scenarios, five times each, on 3.11
    scripts/scenarios.py 'django-*' --runs 1        only these
    scripts/scenarios.py --python 3.13              another Python
    scripts/scenarios.py --install                  first what they need of the system, with apt-get

The table of scenarios is tests/scenarios/table.py. What a scenario needs of the system
and is not there is said, and the scenario is not run.
"""

import argparse
import os
import subprocess
import sys

import venvs
from find_pythons import ROOT, find_pythons

SYSTEM_PACKAGES = ["wrk", "apache2", "apache2-dev", "libapache2-mod-wsgi-py3"]
REQUIREMENTS = ROOT / "tests" / "scenarios" / "requirements.txt"
RUN = ROOT / "tests" / "scenarios" / "run.py"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="scenarios, also patterns")
    parser.add_argument("--python", default="3.11", help="minor version (3.11)")
    parser.add_argument("--runs", default="5", help="how often each runs (5)")
    parser.add_argument("--keep", metavar="FOLDER", help="keep the profiles here")
    parser.add_argument("--kept", metavar="FOLDER", help="judge what was kept there once more")
    parser.add_argument("--install", action="store_true", help="apt-get what the system lacks")
    chosen = parser.parse_args()
    if chosen.install:
        install()
    python = environment(chosen.python)
    command = [python, RUN, *chosen.names, "--runs", chosen.runs]
    command += ["--keep", os.path.abspath(chosen.keep)] if chosen.keep else []
    command += ["--kept", os.path.abspath(chosen.kept)] if chosen.kept else []
    return subprocess.run([str(part) for part in command], check=False).returncode


def install():
    """As root, or with sudo."""
    root = [] if os.geteuid() == 0 else ["sudo"]
    # Their servers are started by the scenarios, not by the system.
    environment = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    venvs.run([*root, "apt-get", "update", "-qq"])
    venvs.run([*environment, "apt-get", "install", "-y", "-qq", *SYSTEM_PACKAGES])


def environment(minor):
    """The python of an environment with gilprof and all that the scenarios run."""
    found = [one for one in find_pythons() if one.minor == minor]
    if not found:
        sys.exit(f"no CPython {minor} was found: see scripts/find_pythons.py")
    packages = ["-r", REQUIREMENTS]
    # A system's own, which is older, may be stripped: what C functions it is in nobody can tell.
    newest = found[-1]
    return venvs.with_wheel(f"scenarios-{newest.label}", newest.path, packages, venvs.wheel())


if __name__ == "__main__":
    sys.exit(main())
