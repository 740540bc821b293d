"""The pytest plugin, in suites of its own."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

import pytest

from gilprof._compare import Comparison, Threshold

SUITE = """
import ctypes, threading, time
import pytest

usleep_holding = ctypes.PyDLL(None).usleep

@pytest.fixture(autouse=True)
def ticker():
    over = threading.Event()

    def tick():
        while not over.is_set():
            time.sleep(0.001)

    thread = threading.Thread(target=tick, name="ticker")
    thread.start()
    yield
    over.set()
    thread.join()

def hog(microseconds):
    usleep_holding(microseconds)  # the line
"""

TESTS = """
@pytest.mark.limit_gil_hold("20ms")
def test_hog():
    hog(200_000)

@pytest.mark.limit_gil_hold("20ms")
def test_sleep():
    time.sleep(0.05)

@pytest.mark.limit_gil_hold("20ms")
def test_count():
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        pass

def test_without_a_limit():
    hog(50_000)
"""


class Run:
    """A suite that was run."""

    def __init__(self, folder, source, *arguments, **variables):
        (folder / "test_suite.py").write_text(SUITE + source)
        # In CI, pytest says more.
        left_out = ("PYTEST", "CI", "BUILD_NUMBER")
        clean = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", *arguments],
            cwd=str(folder),
            env={**clean, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            universal_newlines=True,
            timeout=300,
        )
        self.code, self.out = done.returncode, done.stdout

    def counts(self):
        """As the last line has them: {"passed": 3, "failed": 1}."""
        last = self.out.strip().splitlines()[-1]
        return {what: int(count) for count, what in re.findall(r"(\d+) ([a-z]+)", last)}


@pytest.fixture
def run(tmp_path):
    return lambda source, *arguments, **variables: Run(tmp_path, source, *arguments, **variables)


def test_a_limit_fails_exactly_the_test_that_exceeds_it_and_names_its_line(run):
    done = run(TESTS, "-v")
    assert done.code == 1 and done.counts() == {"failed": 1, "passed": 3}, done.out
    assert re.search(r"test_suite.py::test_hog GIL", done.out), done.out
    line = SUITE.splitlines().index("    usleep_holding(microseconds)  # the line") + 1
    assert f"test_suite.py:{line} in hog" in done.out
    assert "the limit is 20.0 ms" in done.out and "thread 'ticker' waited" in done.out


def test_nothing_is_recorded_unless_it_is_asked_for(run):
    done = run("""
import gilprof
def test_it():
    assert not gilprof.is_running()
""")
    assert done.code == 0 and "GIL" not in done.out, done.out
    done = run(TESTS, "-p", "no:gilprof")
    assert done.counts() == {"passed": 4, "warnings": 3}, done.out


@pytest.mark.parametrize("options, is_measured", [([], False), (["--gilprof"], True)])
def test_tests_go_through_the_plugin_only_where_they_are_measured(run, options, is_measured):
    suite = """
@pytest.mark.parametrize(
    "part", ["runtest_setup", "runtest_call", "runtest_teardown", "runtest_logreport"]
)
def test_it(request, part):
    calls = getattr(request.config.hook, f"pytest_{part}").get_hookimpls()
    assert any("gilprof" in call.plugin_name for call in calls) is IS_MEASURED


@pytest.mark.parametrize("part", ["runtest_makereport", "report_teststatus"])
def test_without_limits(request, part):
    calls = getattr(request.config.hook, f"pytest_{part}").get_hookimpls()
    assert not any("gilprof" in call.plugin_name for call in calls)
"""
    assert run(suite.replace("IS_MEASURED", str(is_measured)), *options).code == 0


def test_wrong_markers_are_errors_of_the_collection(run):
    wrong = [
        ('limit_gil_hold("20")', "a number with its unit"),
        ("limit_gil_hold()", "missing 1 required positional argument"),
        ('limit_gil_hold("20ms", often=3)', "unexpected keyword argument 'often'"),
        ("limit_gil_wait()", "needs a duration or a ratio"),
        ('limit_gil_wait("1s", ratio=2)', "0 to 1"),
        ("limit_gil_contention(20)", "0 to 1"),
    ]
    tests = [
        f"@pytest.mark.{marker}\ndef test_{index}(): pass\n"
        for index, (marker, _) in enumerate(wrong)
    ]
    done = run("".join(tests))
    assert done.code == 4, done.out
    for index, (marker, why) in enumerate(wrong):
        name = marker.partition("(")[0]
        (line,) = [one for one in done.out.splitlines() if f"::test_{index}: {name}" in one]
        assert why in line


def test_limits_of_waiting_combine_and_the_closest_counts(run):
    done = run("""
