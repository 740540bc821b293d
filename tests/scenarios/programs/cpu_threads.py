"""Threads that count.  cpu_threads.py [-n THREADS] [-c COUNT]"""

import argparse
import threading


def cpu_heavy(count):
    x = 0
    for _ in range(count):
        x += 1
    return x


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=2)
    parser.add_argument("-c", type=int, default=50_000_000)
    chosen = parser.parse_args()
    threads = [
        threading.Thread(target=cpu_heavy, args=(chosen.c,), name=f"cpu{i}")
        for i in range(chosen.n)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
