"""Records this process while it is under load, and not while it starts.

The runner names a folder in SCENARIO_RECORDINGS. A server calls `look()` at each
request: it records from the first request that finds the switch on (one byte of a
file that all processes map, so a look costs no system call and leaves the GIL alone) to
the first that finds it off. Programs that know their window call `start` and `stop`.
Without the variable all of them do nothing.
"""

import mmap
import os
import threading
from pathlib import Path

_lock = threading.Lock()
_folder = _switch = None
_recording = False


def use(folder):
    """Records into this folder."""
    global _folder, _switch
    _folder = Path(folder)
    with open(_folder / "switch", "rb") as file:
        _switch = mmap.mmap(file.fileno(), 1, access=mmap.ACCESS_READ)


def look():
    """Does what the switch says; cheap when there is nothing to do."""
    if _switch is None or bool(_switch[0]) == _recording or not _lock.acquire(False):
        return
    try:
        if _switch[0] and not _recording:
            start()
        elif _recording and not _switch[0]:
            stop()
    finally:
        _lock.release()


def start():
    """Begins to record this process."""
    global _recording
    if _folder is None:
        return
    import gilprof

    gilprof.start()
    _recording = True
    (_folder / f"{os.getpid()}.started").touch()


def stop():
    """Saves what was recorded under this process's id."""
    global _recording
    if not _recording:
        return
    import gilprof

    profile = gilprof.stop()
    _recording = False
    # The runner must not read a file that is half written.
    unfinished = _folder / f"{os.getpid()}.unfinished"
    profile.save(unfinished)
    unfinished.rename(_folder / f"{os.getpid()}.json")


if os.environ.get("SCENARIO_RECORDINGS"):
    use(os.environ["SCENARIO_RECORDINGS"])
