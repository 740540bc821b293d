"""The pytest plugin: which tests wait for the GIL and who makes them, and limits that fail
a test.

Nothing is recorded unless it is asked for: by an option, for all tests; by a marker or the
fixture, for the test that has it.
"""

import json
import sys

import pytest

import gilprof
from gilprof import _platform, _recording
from gilprof._compare import Comparison, Threshold
from gilprof._limits import Limits, LimitExceeded, place
from gilprof._units import duration, duration_ns, percent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Generator, Iterator, List, Optional, Tuple, Union

    from gilprof._native import Profile, Session

#: Below this nobody is blamed: so long a thread may keep others waiting before it is asked to
#: let go, unless the program says otherwise.
WORTH = "5ms"
WORTH_NS = duration_ns("blame", WORTH)
#: What a file of numbers says of itself.
FORMAT = "gilprof-pytest/1"

#: What is known of each test, in its user properties: `gil_waiting_ns` is the call's, and
#: `gil_setup_waiting_ns` that of its fixtures.
_SETUP, _CALL, _TEARDOWN = "gil_setup_", "gil_", "gil_teardown_"
_NUMBERS = {
    prefix: (prefix + "wall_ns", prefix + "holding_ns", prefix + "waiting_ns")
    for prefix in (_SETUP, _CALL, _TEARDOWN)
}
_BLAME, _WORST, _EXCESS = "gil_blame", "gil_worst_hold_ns", "gil_limit_exceeded"
_PROPERTIES = [told for names in _NUMBERS.values() for told in names]
#: What properties are called in the numbers of a run.
_IN_RUNS = {told: told[len("gil_") :] for told in (*_PROPERTIES, _BLAME, _WORST, _EXCESS)}

_MARKERS = (
    "limit_gil_hold(longest): fail if a hold of the GIL keeps other threads waiting for longer, "
    'as "20ms"',
    "limit_gil_wait(most, ratio=None): fail if threads wait for the GIL for longer, all "
    'together, as "50ms", or for more than this part of the time',
    "limit_gil_contention(most): fail if waiting is more than this part of waiting and holding "
    'the GIL, as 0.2 or "20%"',
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gilprof", "who holds the GIL while others wait")
    options: "List[Tuple[str, str, Dict[str, Any]]]" = [
        ("", "tell which tests wait for the GIL, and who makes them", {"action": "store_true"}),
        ("-top", "how many tests are told (default: 10)", {"metavar": "N"}),
        ("-json", "write the numbers of each test to this file", {"metavar": "PATH"}),
        (
            "-compare",
            "tell what has changed since this file was written; of several, the medians count",
            {"metavar": "PATH", "action": "append"},
        ),
        (
            "-compare-fail",
            'fail if a test waits for longer than in those files by more than this, as "wait:10%%"; '
            'or "hold:10%%" for its worst hold',
            {"metavar": "WHAT:PERCENT"},
        ),
    ]
    for suffix, text, more in options:
        group.addoption(f"--gilprof{suffix}", default=None, help=text, **more)
        name = f"gilprof{suffix}".replace("-", "_")
        kind = {"": "bool", "-compare": "linelist"}.get(suffix, "string")
        parser.addini(name, text.replace("%%", "%"), type=kind, default=None)  # type: ignore[arg-type]


def pytest_configure(config: pytest.Config) -> None:
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    config.pluginmanager.register(Plugin(config), "gilprof-plugin")


def _option(config: pytest.Config, name: str) -> "Any":
    """What the command line says; else what the ini file does."""
    said = config.getoption(name)
    return config.getini(name) or None if said is None else said


class Plugin:
    """What of a test run is recorded, and told at its end."""

    def __init__(self, config: pytest.Config) -> None:
        self._top = _top(_option(config, "gilprof_top"))
        self._json: "Optional[str]" = _option(config, "gilprof_json")
        earlier: "List[str]" = _option(config, "gilprof_compare") or []
        fail: "Optional[str]" = _option(config, "gilprof_compare_fail")
        try:
            self._threshold = None if fail is None else Threshold.parse(fail)
            self._comparison = Comparison.of(earlier, FORMAT) if earlier else None
        except gilprof.Error as error:
            raise pytest.UsageError(str(error)) from None
        if self._threshold is not None and self._comparison is None:
            raise pytest.UsageError("--gilprof-compare-fail needs --gilprof-compare=PATH")
        self._missing = _platform.unsupported()
        self._is_worker = hasattr(config, "workerinput")
        self._wanted = bool(_option(config, "gilprof") or self._json or self._comparison)
        # With xdist, the tests run in other processes than this.
        is_elsewhere = config.getoption("dist", "no") != "no" and not self._is_worker
        self._is_on = self._wanted and self._missing is None and not is_elsewhere
        #: Of the whole run, of which no profile is made: tests are measured one by one.
        self._recording: "Optional[Session]" = None
        self._numbers = Numbers()
        self._failed: "List[str]" = []
        # Tests go through what is registered, so nothing is that is not needed.
        if self._is_on:
            config.pluginmanager.register(Measuring(), "gilprof-measuring")
        if self._wanted and not self._is_worker:
            config.pluginmanager.register(self._numbers, "gilprof-numbers")
        if is_elsewhere:
            config.pluginmanager.register(Limited(), "gilprof-limited")

    def pytest_report_header(self) -> "Optional[str]":
        if not self._wanted:
            return None
        if self._missing is not None:
            return f"gilprof: n/a ({self._missing})"
        interval = duration(sys.getswitchinterval() * 1e9)
        return f"gilprof {gilprof.__version__}: exact, switch interval {interval}"

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: "List[pytest.Item]"
    ) -> None:
        found: "Dict[str, Limits]" = {}
        wrong = []
        for item in items:
            try:
                limits = _limits_of(item)
            except (gilprof.Error, TypeError) as error:
                wrong.append(f"{item.nodeid}: {error}")
                continue
            if limits is not None:
                found[item.nodeid] = limits
        if wrong:
            raise pytest.UsageError("\n".join(wrong))
        if found:
            limiting = Limiting(found, self._is_on, self._missing)
            config.pluginmanager.register(limiting, "gilprof-limiting")
            if not config.pluginmanager.has_plugin("gilprof-limited"):
                config.pluginmanager.register(Limited(), "gilprof-limited")

    def pytest_sessionstart(self) -> None:
        if self._is_on:
            self._recording = _recording.open_session({})

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._recording is not None:
            _recording.discard_session(self._recording)
            self._recording = None
        if self._is_worker:
            return
        if self._json is not None:
            self._save(self._json)
        if self._comparison is not None and self._threshold is not None:
            self._failed = self._comparison.worse(self._numbers.runs, self._threshold)
            if self._failed and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: "Any") -> None:
        if not self._wanted or self._is_worker:
            return
        if self._missing is not None:
            terminalreporter.write_line(f"gilprof: n/a ({self._missing})")
            return
        runs = self._numbers.runs
        terminalreporter.section("GIL")
        for line in _summary(runs, self._top):
            terminalreporter.write_line(line)
        if self._comparison is not None:
            for line in self._comparison.told(runs, self._top):
                terminalreporter.write_line(line)
        for line in self._failed:
            terminalreporter.write_line(line, red=True)
        if self._json is not None:
            terminalreporter.write_line(f"the numbers of each test: {self._json}")

    def _save(self, path: str) -> None:
        told = {
            "format": FORMAT,
            "gilprof": gilprof.__version__,
            "python": sys.version.split()[0],
            "switch_interval_ns": round(sys.getswitchinterval() * 1e9),
            "tests": self._numbers.runs,
        }
        with open(path, "w", encoding="utf-8") as file:
            json.dump(told, file, indent=1)
            file.write("\n")


