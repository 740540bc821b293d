"""Durations and ratios, as people write them and as they read them."""

import re

from gilprof._errors import OptionError

_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(ns|us|ms|s)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?) ?%")


def duration_ns(what: str, value: object) -> int:
    """The nanoseconds of "20ms"; `what` is named where it is none."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise OptionError(
            f'{what}: {value!r} is not allowed: a number with its unit, as in "20ms" '
            f"(one of {', '.join(_UNITS)})"
        )
    return round(float(found[1]) * _UNITS[found[2]])


def ratio(what: str, value: object) -> float:
    """The ratio 0.2, or "20%"."""
    found = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    if found is not None:
        value = float(found[1]) / 100
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise OptionError(f'{what}: {value!r} is not allowed: 0 to 1, as in 0.2 or "20%"')
    return float(value)


def duration(ns: float) -> str:
    """Three digits with a unit that fits."""
    if ns < 1_000:
        return f"{ns:.0f} ns"
    value, unit = next(
        (ns / size, name)
        for name, size in (("us", 1e3), ("ms", 1e6), ("s", 1e9))
        if ns < 1e3 * size or name == "s"
    )
    return f"{value:.{0 if value >= 99.5 else 1 if value >= 9.95 else 2}f} {unit}"


def percent(part: float) -> str:
    """A ratio as one reads it."""
    return f"{100 * part:.0f} %"
