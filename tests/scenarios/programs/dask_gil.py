"""One worker process of Dask with two threads.  dask_gil.py KIND [-t SECONDS]

KIND: hold (pure Python), hold_c (sorts a big list), release (hashes) or idle (sleeps).
"""

import argparse
import hashlib
import random
import time

import recorded


def hold(seconds):
    end = time.monotonic() + seconds
    x = 0
    while time.monotonic() < end:
        for _ in range(10_000):
            x += 1


def hold_c(seconds):
    numbers = [random.random() for _ in range(300_000)]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sorted(numbers)


def release(seconds):
    block = bytes(16 << 20)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        hashlib.sha256(block).digest()


def idle(seconds):
    time.sleep(seconds)


TASKS = {"hold": hold, "hold_c": hold_c, "release": release, "idle": idle}


def main():
    from distributed import Client, LocalCluster

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=TASKS)
    parser.add_argument("-t", type=float, default=4)
    chosen = parser.parse_args()
    task = TASKS[chosen.kind]
    # Its dashboard listens on all addresses if it is not told otherwise.
    cluster = LocalCluster(
        n_workers=1, threads_per_worker=2, dashboard_address=None, host="127.0.0.1"
    )
    with cluster, Client(cluster) as client:
        client.submit(task, 0.1, pure=False).result()
        client.run(recorded.start)
        client.gather([client.submit(task, chosen.t, pure=False) for _ in range(2)])
        client.run(recorded.stop)


if __name__ == "__main__":
    main()
