"""An asyncio loop that wants to wake each millisecond.

loop_lag.py [-n THREADS that compute] [-t SECONDS] [--block MS that the loop itself computes]
"""

import argparse
import asyncio
import threading
import time

over = False


def cpu():
    x = 0
    while not over:
        x += 1


async def ticker(end):
    while time.monotonic() < end:
        await asyncio.sleep(0.001)


def busy_callback(seconds):
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


async def blocker(end, seconds):
    while time.monotonic() < end:
        await asyncio.sleep(0.2)
        busy_callback(seconds)


async def run(seconds, block):
    end = time.monotonic() + seconds
    jobs = [ticker(end)] + ([blocker(end, block)] if block else [])
    await asyncio.gather(*jobs)


def main():
    global over
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1)
    parser.add_argument("-t", type=float, default=4)
    parser.add_argument("--block", type=float, default=0)
    chosen = parser.parse_args()
    threads = [threading.Thread(target=cpu, name=f"cpu{i}") for i in range(chosen.n)]
    for thread in threads:
        thread.start()
    asyncio.run(run(chosen.t, chosen.block / 1e3))
    over = True
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
