"""A program that others attach to. It does not know of gilprof.

    python target.py work                 a workload for each line of input, by its name
    python target.py spin FILE [blocked]  looks at the clock until the file's first byte is set
"""
import gc
import mmap
import os
import sys
import threading
import time

import workloads
from compare import timed

# What is shorter is not told.
GAP_NS = 20_000


def work():
    """Tells the wall time and the CPU time of each workload; of the pair its ns."""
    print(flush=True)
    for line in sys.stdin:
        name = line.strip()
        took = [workloads.pair_ns()] * 2 if name == "pair" else timed(getattr(workloads, name))
        print(*took, flush=True)


def queued_ns(file):
    """For how long this thread could have run, had there been a CPU for it."""
    return int(os.pread(file, 64, 0).split()[1])


def spin(path, *blocked):
    """Tells when it could not go on: from when, until when, and how much of that it waited
    for a CPU. With another thread that is blocked it is not the only one there is."""
    if blocked:
        threading.Thread(target=os.read, args=(os.pipe()[0], 1), daemon=True).start()
    with open(path, "r+b") as file:
        is_over = mmap.mmap(file.fileno(), 1)
    schedstat = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
    clock, gaps = time.monotonic_ns, []
    gc.disable()
    print(flush=True)
    queued, last = queued_ns(schedstat), clock()
    while not is_over[0]:
        now = clock()
        if now - last >= GAP_NS:
            before, queued = queued, queued_ns(schedstat)
            gaps.append((last, now, queued - before))
            now = clock()
        last = now
    for gap in gaps:
        print(*gap)


if __name__ == "__main__":
    {"work": work, "spin": spin}[sys.argv[1]](*sys.argv[2:])
