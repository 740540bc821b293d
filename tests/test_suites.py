import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "suites"))

from suite import SUITES  # noqa: E402


def test_each_suite_has_a_name_of_its_own():
    names = [suite.name for suite in SUITES]
    assert sorted(set(names)) == sorted(names)


def test_what_a_suite_needs_is_pinned():
    for suite in SUITES:
        assert all("==" in need for need in suite.needs), suite.name
