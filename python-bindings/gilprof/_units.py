"""Durations and ratios, as people write them and as they read them."""

from gilprof._errors import OptionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

#: The longer ones first: each ends as the last does.
_UNITS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


def duration_ns(what: str, value: object) -> int:
    """The nanoseconds of "20ms"; `what` is named where it is none."""
    for unit, size in _UNITS.items():
        number = _number(value, unit)
        if number is not None:
            return round(number * size)
    raise OptionError(
        f'{what}: {value!r} is not allowed: a number with its unit, as in "20ms" '
        f"(one of {', '.join(_UNITS)})"
    )


def ratio(what: str, value: object) -> float:
    """The ratio 0.2, or "20%"."""
    percents = _number(value, "%")
    if percents is not None:
        value = percents / 100
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise OptionError(f'{what}: {value!r} is not allowed: 0 to 1, as in 0.2 or "20%"')
    return float(value)


def _number(value: object, unit: str) -> "Optional[float]":
    """The number before this unit."""
    if not isinstance(value, str) or not value.endswith(unit):
        return None
    digits = value[: -len(unit)].rstrip(" ")
    is_number = digits.isascii() and digits.replace(".", "", 1).isdigit()
    return float(digits) if is_number else None


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