pytestmark = pytest.mark.limit_gil_wait("10ms")

def test_module():
    hog(100_000)

@pytest.mark.limit_gil_wait("10s")
def test_own():
    hog(100_000)

@pytest.mark.limit_gil_wait("10s", ratio=0.2)
@pytest.mark.limit_gil_contention("20%")
def test_both():
    hog(100_000)

@pytest.mark.limit_gil_wait("10s")
class TestClass:
    @pytest.mark.parametrize("microseconds", [1_000, 100_000])
    def test_method(self, microseconds):
        hog(microseconds)
""")
    assert done.counts() == {"failed": 2, "passed": 3}, done.out
    assert "the limit is 10.0 ms" in done.out
    assert done.out.count("the limit is 20 %") == 2


def test_the_time_of_fixtures_is_kept_apart(run, tmp_path):
    done = run("""
@pytest.fixture
def heavy():
    hog(100_000)
    yield
    hog(100_000)

@pytest.mark.limit_gil_hold("20ms")
def test_light(heavy):
    pass
""", "--gilprof-json=numbers.json")
    assert done.counts() == {"passed": 1}, done.out
    (numbers,) = json.loads((tmp_path / "numbers.json").read_text())["tests"].values()
    assert numbers[0]["setup_waiting_ns"] > 5 * numbers[0]["waiting_ns"]
    assert numbers[0]["teardown_waiting_ns"] > 5 * numbers[0]["waiting_ns"]


def test_fixtures_in_which_nobody_waited_have_no_numbers(run, tmp_path):
    done = run("""
@pytest.fixture(autouse=True)
def ticker():
    yield

def test_alone():
    pass
""", "--gilprof-json=numbers.json")
    assert done.counts() == {"passed": 1}, done.out
    (numbers,) = json.loads((tmp_path / "numbers.json").read_text())["tests"].values()
    assert set(numbers[0]) == {"wall_ns", "holding_ns", "waiting_ns"}


def test_the_summary_says_who_waited_most_and_who_is_to_blame(run, tmp_path):
    done = run(TESTS, "--gilprof", "--gilprof-top=1", "--gilprof-json=numbers.json")
    assert "exact, switch interval 5.00 ms" in done.out, done.out
    told = done.out[done.out.index("= GIL =") :]
    assert "threads waited" in told and "of it in test_suite.py::test_hog" in told
    assert re.search(r"test_suite.py:\d+ in hog", told), told
    assert "test_without_a_limit" not in told.partition("numbers.json")[0]
    saved = json.loads((tmp_path / "numbers.json").read_text())
    assert saved["format"] == "gilprof-pytest/1" and len(saved["tests"]) == 4
    ((hog,),) = (saved["tests"]["test_suite.py::test_hog"],)
    assert 0.8 * hog["wall_ns"] <= hog["holding_ns"] <= 1.1 * hog["wall_ns"]
    assert 0.5 * hog["wall_ns"] <= hog["worst_hold_ns"] <= hog["wall_ns"]
    assert "in hog" in hog["blame"]


def test_runs_are_compared_with_earlier_ones(run, tmp_path):
    work = "def test_it():\n    hog({})\n"
    assert run(work.format(20_000), "--gilprof-json=old.json").code == 0
    compare = ["--gilprof-compare=old.json", "--gilprof-compare-fail=wait:50%"]
    same = run(work.format(20_000), *compare)
    assert same.code == 0, same.out
    worse = run(work.format(200_000), *compare)
    assert worse.code == 1 and "the limit is 50 % more" in worse.out, worse.out
    assert "since old.json, the median wait of" in worse.out
    hold = run(work.format(200_000), compare[0], "--gilprof-compare-fail=hold:50%")
    assert hold.code == 1 and "keeps others waiting in one hold" in hold.out, hold.out


@pytest.mark.parametrize("hold_ns, is_told", [(5_000_000, False), (8_000_000, True)])
def test_a_hold_that_is_not_known_was_no_longer_than_threads_waited(hold_ns, is_told):
    before = {"test_it": [{"waiting_ns": 4_900_000}]}
    now = {"test_it": [{"waiting_ns": 20_000_000, "worst_hold_ns": hold_ns}]}
    worse = Comparison(["old.json"], before).worse(now, Threshold.parse("hold:10%"))
    assert ["4.90 ms before" in line for line in worse] == [True] * is_told


@pytest.mark.parametrize(
    "options, why",
    [
        (["--gilprof-compare=none.json"], "No such file"),
        (["--gilprof-compare=text.json"], "is no JSON"),
        (["--gilprof-compare=newer.json"], "gilprof-pytest/1"),
        (["--gilprof-compare-fail=wait:10%"], "needs --gilprof-compare"),
        (["--gilprof-compare=old.json", "--gilprof-compare-fail=wait"], 'as "wait:10%"'),
        (["--gilprof", "--gilprof-top=many"], "a number of tests"),
    ],
)
def test_a_wrong_option_names_itself_and_what_is_allowed(run, tmp_path, options, why):
    (tmp_path / "text.json").write_text("no")
    (tmp_path / "newer.json").write_text('{"format": "gilprof-pytest/2", "tests": {}}')
    (tmp_path / "old.json").write_text('{"format": "gilprof-pytest/1", "tests": {}}')
    done = run("def test_it(): pass\n", *options)
    assert done.code == 4 and why in done.out, done.out
    assert options[-1].partition("=")[0] in done.out


def test_options_are_keys_of_the_ini_file_too(run, tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\ngilprof = true\ngilprof_top = 2\n")
    done = run(TESTS)
    assert "= GIL =" in done.out and done.out.count("  test_suite.py::") == 2, done.out


def test_the_fixture_tells_what_the_test_did_so_far(run):
    done = run("""
