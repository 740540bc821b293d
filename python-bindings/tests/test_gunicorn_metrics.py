"""Metrics of gunicorn's workers, with examples/gunicorn/gunicorn.conf.py, of which docs/metrics.md tells."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import scraping

pytest.importorskip("gunicorn")
pytest.importorskip("prometheus_client")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "gunicorn" / "gunicorn.conf.py"
APPLICATION = """
import os
from prometheus_client import CollectorRegistry, generate_latest, multiprocess

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/metrics":
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)
        return [generate_latest(registry)]
    return [b"%d" % os.getpid()]
"""
OWN = 'python_gil_acquisitions_total{interpreter="0"}'
SUM = "python_gil_acquisitions_total"


class Service:
    """gunicorn with two workers."""

    def __init__(self, folder):
        (folder / "app.py").write_text(APPLICATION)
        self.folder = folder / "shared"
        self.folder.mkdir()
        self.address = f"unix:{folder}/app.sock"
        clean = {key: value for key, value in os.environ.items() if "GILPROF" not in key}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "-c", str(EXAMPLE), "-w", "2"]
            + ["-b", self.address, "app:application"],
            cwd=str(folder),
            env={**clean, "PROMETHEUS_MULTIPROC_DIR": str(self.folder)},
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )

    def ask(self, path):
        return scraping.ask(self.address, f"GET {path} HTTP/1.0\r\n\r\n".encode())[2]

    def sum(self):
        """What the workers have written so far, all together."""
        return scraping.values(self.ask("/metrics")).get(SUM, 0)

    def workers(self):
        """The numbers of each worker that can be asked, by its pid."""
        found = {}
        for path in self.folder.glob("gilprof-*.sock"):
            try:
                text = scraping.scrape(f"unix:{path}")
            except (ConnectionError, FileNotFoundError):
                continue
            found[int(path.stem.split("-")[1])] = scraping.values(text)[OWN]
        return found

    def until(self, holds):
        """Waits until something holds of the service."""
        end = time.monotonic() + 60
        while True:
            try:
                answer = holds()
            except (ConnectionError, FileNotFoundError):
                answer = False
            if answer:
                return answer
            assert self.process.poll() is None, self.process.stderr.read()
            assert time.monotonic() < end, self.process
            time.sleep(0.02)


@pytest.fixture
def service(tmp_path):
    service = Service(tmp_path)
    yield service
    service.process.send_signal(signal.SIGTERM)
    errors = service.process.communicate(timeout=60)[1]
    assert service.process.returncode == 0, errors
    assert "Traceback" not in errors
    assert list(service.folder.glob("*.sock")) == []


def test_each_worker_has_numbers_of_its_own_and_there_is_the_sum(service):
    service.until(lambda: len(service.workers()) == 2)
    answered = {int(service.ask("/")) for _ in range(50)}
    before = service.workers()
    assert answered <= set(before)
    # What each went through until now is in the sum when it has written the next time.
    service.until(lambda: service.sum() >= sum(before.values()))
    most = service.sum()
    assert most <= sum(service.workers().values())


def test_the_sum_keeps_what_a_worker_that_ended_went_through(service):
    before = service.until(lambda: len(service.workers()) == 2 and service.workers())
    service.until(lambda: service.sum() >= sum(before.values()))
    gone = min(before)
    os.kill(gone, signal.SIGTERM)
    service.until(lambda: len(set(service.workers()) - {gone}) == 2)
    assert service.sum() >= sum(before.values())
    assert not list(service.folder.glob(f"gauge_live*_{gone}.db"))
    assert not (service.folder / f"gilprof-{gone}.sock").exists()
