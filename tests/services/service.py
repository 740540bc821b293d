"""The services that are attached to, and what is asked of them."""

import sys
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SCENARIOS = HERE.parent / "scenarios"
sys.path.append(str(SCENARIOS))

from scenario import Scenario, ids  # noqa: E402
from table import SCENARIOS as TABLE  # noqa: E402

BY_NAME = {scenario.name: scenario for scenario in TABLE}


class Service(NamedTuple):
    """One row: how it is started is a scenario's."""

    name: str
    scenario: Scenario
    asks: tuple
    """Paths, or names of tasks: each client asks for one after the other."""
    worker: str = ""
    """What the command line of a worker has in it. Only processes without children of
    Python's are workers."""
    clients: str = "clients.py"
    """The program that asks."""
    fast: bool = False
    """Whether it needs no package, and continuous integration attaches to it."""


def web(name, scenario, *asks, worker=""):
    return Service(name, BY_NAME[scenario], asks, worker)


DASK = Scenario("dask", (str(HERE / "dask_cluster.py"), "{port}"), first=ids(""), itself=True)

PLAIN = Scenario("wsgiref", ("serve.py", "wsgiref", "{port}"), first=ids(""), itself=True)

QUICK = ("/cpu?n=30000", "/sleep?ms=5", "/hash?mb=1", "/ping")
SERVICES = [
    Service("wsgiref with threads", PLAIN, QUICK, fast=True),
    web("gunicorn sync", "gunicorn-sync", *QUICK),
    web("gunicorn gthread", "gunicorn-threads-cpu", *QUICK),
    web("gunicorn gevent", "gunicorn-gevent-cpu", *QUICK),
    web("uvicorn FastAPI", "fastapi-def-cpu", "/cpu?n=30000", "/acpu?n=30000", "/ping"),
    web("Django runserver", "django-cpu", "/cpu?n=30000", "/sleep?s=0.005", "/db?n=3000", "/ping"),
    web("mod_wsgi daemon", "apache-daemon", *QUICK, worker="(wsgi"),
    web("mod_wsgi embedded", "apache-one-interpreter", "/a/cpu?n=30000", "/b/sleep?ms=5"),
    web("mod_wsgi two interpreters", "apache-two-applications", "/a/cpu?n=30000", "/b/sleep?ms=5"),
    Service("Dask worker", DASK, ("counts", "sorts", "hashes"), "spawn_main", "dask_clients.py"),
]
