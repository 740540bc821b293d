#!/usr/bin/env python3
"""Builds gilprof and prints what it costs here, against the budgets, how far
its numbers are from known truths, and bounds of speed-ups beside measured ones.

    scripts/bench.py            with the newest Python found
    scripts/bench.py 3.9 pair   with this one, only these rows of the costs
"""
import os
import sys

import venvs
from find_pythons import SUPPORTED, find_pythons


def main(arguments):
    minors = [one for one in arguments if one in SUPPORTED]
    benches = [one for one in arguments if one not in SUPPORTED]
    found = [one for one in find_pythons() if not minors or one.minor in minors]
    if not found:
        sys.exit("no such Python was found: see scripts/find_pythons.py")
    venvs.run(["cargo", "build", "--locked", "--release", "-p", "gilprof-pair"])
    python = venvs.with_wheel("bench", found[-1].path, [], venvs.wheel())
    library = venvs.TARGET / "release" / "libgilprof_pair.so"
    environment = {**os.environ, "GILPROF_PAIR": str(library)}
    venvs.run([python, "benches/run.py", *benches], env=environment)
    if not benches:
        print()
        venvs.run([python, "benches/accuracy.py"], env=environment)
        print()
        venvs.run([python, "benches/what_if.py"])


if __name__ == "__main__":
    main(sys.argv[1:])
