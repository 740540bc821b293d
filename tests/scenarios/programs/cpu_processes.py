"""Processes that count, each recorded by itself.

cpu_processes.py [-n PROCESSES] [-c COUNT] [-m fork|spawn|forkserver]
"""

import argparse
import multiprocessing

import recorded


def cpu_heavy(count):
    x = 0
    for _ in range(count):
        x += 1
    return x


def child(count):
    recorded.start()
    cpu_heavy(count)
    recorded.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=2)
    parser.add_argument("-c", type=int, default=50_000_000)
    parser.add_argument("-m", default="fork")
    chosen = parser.parse_args()
    context = multiprocessing.get_context(chosen.m)
    processes = [context.Process(target=child, args=(chosen.c,)) for _ in range(chosen.n)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
