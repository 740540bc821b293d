"""Pythons that few systems have (scripts/more_pythons.py), recorded by this one."""

import shutil
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
def test_a_free_threaded_one_is_not_recorded_as_it_has_no_gil(python):
    program = Program(python=python)
    with pytest.raises(gilprof.AttachError, match="without a GIL"):
        gilprof.attach(program.pid)
    assert program.finish()["wrong"] == []


# An extension that does not declare that it can do without the GIL, and what it needs of
# `Python.h`: there is none for these Pythons.
NEEDS_GIL = """
#include <stddef.h>
#include <stdint.h>

struct object { uint64_t owner; uint16_t flags; uint8_t lock, gc; uint32_t local; int64_t shared; void *type; };
struct module {
    struct object head;
    void *init; int64_t index; void *copy;
    const char *name, *doc; int64_t size;
    void *methods, *slots, *traverse, *clear, *free;
};
extern void *PyModule_Create2(struct module *, int);

static struct module needs_gil = {.head = {.local = UINT32_MAX}, .name = "needs_gil", .size = -1};

void *PyInit_needs_gil(void) { return PyModule_Create2(&needs_gil, 1013); }
"""

SPINNING = """
import sys, threading
sys.path.insert(0, {folder!r})
import {module}

over = threading.Event()

def spin():
    while not over.is_set():
        sum(range(2_000))

threads = [threading.Thread(target=spin, name=f"spin-{{index}}") for index in range(2)]
for thread in threads:
    thread.start()
print("ready", flush=True)
sys.stdin.readline()
over.set()
for thread in threads:
    thread.join()
print('"done"')
"""


def sampled(program):
    with gilprof.attach(program.pid, sample=True) as attachment:
        until(lambda: attachment.snapshot().wall_ns >= 1_000_000_000)
    told = program.finish()
    assert told == "done" or told["wrong"] == []
    return attachment.result


@pytest.mark.parametrize("python", named(FREE_THREADED))
def test_of_a_free_threaded_one_it_is_said_that_it_has_no_gil_and_what_its_threads_do(python):
    profile = sampled(Program(SPINNING.format(folder="", module="json"), python=python))
    (gil,) = profile.gils
    assert (gil.enabled, gil.needed_by) == (False, [])
    assert profile.python.endswith("t")
    assert profile.verdict.id == "no-gil" and "CPUs busy" in profile.verdict.sentence
    assert profile.holding_ns == profile.waiting_ns == 0
    spun = [one.cpu_ns for one in profile.threads if one.name.startswith("spin-")]
    # With a GIL they had no more than one CPU together.
    assert len(spun) == 2 and (sum(spun) > 1.2 * profile.wall_ns or (profile.cpus or 1) < 2)
    assert all(row.speed_up is None for row in profile.what_if(2))


@pytest.mark.parametrize("python", named(FREE_THREADED))
def test_of_a_free_threaded_one_the_module_is_named_that_switched_its_gil_on(python, tmp_path):
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no compiler")
    source = tmp_path / "needs_gil.c"
    source.write_text(NEEDS_GIL)
    command = [compiler, "-shared", "-fPIC", source, "-o", tmp_path / "needs_gil.so"]
    subprocess.run(command, check=True)
    spinning = SPINNING.format(folder=str(tmp_path), module="needs_gil")
    profile = sampled(Program(spinning, python=python))
    (gil,) = profile.gils
    assert (gil.enabled, gil.needed_by) == (True, ["needs_gil"])
    assert profile.verdict.id == "no-gil" and "needs_gil" in profile.verdict.sentence
    assert [one.id for one in profile.findings][1:2] == ["gil-bound"]
    assert profile.holding_ns >= 0.9 * profile.wall_ns


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
    profile = sampled(Program(python=python))
    assert profile.holding_ns >= 0.5 * profile.wall_ns and hogs(profile) == 0
