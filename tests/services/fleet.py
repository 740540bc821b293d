"""The fleets of processes that are recorded as a whole, and how their workers get work."""

import http.client
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Callable, NamedTuple, Optional

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "scenarios"))

import recording  # noqa: E402

#: Each worker does at least so much before one is killed, and again after.
LEAST = 10
CLIENTS = 4
PATIENCE = 60


class Fleet(NamedTuple):
    """One row."""

    name: str
    run: tuple
    """Words after the Python; {port} is filled in."""
    workers: int
    attend: Optional[Callable]
    """What is done while it runs: notes how much work which process did, and kills one. None
    for a program that does so itself, and says it."""
    fast: bool = False
    """Whether it needs no package."""
    kills: bool = True
    """Whether one of its workers is killed."""


class Work:
    """How much work processes are known to have done: no less than that is in the profile."""

    def __init__(self):
        self.by_pid = Counter()
        self.killed = None

    def diligent(self, since):
        """The processes that have worked LEAST times since then, and live."""
        done = self.by_pid - since
        return [pid for pid, count in done.items() if count >= LEAST and pid != self.killed]

    def until_all_have_worked(self, workers, ask):
        """Asks until so many workers have done enough."""
        since, deadline = self.by_pid.copy(), time.monotonic() + PATIENCE
        while len(self.diligent(since)) < workers:
            if time.monotonic() > deadline:
                raise recording.Failed(f"of {workers} workers there worked {self.by_pid - since}")
            self.by_pid.update(ask())

    def kill_one(self):
        """In the middle of it: somebody may be asking it just now."""
        self.killed = self.by_pid.most_common(1)[0][0]
        os.kill(self.killed, signal.SIGKILL)

    def read(self, said):
        """What fleet_children.py has said."""
        rows = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        self.by_pid.update({row["pid"]: row["times"] for row in rows})
        self.killed = rows[0]["pid"]


def web(fleet, port, work):
    """Clients ask over HTTP, on and on; what a killed worker did not answer does not count."""
    answered, over = [], threading.Event()

    def client():
        while not over.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            try:
                connection.request("GET", "/")
                answered.append(int(connection.getresponse().read()))
            except (OSError, http.client.HTTPException, ValueError):
                continue
            finally:
                connection.close()

    def some():
        time.sleep(0.05)
        return [answered.pop() for _ in range(len(answered))]

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for one in clients:
        one.start()
    try:
        work.until_all_have_worked(fleet.workers, some)
        work.kill_one()
        work.until_all_have_worked(fleet.workers, some)
    finally:
        over.set()
        for one in clients:
            one.join()
    work.by_pid.update(some())


def celery(fleet, _port, work):
    """Tasks are sent and their results collected, some at a time. None is killed: after that a
    pool of Celery's may neither go on nor end, with gilprof or without."""
    from fleet_tasks import work as task

    def some():
        return [one.get(timeout=PATIENCE) for one in [task.delay() for _ in range(8)]]

    work.until_all_have_worked(fleet.workers, some)


GUNICORN = ("-m", "gunicorn", "-b", "127.0.0.1:{port}", "--log-level", "warning", "-w", "2")
SYNC = (*GUNICORN, "-k", "sync")
THREADED = (*GUNICORN, "-k", "gthread", "--threads", "2")
APP = "fleet_app:application"
UVICORN = ("-m", "uvicorn", "--workers", "2", "--port", "{port}", "--log-level", "warning")
CELERY = ("-m", "celery", "-A", "fleet_tasks", "worker", "-P", "prefork", "-c", "2", "-l", "ERROR")
CHILDREN = str(HERE / "fleet_children.py")

FLEETS = [
    Fleet("gunicorn sync", (*SYNC, APP), 2, web),
    Fleet("gunicorn sync, preload", (*SYNC, "--preload", APP), 2, web),
    Fleet("gunicorn gthread", (*THREADED, APP), 2, web),
    Fleet("gunicorn gthread, preload", (*THREADED, "--preload", APP), 2, web),
    Fleet("uvicorn --workers 2", (*UVICORN, "fleet_app:app"), 2, web),
    Fleet("Celery prefork", CELERY, 2, celery, kills=False),
    Fleet("multiprocessing fork", (CHILDREN, "fork"), 3, None, fast=True),
    Fleet("multiprocessing spawn", (CHILDREN, "spawn"), 3, None, fast=True),
    Fleet("multiprocessing forkserver", (CHILDREN, "forkserver"), 3, None, fast=True),
]
