#!/usr/bin/env python3
"""Prints the CPythons of this machine that gilprof supports.

One interpreter for each minor version and kind of build: linked to a shared
libpython, or statically linked. Which versions count is in pythons.txt.
"""
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = (ROOT / "pythons.txt").read_text().split()

FOLDERS = [
    *os.get_exec_path(),
    "~/.pyenv/versions/*/bin",
    "/usr/bin",
    "/usr/local/bin",
    "/opt/*/bin",
    "/opt/python/*/bin",
    # Newer ones, fetched by scripts/more_pythons.py.
    str(ROOT / ".pythons" / "*" / "usr" / "bin"),
]

# Asked of the interpreter itself: file names and configuration variables lie
# (Debian's program is static, though its configuration says "shared").
QUESTION = """
import json, os, platform, sys
from sysconfig import get_config_var as config
with open("/proc/self/maps") as maps:
    shared = "libpython" in maps.read()
print(json.dumps({
    "implementation": platform.python_implementation(),
    "version": "%d.%d.%d" % sys.version_info[:3],
    "prefix": sys.base_prefix,
    "library": os.path.join(config("LIBDIR") or "", config("LDLIBRARY") or ""),
    "virtual": sys.prefix != sys.base_prefix,
    "linking": "shared" if shared else "static",
    "debug": bool(config("Py_DEBUG")),
    "free_threaded": bool(config("Py_GIL_DISABLED")),
    "path": sys.executable,
}))
"""


class Interpreter(NamedTuple):
    """One CPython program."""

    path: str
    version: str
    linking: str
    prefix: str
    library: str

    @property
    def minor(self):
        return self.version.rsplit(".", 1)[0]

    @property
    def embeddable(self):
        """Whether its shared libpython is there for programs to link to."""
        return self.library.endswith(".so") and os.path.exists(self.library)

    @property
    def label(self):
        """Short and unique among the interpreters found; fit for a file name."""
        return f"{self.version}-{self.linking}"


def candidates():
    """Programs that may be a supported CPython, in order of preference."""
    names = [f"python{minor}" for minor in SUPPORTED] + ["python3", "python"]
    seen = set()
    for name in names:
        for folder in FOLDERS:
            for path in matches(os.path.expanduser(folder), name):
                real = os.path.realpath(path)
                if real not in seen:
                    seen.add(real)
                    yield path


def matches(folder, name):
    if not os.path.isabs(folder):
        return []
    paths = Path("/").glob(f"{folder[1:]}/{name}")
    return sorted(str(path) for path in paths if os.access(path, os.X_OK) and path.is_file())


def ask(path):
    """The supported interpreter at `path`, or None if it is anything else."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    try:
        answer = subprocess.run(
            [path, "-I", "-c", QUESTION],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=True,
            env=environment,
        )
        return accept(json.loads(answer.stdout))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def accept(facts):
    if facts["implementation"] != "CPython" or facts["virtual"]:
        return None
    if facts["free_threaded"] or facts["debug"]:
        return None
    found = Interpreter(*(facts[field] for field in Interpreter._fields))
    return found if found.minor in SUPPORTED else None


def find_pythons():
    """The interpreters found, oldest first; one a minor version and linking."""
    with ThreadPoolExecutor(4) as pool:
        answers = [found for found in pool.map(ask, candidates()) if found]
    kinds = {}
    for found in answers:
        kinds.setdefault((found.minor, found.linking), found)
    return sorted(kinds.values(), key=lambda found: (version_of(found), found.linking))


def version_of(found):
    return tuple(int(part) for part in found.version.split("."))


def missing(found):
    """The supported minor versions of which nothing was found."""
    have = {one.minor for one in found}
    return [minor for minor in SUPPORTED if minor not in have]


def describe(found):
    """A line for each interpreter, and one for the versions that are missing."""
    for one in found:
        yield f"{one.version:8} {one.linking:7} {one.path}"
    if missing(found):
        yield f"not found: {', '.join(missing(found))}"


def main():
    found = find_pythons()
    print("\n".join(describe(found)))
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
