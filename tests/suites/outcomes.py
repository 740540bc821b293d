"""A pytest plugin: writes how each test ended to the file that OUTCOMES names.

It does less than a report of pytest's own, whose time would be the suite's, too.
"""

import json
import os

_outcomes = {}


def pytest_runtest_logreport(report):
    # A part of a test that passes says nothing new of it.
    known = _outcomes.setdefault(report.nodeid, [])
    if report.when == "call" or report.outcome != "passed":
        expected = "expected to fail, " if hasattr(report, "wasxfail") else ""
        part = "" if report.when == "call" else f"{report.when} "
        known.append(f"{part}{expected}{report.outcome}")


def pytest_sessionfinish():
    with open(os.environ["OUTCOMES"], "w", encoding="utf-8") as file:
        json.dump(_outcomes, file)
