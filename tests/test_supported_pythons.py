import re

import find_pythons


def test_the_page_lists_the_supported_pythons(root):
    page = (root / "docs" / "supported-pythons.md").read_text()
    assert re.findall(r"^\| (3\.\d+) ", page, re.M) == find_pythons.SUPPORTED


def test_the_package_says_the_same(root):
    project = (root / "python-bindings" / "pyproject.toml").read_text()
    assert re.findall(r'Python :: (3\.\d+)"', project) == find_pythons.SUPPORTED
    assert f'requires-python = ">={find_pythons.SUPPORTED[0]}"' in project


def test_the_stable_abi_is_that_of_the_oldest(root):
    oldest = find_pythons.SUPPORTED[0].replace(".", "")
    assert f"abi3-py{oldest}" in (root / "Cargo.toml").read_text()


def test_the_readme_names_the_oldest_and_the_newest(root):
    first, *_, last = find_pythons.SUPPORTED
    assert f"CPython {first} to {last}" in (root / "README.md").read_text()
