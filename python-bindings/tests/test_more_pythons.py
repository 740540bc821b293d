"""Pythons that few systems have (scripts/more_pythons.py), recorded by this one."""

import subprocess
from pathlib import Path

import balance
import pytest
from test_attach import Program, assert_the_hog_is_blamed, hogs, recorded, until

import gilprof

ROOT = Path(__file__).resolve().parents[2]
FOUND = sorted(ROOT.glob(".pythons/*/bin/python"))
FREE_THREADED = [one for one in FOUND if one.parts[-3].endswith("t")]
WITH_GIL = [one for one in FOUND if one not in FREE_THREADED]
NONE = "there are none: scripts/more_pythons.py fetches them"


def named(paths):
    return [pytest.param(one, id=one.parts[-3]) for one in paths] or [
        pytest.param(None, marks=pytest.mark.skip(reason=NONE))
    ]


@pytest.mark.parametrize("python", named(WITH_GIL))
def test_a_program_of_it_is_recorded_from_outside_and_stays_right(python):
    program = Program(python=python)
    profile = recorded(program)
    told = program.finish()
    balance.assert_balanced(profile)
    assert {"hog", "counter", "ticker", "MainThread"} <= {one.name for one in profile.threads}
    assert_the_hog_is_blamed(profile)
    assert told["wrong"] == [] and all(told["rounds"].values())
    assert told["before"] == told["after"]


@pytest.mark.parametrize("python", named(FREE_THREADED))
def test_a_free_threaded_one_is_refused_as_it_has_no_gil(python):
    program = Program(python=python)
    with pytest.raises(gilprof.AttachError, match="without a GIL"):
        gilprof.attach(program.pid)
    assert program.finish()["wrong"] == []


@pytest.mark.parametrize("python", named(FREE_THREADED))
def test_a_free_threaded_one_says_why_it_cannot_record_itself(python):
    here = str(Path(gilprof.__file__).parents[1])
    source = f"""
import sys
sys.path.insert(0, {here!r})
import gilprof
try:
    gilprof.start()
except gilprof.UnsupportedError as why:
    print(why)
"""
    done = subprocess.run(
        [str(python), "-c", source],
        stdout=subprocess.PIPE,
        universal_newlines=True,
        check=True,
    )
    assert "free-threaded" in done.stdout


@pytest.mark.parametrize("python", named(WITH_GIL))
def test_a_program_of_it_is_sampled(python):
    program = Program(python=python)
    with gilprof.attach(program.pid, sample=True) as attachment:
        until(lambda: attachment.snapshot().wall_ns >= 1_000_000_000)
    assert program.finish()["wrong"] == []
    profile = attachment.result
    assert profile.holding_ns >= 0.5 * profile.wall_ns and hogs(profile) == 0
