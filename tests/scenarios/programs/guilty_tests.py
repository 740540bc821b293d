"""A suite of which two tests hold the GIL: one blocked in C, one in a regular expression.

python -m pytest guilty_tests.py; three threads want to beat each 5 ms all the while.
"""

import ctypes
import hashlib
import os
import re
import threading
import time

import pytest

OVER = threading.Event()


def beat():
    while not OVER.is_set():
        time.sleep(0.005)


@pytest.fixture(scope="session", autouse=True)
def hearts():
    threads = [threading.Thread(target=beat, name=f"heart{i}", daemon=True) for i in range(3)]
    for thread in threads:
        thread.start()
    yield
    OVER.set()
    for thread in threads:
        thread.join()


@pytest.fixture(autouse=True)
def pauses(hearts):
    time.sleep(0.05)
    yield
    time.sleep(0.02)


def test_quick():
    assert 1 + 1 == 2


def test_sleeps_200ms():
    time.sleep(0.2)


def test_hash_releases_gil():
    hashlib.sha256(bytes(200 << 20)).digest()


def test_pure_python_200ms():
    end = time.monotonic() + 0.2
    while time.monotonic() < end:
        pass


def test_holds_gil_200ms_blocked():
    ctypes.PyDLL("libc.so.6").usleep(200_000)


def test_re_holds_gil():
    re.match(r"(a+)+$", "a" * 22 + "b")


def test_io_file(tmp_path):
    (tmp_path / "file").write_bytes(os.urandom(1 << 22))
