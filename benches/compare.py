"""Comparing a program with itself, with and without the profiler."""
import random
import statistics
import time
from typing import NamedTuple


class Row(NamedTuple):
    """One line of the table."""

    what: str
    unit: str
    samples: list
    budget: float = None
    at_least: bool = False


def alternated(measure, rounds):
    """Pairs of one measurement (without, with), taken in turns.

    The order changes from round to round, so that a machine that slows down
    or speeds up does so for both.
    """
    measure(False), measure(True)
    pairs = []
    for number in range(rounds):
        first = bool(number % 2)
        results = {first: measure(first), not first: measure(not first)}
        pairs.append((results[False], results[True]))
    return pairs


def timed(work):
    """Seconds of wall time, and of CPU time of the whole process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def ratios(pairs):
    """How much more the second of each pair is, in percent of the first."""
    return [(with_it / without - 1) * 100 for without, with_it in pairs]


def differences(pairs):
    """How much more the second of each pair is."""
    return [with_it - without for without, with_it in pairs]


def quartiles(samples):
    """The first quartile, the median and the third."""
    return statistics.quantiles(samples, n=4, method="inclusive")


def median_interval(samples, draws=4_000):
    """Where the true median lies, with 95 % confidence (bootstrap)."""
    chance = random.Random(0)
    medians = sorted(
        statistics.median(chance.choices(samples, k=len(samples))) for _ in range(draws)
    )
    return medians[int(draws * 0.025)], medians[int(draws * 0.975)]
