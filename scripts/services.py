#!/usr/bin/env python3
"""Attaches to real services while they are asked, and tells whether any answer was lost.

    scripts/services.py                        all services, on 3.11
    scripts/services.py 'gunicorn*'            only these
    scripts/services.py --python 3.13          another Python
    scripts/services.py --install              first what they need of the system, with apt-get

The services are in tests/services/service.py. What one needs of the system and is not
there is said, and the service is not run.
"""

import argparse
import subprocess
import sys

from find_pythons import ROOT
from scenarios import environment, install

CHECK = ROOT / "tests" / "services" / "check.py"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="services, also patterns")
    parser.add_argument("--python", default="3.11", help="minor version (3.11)")
    parser.add_argument("--install", action="store_true", help="apt-get what the system lacks")
    chosen = parser.parse_args()
    if chosen.install:
        install()
    python = environment(chosen.python)
    return subprocess.run([str(python), str(CHECK), *chosen.names], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
