import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VERDICTS = {
    "two_threads_counting": "gil-bound",
    "five_threads_io": "io-bound",
    "one_c_call_holding": "blocked-hold",
}
PROFILE_THEMSELVES = ["label_what_waits", "measure_requests", "watch_a_service"]


def test_every_example_is_tested():
    examples = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert examples == {*VERDICTS, *PROFILE_THEMSELVES}


def profile_of(run, example, folder):
    """The example's profile and verdict, got with `gilprof run`."""
    saved = folder / "profile.json"
    program = ROOT / "examples" / f"{example}.py"
    ended = run("-m", "gilprof", "run", "-o", saved, "--", sys.executable, program)
    assert ended.returncode == 0, ended.stderr
    verdict = run("-c", f"import gilprof; print(gilprof.load({str(saved)!r}).verdict.id)")
    return json.loads(saved.read_text()), verdict.stdout.strip()


@pytest.mark.parametrize("example", VERDICTS)
def test_an_example_gets_the_verdict_that_is_true(example, run, tmp_path):
    profile, verdict = profile_of(run, example, tmp_path)
    assert verdict == VERDICTS[example]
    assert profile["dropped"] == 0


def test_the_holding_call_is_one_hold_of_200_ms_and_blamed_for_the_wait(run, tmp_path):
    profile, _ = profile_of(run, "one_c_call_holding", tmp_path)
    names = {thread["id"]: thread["name"] for thread in profile["threads"]}
    worst = profile["holds"][0]
    assert names[worst["thread"]] == "holder"
    assert 200e6 <= worst["duration_ns"]
    blamed = {
        (names[pair["waiter"]], names[pair["holder"]]): pair["longest_ns"]
        for pair in profile["blame"]
    }
    assert blamed["ticker", "holder"] > 0.9 * worst["duration_ns"]


@pytest.mark.parametrize("example", PROFILE_THEMSELVES)
def test_an_example_that_profiles_itself_runs(example, run):
    ended = run(ROOT / "examples" / f"{example}.py")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout
