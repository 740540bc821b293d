"""Prints how far the numbers are from truths that need no witness.

    make bench                        also runs this
    python benches/accuracy.py        with gilprof installed

A C function that holds the GIL for a known time, a sleep, a counted number of
releases: what the program's own clock and counts say of them is compared with
what the profile says.
"""
import ctypes
import threading
import time

import gilprof

import workloads
from compare import quartiles
from run import machine

ROUNDS = 20
HOLD_US = 50_000

usleep_holding = ctypes.PyDLL(None).usleep


def profiled(work):
    """What `work` returns, and the profile of its time."""
    with gilprof.profile() as profile:
        result = work()
    return result, profile.result


def elapsed_ns(work):
    begin = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - begin


def off_percent(measured, truth):
    return (measured / truth - 1) * 100


def a_hold():
    """One call that holds the GIL, against the clock around it."""

    def between_releases():
        time.sleep(0)
        truth = elapsed_ns(lambda: usleep_holding(HOLD_US))
        time.sleep(0)
        return truth

    truth, profile = profiled(between_releases)
    longest = max(thread.hold.max_ns for thread in profile.threads if thread.hold.count)
    return off_percent(longest, truth)


def a_sleep():
    """One sleep without the GIL, against the clock around it."""

    def asleep():
        with gilprof.measure("sleep") as measured:
            truth = elapsed_ns(lambda: time.sleep(HOLD_US / 1e6))
        return off_percent(measured.detached_ns, truth)

    return profiled(asleep)[0]


def a_wait():
    """The wait of a thread that wakes while another holds, against its delay,
    which is longer by the time that the sleeper takes to wake up."""
    begun = threading.Event()

    def holder():
        begun.wait()
        usleep_holding(HOLD_US)

    def waiter():
        begun.set()
        with gilprof.measure("wait") as measured:
            truth = elapsed_ns(lambda: time.sleep(0.01)) - 10_000_000
        return off_percent(measured.waiting_ns, truth)

    def both():
        thread = threading.Thread(target=holder)
        thread.start()
        result = waiter()
        thread.join()
        return result

    return profiled(both)[0]


def wall():
    """The recording's clock, against the program's, in parts per million.

    What it takes to read both is the same in a long and in a short sleep.
    """

    def apart_ns(seconds):
        with gilprof.measure("wall") as measured:
            truth = elapsed_ns(lambda: time.sleep(seconds))
        return measured.wall_ns - truth

    def drift():
        short, long = apart_ns(0.1), apart_ns(1.1)
        return (long - short) / 1e9 * 1e6

    return profiled(drift)[0]


def counted():
    """Acquisitions of a thread that releases the GIL 10 000 times, beyond those."""

    def traffic():
        with gilprof.measure("traffic") as measured:
            workloads.traffic(10_000)
        return measured.acquisitions - 10_000

    return profiled(traffic)[0]


def balance_of_threads():
    """The worst |holding + waiting + detached - lifetime| of a contended program."""
    profile = profiled(workloads.handoff_storm)[1]
    return max(
        abs(one.holding_ns + one.waiting_ns + one.detached_ns - one.lifetime_ns)
        for one in profile.threads
    )


def balance_of_waiting():
    """|caused + hand-off - waiting| over all threads of a contended program."""
    profile = profiled(workloads.handoff_storm)[1]
    blamed = sum(pair.waiting_ns for pair in profile.blame)
    return abs(blamed + profile.handoff_ns + profile.unattributed_ns - profile.waiting_ns)


TRUTHS = [
    ("a hold of 50 ms, off by", a_hold, "%"),
    ("a sleep of 50 ms, detached time off by", a_sleep, "%"),
    ("a wait of 40 ms, off by", a_wait, "%"),
    ("the recording's clock, off by", wall, "ppm"),
    ("10 000 releases, counted beyond", counted, ""),
    ("holding + waiting + detached - lifetime", balance_of_threads, "ns"),
    ("blame + hand-off - waiting", balance_of_waiting, "ns"),
]


def main():
    print(machine())
    print(f"{ROUNDS} rounds each; the farthest is often a program that lost its CPU")
    print("between two looks at the clock\n")
    print(f"{'what':42} {'median':>10} {'middle half':>24} {'farthest':>10}")
    for what, truth, unit in TRUTHS:
        results = [truth() for _ in range(ROUNDS)]
        first, median, third = quartiles(results)
        spread = f"{first:.4g} to {third:.4g}"
        farthest = max(results, key=abs)
        print(f"{what:42} {median:10.4g} {spread:>24} {farthest:10.4g} {unit}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
