#!/usr/bin/env python3
"""Runs every check and test of the project, the fast ones first.

    scripts/test_all.py             everything
    scripts/test_all.py fmt loom    only these checks
    scripts/test_all.py pytest      only the Python tests, on every Python found
"""
import os
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from typing import NamedTuple

import venvs
from find_pythons import ROOT, describe, find_pythons

PYTEST_SECONDS = 1_200
REPORTS = ROOT / "target" / "pytest"
PYTEST = ["-m", "pytest", "-q", "--rootdir=.", "-p", "no:cacheprovider"]
# It has a thread of its own.
PYTEST += ["-p", "no:rerunfailures"]
PYTEST += ["-o", "faulthandler_timeout=300"]


class Result(NamedTuple):
    """How one line of the closing table went."""

    name: str
    passed: int
    failed: int
    seconds: float
    note: str = ""


def check(name, command, **environment):
    """Runs one command; it counts as one test."""
    print(f"\n=== {name}: {' '.join(str(part) for part in command)}", flush=True)
    begin = time.monotonic()
    code = call(command, {**os.environ, **environment})
    return Result(name, int(code == 0), int(code != 0), time.monotonic() - begin)


def skipped(name, reason):
    print(f"\n=== {name}: skipped, {reason}", flush=True)
    return Result(name, 0, 0, 0.0, f"skipped: {reason}")


def call(command, environment, timeout=None):
    """The command's exit status, or 1 if it took too long."""
    try:
        command = [str(part) for part in command]
        return subprocess.run(command, cwd=ROOT, env=environment, timeout=timeout).returncode
    except subprocess.TimeoutExpired:
        print(f"not finished after {timeout} s: ended", flush=True)
        return 1