def test_it(gilprof):
    before = gilprof.snapshot()
    hog(50_000)
    window = gilprof.snapshot() - before
    assert window.waiting_ns > 10_000_000
    with gilprof.measure("mine") as measured:
        hog(1_000)
    assert measured.holding_ns > 500_000
    with pytest.raises(AssertionError), gilprof.limit(hold="20ms"):
        hog(100_000)
""")
    assert done.counts() == {"passed": 1}, done.out


def test_limits_hold_in_the_workers_of_xdist_and_in_junit_files(run, tmp_path):
    pytest.importorskip("xdist")
    done = run(TESTS, "-n", "2", "--gilprof", "--gilprof-json=numbers.json", "--junit-xml=junit.xml")
    assert done.counts() == {"failed": 1, "passed": 3}, done.out
    assert "of it in test_suite.py::test_hog" in done.out, done.out
    assert len(json.loads((tmp_path / "numbers.json").read_text())["tests"]) == 4
    cases = {case.get("name"): case for case in xml.parse(str(tmp_path / "junit.xml")).iter("testcase")}
    properties = {one.get("name"): one.get("value") for one in cases["test_hog"].iter("property")}
    assert int(properties["gil_worst_hold_ns"]) > 20_000_000
    (failure,) = cases["test_hog"].iter("failure")
    assert "the limit is 20.0 ms" in failure.text


def test_side_by_side_with_reruns_timeouts_and_asyncio(run, tmp_path):
    for module in ("pytest_rerunfailures", "pytest_timeout", "pytest_asyncio"):
        pytest.importorskip(module)
    done = run("""
import asyncio

@pytest.mark.limit_gil_hold("20ms")
@pytest.mark.asyncio
async def test_async():
    await asyncio.sleep(0)
    hog(100_000)

@pytest.mark.limit_gil_hold("1s")
@pytest.mark.timeout(60)
@pytest.mark.asyncio
async def test_async_within():
    await asyncio.sleep(0.01)
""", "--reruns=1", "--gilprof", "--gilprof-json=numbers.json")
    assert done.counts() == {"failed": 1, "passed": 1, "rerun": 1}, done.out
    tests = json.loads((tmp_path / "numbers.json").read_text())["tests"]
    assert [len(runs) for runs in tests.values()] == [2, 1]
