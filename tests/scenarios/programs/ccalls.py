"""Calls into C that hold or release the GIL.  ccalls.py KIND [-n THREADS] [-t SECONDS]

First one thread repeats the call, then THREADS do, while a ticker wants to wake each
millisecond.
"""

import argparse
import ctypes
import os
import threading
import time

for library in ("OPENBLAS", "OMP", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"


def purepy():
    def count():
        x = 0
        for _ in range(500_000):
            x += 1

    return count


def json():
    import json

    rows = [{"id": i, "name": f"x{i}", "v": [1, 2, 3.5]} for i in range(20_000)]
    return lambda: json.dumps(rows)


def regex():
    import re

    pattern, text = re.compile(r"(a+)+$"), "a" * 20 + "b"
    return lambda: pattern.match(text)


def sort():
    import random

    numbers = [random.random() for _ in range(200_000)]
    return lambda: sorted(numbers)


def numba_kernel(nogil):
    import numba

    @numba.njit(nogil=nogil)
    def kernel(n):
        x = 0.0
        for i in range(n):
            x += (i % 7) * 0.5
        return x

    kernel(10)
    return lambda: kernel(15_000_000)


def matmul():
    import numpy

    matrix = numpy.random.rand(500, 500)
    return lambda: matrix @ matrix


def zlib():
    import zlib

    noise = os.urandom(1 << 20)
    return lambda: zlib.compress(noise, 6)


def hashlib():
    import hashlib

    noise = os.urandom(16 << 20)
    return lambda: hashlib.sha256(noise).digest()


def usleep(loader):
    function = loader("libc.so.6").usleep
    return lambda: function(20_000)


KINDS = {
    "purepy": purepy,
    "json": json,
    "re": regex,
    "sorted": sort,
    "numba_gil": lambda: numba_kernel(nogil=False),
    "numba_nogil": lambda: numba_kernel(nogil=True),
    "matmul": matmul,
    "zlib": zlib,
    "hashlib": hashlib,
    "pydll_usleep": lambda: usleep(ctypes.PyDLL),
    "cdll_usleep": lambda: usleep(ctypes.CDLL),
}


def phase(call, threads, seconds, ticking):
    end = time.monotonic() + seconds
    over = False

    def work():
        while time.monotonic() < end:
            call()

    def tick():
        while not over:
            time.sleep(0.001)

    workers = [threading.Thread(target=work, name=f"worker{i}") for i in range(threads)]
    ticker = threading.Thread(target=tick, name="ticker")
    if ticking:
        ticker.start()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    over = True
    if ticking:
        ticker.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("-n", type=int, default=2)
    parser.add_argument("-t", type=float, default=3)
    chosen = parser.parse_args()
    call = KINDS[chosen.kind]()
    call()
    phase(call, 1, chosen.t, ticking=False)
    phase(call, chosen.n, chosen.t, ticking=True)


if __name__ == "__main__":
    main()