class Numbers:
    """Collects what was measured of tests, in this process or in others."""

    def __init__(self) -> None:
        #: By its node id, what each run of a test was.
        self.runs: "Dict[str, List[Dict[str, Any]]]" = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "setup":
            return
        # Of a test that is run again, the last numbers are the latest run's.
        properties = report.user_properties
        run = {_IN_RUNS[name]: value for name, value in properties if name in _IN_RUNS}
        if report.when == "call" and "wall_ns" in run:
            self.runs.setdefault(report.nodeid, []).append(run)
        elif report.when == "teardown" and report.nodeid in self.runs:
            self.runs[report.nodeid][-1].update(run)


class Measuring:
    """Measures the parts of each test."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> "Generator[None, object, object]":
        return (yield from _measured(item, gilprof.measure(_SETUP)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> "Generator[None, object, object]":
        return (yield from _measured(item, gilprof.measure(_CALL, blame=WORTH)))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> "Generator[None, object, object]":
        return (yield from _measured(item, gilprof.measure(_TEARDOWN)))


class Limiting:
    """Fails the tests that exceed their limits."""

    def __init__(
        self, limits: "Dict[str, Limits]", is_measured: bool, missing: "Optional[str]"
    ) -> None:
        #: By their node ids, those of the tests that have some.
        self._limits = limits
        self._is_measured = is_measured
        self._missing = missing

    # Around what Measuring does: of wrappers that come first, the last registered does.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> "Generator[None, object, object]":
        limits = self._limits.get(item.nodeid)
        if limits is None:
            return (yield)
        if self._missing is not None:
            item.warn(pytest.PytestWarning(f"limits of the GIL are not checked: {self._missing}"))
            return (yield)
        with gilprof.profile() as window:
            if self._is_measured:
                done = yield
            else:
                done = yield from _measured(item, gilprof.measure(_CALL, blame=WORTH))
        # A test that fails by itself does not come here.
        excess = limits.excess(window.result)
        if excess is not None:
            item.user_properties.append((_EXCESS, True))
            raise LimitExceeded(excess)
        return done

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: "pytest.CallInfo[None]"
    ) -> "Generator[None, pytest.TestReport, pytest.TestReport]":
        report = yield
        error = None if call.excinfo is None else call.excinfo.value
        if isinstance(error, LimitExceeded) and (_EXCESS, True) in item.user_properties:
            report.longrepr = str(error)
        return report


class Limited:
    """Tells the tests that failed as they exceeded a limit, in this process or in others."""

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> "Optional[Tuple[str, str, str]]":
        # xdist makes lists of the pairs.
        properties = map(tuple, report.user_properties)
        if report.failed and report.when == "call" and (_EXCESS, True) in properties:
            return "failed", "G", "GIL"
        return None


class Watch:
    """What the GIL goes through in a test: the fixture `gilprof`."""

    def __init__(self, window: "gilprof.profile") -> None:
        self._window = window

    def snapshot(self) -> "Profile":
        """The profile from the begin of the test to now. Two of them subtract."""
        return self._window.snapshot()

    def limit(self, **limits: "Any") -> "gilprof.limit":
        """A limit for a block of the test, as gilprof.limit()."""
        return gilprof.limit(**limits)

    def measure(self, label: str, *, blame: "Union[bool, str]" = False) -> "gilprof.Measure":
        """The numbers of this thread in a block, as gilprof.measure()."""
        return gilprof.measure(label, blame=blame)


@pytest.fixture(name="gilprof")
def _gilprof() -> "Iterator[Watch]":
    """What the GIL goes through in this test: `gilprof.snapshot().verdict`, for one."""
    missing = _platform.unsupported()
    if missing is not None:
        pytest.skip(f"gilprof: {missing}")
    with gilprof.profile() as window:
        yield Watch(window)


def _top(value: "Optional[str]") -> int:
    try:
        count = 10 if value is None else int(value)
        if count < 0:
            raise ValueError
    except ValueError:
        raise pytest.UsageError(
            f"--gilprof-top={value} is not allowed: a number of tests, 0 or more"
        ) from None
    return count


def _limits_of(item: pytest.Item) -> "Optional[Limits]":
    """The limits that the markers of a test set; of several of a kind, the closest counts."""

    def hold(longest: str) -> "Dict[str, Any]":
        return {"hold": longest}

    def wait(most: "Optional[str]" = None, ratio: "Any" = None) -> "Dict[str, Any]":
        if most is None and ratio is None:
            raise TypeError("needs a duration or a ratio")
        return {"wait": most, "wait_ratio": ratio}

    def contention(most: "Any") -> "Dict[str, Any]":
        return {"contention": most}

    limits: "Dict[str, Any]" = {}
    for read in (hold, wait, contention):
        name = f"limit_gil_{read.__name__}"
        marker = item.get_closest_marker(name)
        if marker is not None:
            try:
                limits.update(read(*marker.args, **marker.kwargs))
            except TypeError as error:
                raise TypeError(f"{name}: {error}") from None
            Limits(**limits, what=name)
    return Limits(**limits) if limits else None


def _measured(
    item: pytest.Item, measured: gilprof.Measure
) -> "Generator[None, object, object]":
    """A part of a test, whose numbers become properties of the test."""
    try:
        with measured:
            return (yield)
    finally:
        _keep(item, measured)


def _keep(item: pytest.Item, measured: gilprof.Measure) -> None:
    """Notes what was measured of a part of a test; of its fixtures, where threads waited."""
    of_process, blamed, part = measured.process, measured.blamed, measured.label
    if of_process is None or (part != _CALL and of_process.waiting_ns == 0):
        return
    wall, holding, waiting = _NUMBERS[part]
    told = item.user_properties
    told.append((wall, of_process.wall_ns))
    told.append((holding, of_process.holding_ns))
    told.append((waiting, of_process.waiting_ns))
    if blamed is None:
        return
    if blamed.worst_hold_ns > 0:
        told.append((_WORST, blamed.worst_hold_ns))
    if blamed.weight_ns > 0:
        told.append((_BLAME, place(blamed)))


def _summary(runs: "Dict[str, List[Dict[str, Any]]]", top: int) -> "List[str]":
    """The tests that waited most; of several runs of one, the last."""
    last = [(run[-1]["waiting_ns"], name, run[-1]) for name, run in runs.items()]
    last.sort(key=lambda one: one[0], reverse=True)
    waited_ns = sum(ns for ns, _, _ in last)
    wall_ns = sum(run["wall_ns"] for _, _, run in last)
    if waited_ns < WORTH_NS:
        return [f"no test waited for the GIL ({duration(waited_ns)} in {len(last)} tests)"]
    lines = [
        f"threads waited {duration(waited_ns)} for the GIL in {duration(wall_ns)} of tests; "
        f"{percent(last[0][0] / waited_ns)} of it in {last[0][1]}"
    ]
    told = [one for one in last[:top] if one[0] >= WORTH_NS]
    if told:
        lines.append(f"{'waited':>9}  {'of time':>7}  {'worst hold':>10}  test, and who is to blame")
    for ns, name, run in told:
        worst = run.get("worst_hold_ns")
        lines.append(
            f"{duration(ns):>9}  {percent(ns / max(1, run['wall_ns'])):>7}  "
            f"{'n/a' if worst is None else duration(worst):>10}  {name}"
        )
        lines.append(f"{'':32}{run.get('blame', 'n/a (no stack was taken)')}")
    return lines
