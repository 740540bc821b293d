#!/usr/bin/env python3
"""Builds and installs gilprof, profiles three small programs, shows their reports."""
import sys

import venvs
from find_pythons import find_pythons

EXAMPLES = [
    ("Two threads counting", "two_threads_counting.py"),
    ("Five threads in I/O", "five_threads_io.py"),
    ("One C call that holds the GIL", "one_c_call_holding.py"),
]


def main():
    found = find_pythons()
    if not found:
        sys.exit("no supported Python was found: see pythons.txt")
    python = venvs.with_wheel("demo", found[-1].path, [], venvs.wheel())
    for title, example in EXAMPLES:
        command = f"gilprof run -- python examples/{example}"
        print(f"\n=== {title}: {command}\n", flush=True)
        venvs.run([python.parent / "gilprof", "run", "--", python, f"examples/{example}"])
    program = python.parent.relative_to(venvs.ROOT) / "gilprof"
    print(f"\nTry it on a program of yours: {program} run -- {python.relative_to(venvs.ROOT)} app.py")


if __name__ == "__main__":
    main()
