"""Do two threads count twice as fast as one? No: they take turns at the GIL.

gilprof run -- python examples/two_threads_counting.py
"""
import threading
import time

SECONDS = 1.5


def count(results):
    end = time.monotonic() + SECONDS
    counted = 0
    while time.monotonic() < end:
        for _ in range(1_000):
            counted += 1
    results.append(counted)


def main():
    results = []
    counters = [
        threading.Thread(target=count, args=(results,), name=f"counter-{number}")
        for number in (1, 2)
    ]
    for counter in counters:
        counter.start()
    for counter in counters:
        counter.join()
    print(f"two threads counted to {sum(results):,} in {SECONDS} s")


if __name__ == "__main__":
    main()