def has(tool):
    """Whether cargo knows this subcommand."""
    asked = subprocess.run(
        ["cargo", tool, "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return asked.returncode == 0


def fmt():
    if not has("fmt"):
        return skipped("fmt", "cargo fmt is not installed")
    return check("fmt", ["cargo", "fmt", "--all", "--check"])


def clippy():
    if not has("clippy"):
        return skipped("clippy", "cargo clippy is not installed")
    command = ["cargo", "clippy", "--locked", "--workspace", "--all-targets"]
    return check("clippy", [*command, "--", "-D", "warnings"])


def rust():
    runner = ["nextest", "run"] if has("nextest") else ["test", "--all-targets"]
    return check("rust", ["cargo", *runner, "--locked", "--no-fail-fast"])


def doctest():
    return check("doctest", ["cargo", "test", "--locked", "--doc"])


def rustdoc():
    command = ["cargo", "doc", "--locked", "--no-deps", "--lib"]
    return check("rustdoc", command, RUSTDOCFLAGS="-D warnings")


def loom():
    command = ["cargo", "test", "--locked", "-p", "gilprof-region", "--lib", "models"]
    return check("loom", command, RUSTFLAGS="--cfg loom", CARGO_TARGET_DIR="target-loom")


def embed():
    """A Rust program with a Python in it, built with the newest that can be linked."""
    python = next((one for one in reversed(find_pythons()) if one.embeddable), None)
    if python is None:
        return skipped("embed", "no shared libpython to link to was found")
    environment = {
        "PYO3_PYTHON": python.path,
        "PYTHONHOME": python.prefix,
        "LD_LIBRARY_PATH": os.path.dirname(python.library),
    }
    # Else every change of the interpreter would rebuild the other checks too.
    command = ["cargo", "run", "--locked", "-p", "gilprof-embed", "--target-dir", "target/embed"]
    return check("embed", command, **environment)


def embed_c():
    """A C program with a Python in it: its profile tells of its threads and its span."""
    python = next((one for one in reversed(find_pythons()) if one.embeddable), None)
    if python is None:
        return skipped("embed-c", "no shared libpython to link to was found")
    if shutil.which("gcc") is None:
        return skipped("embed-c", "gcc is not installed")
    header = check("embed-c header", ["cargo", "test", "--locked", "-p", "gilprof-c"])
    built = check("embed-c library", ["cargo", "build", "--locked", "-p", "gilprof-c"])
    asked = "import sysconfig; print(sysconfig.get_path('include'))"
    include = subprocess.check_output([python.path, "-c", asked], text=True).strip()
    target = ROOT / venvs.TARGET
    folders = [target / "debug", os.path.dirname(python.library)]
    command = ["gcc", "-Wall", "-Wextra", "-Werror", "-I", ROOT / "crates/gilprof-c/include"]
    command += ["-I", include, ROOT / "examples/embed-c/main.c", "-o", target / "embed-c"]
    command += [f"-Wl,-rpath,{folder}" for folder in folders]
    command += [python.library, f"-L{folders[0]}", "-lgilprof"]
    compiled = check("embed-c gcc", command)
    told = (
        "import json, subprocess, sys;"
        " profile = json.loads(subprocess.check_output(sys.argv[1:]));"
        " (span,) = profile['spans'];"
        " assert (span['label'], span['spans']) == ('count', 1), span;"
        " names = [thread['name'] for thread in profile['threads']];"
        " assert 'host' in names and len(names) == 3, names"
    )
    home = f"PYTHONHOME={python.prefix}"
    ran = check("embed-c", [sys.executable, "-c", told, "env", home, target / "embed-c"])
    return [header, built, compiled, ran]


def compared(name):
    """Builds the library tests/NAME-check, and has each Python compare what it says."""
    package = f"gilprof-{name}-check"
    built = check(name, ["cargo", "build", "--locked", "-p", package])
    if built.failed:
        return built
    library = ROOT / venvs.TARGET / "debug" / f"lib{package.replace('-', '_')}.so"
    program = ROOT / "tests" / f"{name}-check" / "check.py"
    return [
        check(f"{name} {python.label}", [python.path, program, library])
        for python in find_pythons()
    ]


def code():
    """What is read of code objects, compared with what each interpreter says."""
    return compared("code")


def inspect():
    """What is learned of an interpreter from outside, compared with what the probe learns."""
    return compared("inspect")


def wheel():
    return check("wheel", [sys.executable, ROOT / "scripts" / "venvs.py"])


def pytest():
    """The Python tests on each interpreter of this machine; those of documentation, examples
    and scripts on the oldest and on the newest only."""
    pythons = find_pythons()
    package = ["python-bindings/tests"]
    results = []
    for python in pythons:
        at_an_end = python in (pythons[0], pythons[-1])
        results.append(pytest_on(python, [*package, "tests"] if at_an_end else package))
    return results


def pytest_on(python, folders):
    name = f"pytest {python.label}"
    print(f"\n=== {name}: {python.path}", flush=True)
    begin = time.monotonic()
    try:
        inside = venvs.with_wheel(python.label, python.path, venvs.TEST_PACKAGES, venvs.built_wheel())
    except (SystemExit, subprocess.CalledProcessError) as error:
        return Result(name, 0, 1, time.monotonic() - begin, str(error))
    report = REPORTS / f"{python.label}.xml"
    report.unlink(missing_ok=True)
    command = [inside, *PYTEST, f"--junit-xml={report}", *folders]
    code = call(command, {**os.environ, "PYTHONNOUSERSITE": "1"}, PYTEST_SECONDS)
    passed, failed, note = counts(report)
    # A crash leaves no report, or one that knows nothing of it.
    failed = max(failed, int(code != 0))
    return Result(name, passed, failed, time.monotonic() - begin, note)


def scenarios():
    """Small programs of which it is known what is true of them, on the newest Python."""
    program = ROOT / "tests" / "scenarios" / "run.py"
    return check("scenarios", [newest(), program, "--fast", "--runs", "1"])


def services():
    """A small server that is attached to while it is asked, on the newest Python."""
    return check("services", [newest(), ROOT / "tests" / "services" / "check.py", "--fast"])


def fleets():
    """Processes of multiprocessing, recorded all together, on the newest Python."""
    return check("fleets", [newest(), ROOT / "tests" / "services" / "fleets.py", "--fast"])


def newest():
    python = find_pythons()[-1]
    return venvs.with_wheel(python.label, python.path, venvs.TEST_PACKAGES, venvs.built_wheel())


def counts(report):
    """Tests passed and failed in a JUnit report, and a note on those skipped."""
    if not report.exists():
        return 0, 1, "ended without a report"
    suite = xml.parse(report).getroot().find("testsuite")
    tests, failures, errors, skips = (
        int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")
    )
    note = f"{skips} skipped" if skips else ""
    return tests - failures - errors - skips, failures + errors, note


CHECKS = [fmt, clippy, rust, doctest, rustdoc, loom, code, inspect, embed, embed_c]
CHECKS += [wheel, pytest, scenarios, services, fleets]


def chosen(names):
    known = {one.__name__: one for one in CHECKS}
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"no check is called {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else CHECKS


def summary(results):
    """The closing table; true if nothing failed."""
    print("\n=== Results")
    for result in results:
        state = "FAILED" if result.failed else "passed" if result.passed else "-"
        tests = f"{result.passed}/{result.passed + result.failed}"
        print(f"{result.name:24} {state:7} {tests:>9} {result.seconds:7.0f} s  {result.note}")
    passed = sum(result.passed for result in results)
    failed = sum(result.failed for result in results)
    print(f"{passed} passed, {failed} failed")
    return failed == 0 and passed > 0


def main(names):
    checks = chosen(names)
    if shutil.which("cargo") is None:
        sys.exit("cargo is not installed")
    REPORTS.mkdir(parents=True, exist_ok=True)
    print("Pythons found:")
    print("\n".join(describe(find_pythons())), flush=True)
    results = []
    for one in checks:
        result = one()
        results += result if isinstance(result, list) else [result]
    print("\nPythons found:")
    print("\n".join(describe(find_pythons())))
    return 0 if summary(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
