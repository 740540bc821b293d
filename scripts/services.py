#!/usr/bin/env python3
"""Checks gilprof on real services: attached to while they are asked, recorded from the start
with all their workers, and with their requests measured.

    scripts/services.py                        everything, on 3.11
    scripts/services.py 'gunicorn*'            attaches to these only
    scripts/services.py --check fleets         records fleets of workers only; so for `requests`
    scripts/services.py --python 3.13          another Python
    scripts/services.py --install              first what they need of the system, with apt-get

What is run is in tests/services: service.py has what is attached to, fleet.py the fleets.
What one needs of the system and is not there is said, and it is not run.
"""

import argparse
import subprocess
import sys

from find_pythons import ROOT
from scenarios import environment, install

SERVICES = ROOT / "tests" / "services"
DOCUMENTATION = ("-m", "pytest", "-q", "--rootdir=.", "-p", "no:cacheprovider")
#: What runs in the environment, from the folder of the project; the first takes names.
CHECKS = {
    "attach": (SERVICES / "check.py",),
    "fleets": (SERVICES / "fleets.py",),
    "requests": (SERVICES / "requests_check.py",),
    # Of the pages' examples, those that need a framework are left out elsewhere.
    "docs": (*DOCUMENTATION, "tests/test_documentation.py", "tests/test_shell_examples.py"),
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="services, also patterns")
    parser.add_argument("--check", choices=CHECKS, action="append", help="only this one")
    parser.add_argument("--python", default="3.11", help="minor version (3.11)")
    parser.add_argument("--install", action="store_true", help="apt-get what the system lacks")
    chosen = parser.parse_args()
    if chosen.install:
        install()
    python = environment(chosen.python)
    checks = chosen.check or (["attach"] if chosen.names else CHECKS)
    codes = [run(python, CHECKS[check], chosen.names) for check in checks]
    return 1 if any(codes) else 0


def run(python, words, names):
    """The status of one check."""
    command = [str(word) for word in (python, *words, *names)]
    print(f"\n=== {' '.join(command[1:])}", flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
