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


def alternated(measure, rounds, ways=(False, True)):
    """One measurement in each way, in turns: a tuple a round, in the order of the ways.

    Another way comes first from round to round, so that a machine that slows down
    or speeds up does so for all.
    """
    for way in ways:
        measure(way)
    found = []
    for number in range(rounds):
        turn = number % len(ways)
        results = {way: measure(way) for way in ways[turn:] + ways[:turn]}
        found.append(tuple(results[way] for way in ways))
    return found


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
