"""What has changed in a test suite since earlier runs of it."""

import json
from statistics import median

from gilprof._errors import FormatError, OptionError
from gilprof._units import duration, percent, ratio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List, Sequence, Tuple

    #: By the name of the test, what each run of it was.
    _Runs = Dict[str, List[Dict[str, Any]]]

#: What is compared, by the word for it.
_WHAT = {"wait": "waiting_ns", "hold": "worst_hold_ns"}
_MEANING = {"wait": "waits for the GIL for", "hold": "keeps others waiting in one hold for"}
#: No smaller change is told: it is the scheduler's.
_LEAST_NS = 2_000_000


class Threshold:
    """By how much a test may get worse."""

    def __init__(self, what: str, part: float) -> None:
        self.what, self.part = what, part

    @classmethod
    def parse(cls, text: str) -> "Threshold":
        what, _, part = text.partition(":")
        if what not in _WHAT or not part.endswith("%"):
            raise OptionError(
                f"--gilprof-compare-fail={text} is not allowed: "
                'what and by how much, as "wait:10%" or "hold:10%"'
            )
        return cls(what, ratio("--gilprof-compare-fail", part))


class Comparison:
    """Earlier runs of the tests."""

    def __init__(self, paths: "Sequence[str]", runs: "_Runs") -> None:
        self._paths, self._runs = paths, runs

    @classmethod
    def of(cls, paths: "Sequence[str]", format: str) -> "Comparison":
        """The runs in these files, together."""
        runs: "_Runs" = {}
        for path in paths:
            for name, some in _read(path, format).items():
                runs.setdefault(name, []).extend(some)
        return cls(paths, runs)

    def _changes(self, now: "_Runs", what: str) -> "List[Tuple[float, float, str]]":
        """Medians before and now, of tests that are in both; the largest change first."""
        field = _WHAT[what]
        both = [name for name in now if name in self._runs]
        medians = [
            (median(_before(self._runs[name], field)), median(_now(now[name], field)), name)
            for name in both
        ]
        return sorted(medians, key=lambda one: abs(one[1] - one[0]), reverse=True)

    def told(self, now: "_Runs", top: int) -> "List[str]":
        """The tests that wait for longer or less than before."""
        changes = [one for one in self._changes(now, "wait") if abs(one[1] - one[0]) >= _LEAST_NS]
        before = ", ".join(self._paths)
        if not changes:
            return [f"no test waits for longer or less than in {before}"]
        lines = [f"since {before}, the median wait of"]
        lines += [
            f"{duration(old):>9} → {duration(new):>8}  {name}" for old, new, name in changes[:top]
        ]
        return lines

    def worse(self, now: "_Runs", threshold: Threshold) -> "List[str]":
        """The tests that got worse by more than the threshold and than runs of them differ."""
        field, lines = _WHAT[threshold.what], []
        for old, new, name in self._changes(now, threshold.what):
            is_noise = new <= max(_before(self._runs[name], field)) or new - old < _LEAST_NS
            if new > old * (1 + threshold.part) and not is_noise:
                lines.append(
                    f"{name}: {_MEANING[threshold.what]} {duration(new)}, {duration(old)} before: "
                    f"the limit is {percent(threshold.part)} more"
                )
        return lines


def _now(runs: "List[Dict[str, Any]]", field: str) -> "List[int]":
    return [run.get(field, 0) for run in runs]


def _before(runs: "List[Dict[str, Any]]", field: str) -> "List[int]":
    """Where the worst hold is not known, it kept others waiting for no longer than they did."""
    return [run.get(field, run.get("waiting_ns", 0)) for run in runs]


def _read(path: str, format: str) -> "_Runs":
    try:
        with open(path, encoding="utf-8") as file:
            told = json.load(file)
    except OSError as error:
        raise OptionError(f"--gilprof-compare={path}: {error.strerror}") from None
    except ValueError as error:
        raise FormatError(f"--gilprof-compare={path} is no JSON: {error}") from None
    if not isinstance(told, dict) or told.get("format") != format:
        found = told.get("format") if isinstance(told, dict) else None
        raise FormatError(
            f"--gilprof-compare={path}: its format is {found!r}, and {format!r} is read: "
            "write it anew with --gilprof-json"
        )
    runs: "_Runs" = told["tests"]
    return runs
