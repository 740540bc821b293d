import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def python_blocks():
    for page in PAGES:
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.S), 1):
            yield pytest.param(block, id=f"{page.stem}-{number}")


def test_the_readme_has_python_examples():
    assert [block.id for block in python_blocks()].count("README-1") == 1


@pytest.mark.parametrize("block", list(python_blocks()))
def test_a_python_block_of_the_documentation_runs(block, run, tmp_path):
    program = tmp_path / "block.py"
    program.write_text(block)
    ended = run(program)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page):
    named = re.findall(r"`((?:docs|examples|scripts|benches|crates|python-bindings)/[^`*\s]*)`", page.read_text())
    missing = [name for name in named if not (ROOT / name).exists()]
    assert missing == []
