"""What the system tells of a process, and of those that it has started."""

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple


def pythons(gilprof):
    """The rows of `gilprof ps`, by process id."""
    listed = subprocess.run([*gilprof, "ps", "--format", "json"], stdout=subprocess.PIPE, check=True)
    return {row["pid"]: row for row in json.loads(listed.stdout)["processes"]}


def workers(gilprof, root, word):
    """Pythons below the process that have no Pythons below them, and this in their command."""
    rows = pythons(gilprof)
    below = [pid for pid in descendants(root) if pid in rows]
    leaves = [pid for pid in below if not any(one in rows for one in descendants(pid))]
    return sorted(pid for pid in leaves if word in command(pid))


def descendants(pid):
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(word) for word in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            yield child
            yield from descendants(child)


def command(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


class Owned(NamedTuple):
    """What processes have, all together."""

    files: int
    """Descriptors, but for sockets: connections come and go as the service has it."""
    threads: int
    code: int
    """Mappings that are executed and are of no file."""
    ours: int
    """Files of gilprof's that are open or mapped."""

    @classmethod
    def by(cls, pids):
        return cls(*map(sum, zip(*map(cls.by_one, pids))))

    @classmethod
    def by_one(cls, pid):
        process = Path(f"/proc/{pid}")
        opened = [path_of(one) for one in (process / "fd").iterdir()]
        files = [path for path in opened if not path.startswith("socket:")]
        # Address, rights, offset, device, inode, path.
        maps = [line.split(None, 5) for line in (process / "maps").read_text().splitlines()]
        code = sum("x" in line[1] and len(line) == 5 for line in maps)
        paths = files + [line[5] for line in maps if len(line) == 6]
        ours = sum("gilprof-attach" in path for path in paths)
        return cls(len(files), len(list((process / "task").iterdir())), code, ours)


def path_of(link):
    try:
        return os.readlink(link)
    except FileNotFoundError:
        # Closed meanwhile.
        return ""
