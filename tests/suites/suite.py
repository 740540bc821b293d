"""The packages whose own test suites run under the pytest plugin."""

from typing import NamedTuple


class Suite(NamedTuple):
    """One row: a package whose source distribution has its tests."""

    name: str
    version: str
    needs: tuple
    """What its tests need besides the package and pytest."""
    arguments: tuple
    """Of pytest, in the folder of the source distribution."""
    uses: str
    """What it uses threads for."""

    @property
    def requirement(self):
        return f"{self.name}=={self.version}"


SUITES = [
    Suite(
        "requests",
        "2.34.2",
        (
            "pysocks==1.7.1",
            "pytest-httpbin==2.1.0",
            "httpbin==0.10.4",
            "pytest-mock==3.17.0",
            "trustme==1.2.1",
        ),
        # Left out: what needs another machine, and what sleeps for most of its time.
        (
            "tests",
            "--deselect=tests/test_requests.py::TestTimeout",
            "--ignore=tests/test_testserver.py",
            "--ignore=tests/test_lowlevel.py",
        ),
        "servers that answer it",
    ),
    Suite(
        "starlette",
        "1.10.0",
        (
            "starlette[full]==1.10.0",
            "httpx2==2.16.2",
            "httpx==0.28.1",
            "blockbuster==1.5.29",
            "opentelemetry-sdk==1.45.2",
            "trio==0.35.0",
        ),
        # Left out: each test's twin under trio, and what root may do.
        ("tests", "-k", "not trio and not permission"),
        "an event loop for each client",
    ),
    Suite(
        "waitress",
        "3.0.2",
        ("pytest-cov==7.1.0",),
        ("tests", "--no-cov"),
        "its channels and tasks",
    ),
]
