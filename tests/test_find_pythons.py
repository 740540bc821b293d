import find_pythons


def facts(**changes):
    """What a plain supported interpreter says of itself."""
    return {
        "implementation": "CPython",
        "version": find_pythons.SUPPORTED[0] + ".7",
        "prefix": "/usr",
        "library": "",
        "virtual": False,
        "linking": "static",
        "debug": False,
        "free_threaded": False,
        "path": "/usr/bin/python",
        **changes,
    }


def test_a_plain_interpreter_counts():
    found = find_pythons.accept(facts())
    assert found.minor == find_pythons.SUPPORTED[0]
    assert found.label == f"{found.version}-static"


def test_an_interpreter_without_this_gil_does_not_count():
    assert find_pythons.accept(facts(implementation="PyPy")) is None
    assert find_pythons.accept(facts(free_threaded=True)) is None
    assert find_pythons.accept(facts(version="3.8.18")) is None


def test_a_virtual_environment_is_not_another_interpreter():
    assert find_pythons.accept(facts(virtual=True)) is None


def test_what_is_no_python_is_passed_over():
    assert find_pythons.ask("/bin/false") is None
    assert find_pythons.ask("/nonexistent") is None


def test_each_version_and_linking_is_found_once():
    found = find_pythons.find_pythons()
    kinds = [(one.minor, one.linking) for one in found]
    assert found and len(kinds) == len(set(kinds))
