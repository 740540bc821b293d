"""Stands in for the compiled part where that does not load: says why when used."""

from gilprof import _platform
from gilprof._errors import UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _refuse() -> UnsupportedError:
    return UnsupportedError(_platform.unsupported() or "the compiled part of gilprof is missing")


def load(*arguments: "Any", **options: "Any") -> "Any":
    raise _refuse()


attach = measure = merge = load


class _Missing:
    def __new__(cls, *arguments: "Any", **options: "Any") -> "Any":
        raise _refuse()


class Attachment(_Missing): ...


class Blame(_Missing): ...


class Blamed(_Missing): ...


class Blocked(_Missing): ...


class Distribution(_Missing): ...


class Evidence(_Missing): ...


class Finding(_Missing): ...


class Frame(_Missing): ...


class Gil(_Missing): ...


class Hold(_Missing): ...


class Measure(_Missing): ...


class Metric(_Missing): ...


class MetricPoint(_Missing): ...


class Process(_Missing): ...


class ProcessMeasure(_Missing): ...


class Profile(_Missing): ...


class Query(_Missing): ...


class Request(_Missing): ...


class Row(_Missing): ...


class Rows(_Missing): ...


class Samples(_Missing): ...


class Site(_Missing): ...


class Span:
    """Labels stay in a program wherever it runs: where nothing can be recorded, they do
    nothing."""

    def __init__(self, label: str) -> None:
        self.label = label

    def __enter__(self) -> "Span":
        return self

    def __exit__(self, *_error: object) -> None: ...

    def __call__(self, function: "Any") -> "Any":
        return function


def span(label: str) -> Span:
    return Span(label)


class SpanRow(_Missing): ...


class Stall(_Missing): ...


class Table(_Missing): ...


class Thread(_Missing): ...


class WhatIf(_Missing): ...


__version__ = "0"
